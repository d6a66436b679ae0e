import type { z } from 'zod';
import type { PlatformStatus, RegisteredPipeline } from '../../shared/contracts/http-api.ts';
import type { ServingEntry } from '../../shared/contracts/runs.ts';
import type { Command } from '../command.ts';
import { EXIT } from '../failure.ts';
import { paintState } from '../output.ts';

/** Is Sluice well, what is registered, and what serves now. */
export const status: Command = {
  name: 'status',
  args: [],
  help: 'Say which parts can be reached, what is registered and what serves',
  async run(context) {
    const { output } = context;
    const api = await context.api();
    const [platform, pipelines, serving] = await Promise.all([
      api.get<z.infer<typeof PlatformStatus>>('/status'),
      api.get<{ items: z.infer<typeof RegisteredPipeline>[] }>('/pipelines'),
      api.get<{ items: ServingEntry[] }>('/serving'),
    ]);
    output.line(`Sluice at ${api.address}: ${paintState(output, platform.state)}`);
    output.table(
      ['part', 'state', 'reason'],
      platform.components.map((part) => [part.name, paintState(output, part.state), part.reason ?? '']),
    );
    if (platform.queueDepth !== null) output.field('waiting', `${platform.queueDepth} messages in the landing queue`);
    output.line();
    if (pipelines.items.length === 0) output.line('No pipeline is registered. Register one with: sluice apply examples/ble-location');
    else
      output.table(
        ['pipeline', 'version', 'registered'],
        pipelines.items.map((one) => [one.name, one.digest.slice(0, 12), one.updatedAt.slice(0, 19)]),
      );
    if (serving.items.length > 0) {
      output.line();
      output.table(
        ['endpoint', 'environment', 'model', 'since'],
        serving.items.map((one) => [one.endpoint, one.environment, one.modelDigest.slice(0, 12), one.since.slice(0, 19)]),
      );
    }
    output.result({ ...platform, pipelines: pipelines.items, serving: serving.items });
    return platform.state === 'ok' ? EXIT.done : EXIT.failed;
  },
};
