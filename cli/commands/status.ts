import type { z } from 'zod';
import type { PipelineSigns, PlatformStatus, RegisteredPipeline } from '../../shared/contracts/http-api.ts';
import type { ServingEntry } from '../../shared/contracts/runs.ts';
import type { Command } from '../command.ts';
import { printHolds } from '../event-lines.ts';
import { EXIT } from '../failure.ts';
import { type Output, paintState } from '../output.ts';
import { short } from '../times.ts';

/** Is Sluice well, what is registered, and what serves now. */
export const status: Command = {
  name: 'status',
  args: [],
  help: 'Say which parts can be reached, what is registered and what serves',
  async run(context) {
    const { output } = context;
    const api = await context.api();
    const [platform, pipelines, serving] = await Promise.all([
      api.get<PlatformStatus>('/status'),
      api.get<{ items: z.infer<typeof RegisteredPipeline>[] }>('/pipelines'),
      api.get<{ items: ServingEntry[] }>('/serving'),
    ]);
    output.line(`Sluice at ${api.address}: ${paintState(output, platform.state)}`);
    output.table(
      ['part', 'state', 'reason'],
      platform.components.map((part) => [part.name, paintState(output, part.state), part.reason ?? '']),
    );
    if (platform.queueDepth !== null) output.field('waiting', `${platform.queueDepth} messages in the landing queue`);
    if (platform.reconciled) {
      const { finishedAt, listed, found } = platform.reconciled;
      output.field('reconciled', `${short(finishedAt)}, ${listed} files compared with the ledger, ${found} lost events found`);
    }
    if (platform.retained) {
      const { finishedAt, tables, files, failed } = platform.retained;
      const problems = failed.length === 0 ? '' : `; could not look through ${failed.join(', ')}`;
      output.field('retained', `${short(finishedAt)}, ${files} files removed from ${tables} tables${problems}`);
    }
    output.line();
    if (pipelines.items.length === 0) output.line('No pipeline is registered. Register one with: sluice apply examples/ble-location');
    else
      output.table(
        ['pipeline', 'version', 'registered', 'last event', 'last dataset', 'last training', 'fresh', 'next'],
        pipelines.items.map((one) => [
          one.name,
          one.digest.slice(0, 12),
          short(one.updatedAt),
          ...signsOf(output, platform.pipelines, one.name),
        ]),
      );
    if (pipelines.items.length > 0) output.line(output.paint.dim('  Times are UTC; what came last is counted once a minute.'));
    if (platform.holds.freezes.length + platform.holds.breakers.length > 0) output.line();
    printHolds(output, platform.holds);
    if (serving.items.length > 0) {
      output.line();
      output.table(
        ['endpoint', 'environment', 'model', 'since'],
        serving.items.map((one) => [one.endpoint, one.environment, one.modelDigest.slice(0, 12), short(one.since)]),
      );
    }
    const signs = new Map(platform.pipelines.map(({ pipeline, ...one }) => [pipeline, one]));
    const known = pipelines.items.map((one) => ({ ...one, ...signs.get(one.name) }));
    output.result({ ...platform, pipelines: known, serving: serving.items });
    return platform.state === 'ok' ? EXIT.done : EXIT.failed;
  },
};

/** When data came and was used, whether the newest deadline was met, and what comes next by itself; `-` where nothing is known. */
function signsOf(output: Output, all: readonly PipelineSigns[], name: string): string[] {
  const signs = all.find(({ pipeline }) => pipeline === name);
  const time = (instant: string | null | undefined): string => (instant ? short(instant) : '-');
  const { freshness } = signs ?? {};
  const deadline = freshness ? `${freshness.met ? 'met' : output.paint.red('late')} ${short(freshness.deadline)}` : '-';
  return [time(signs?.lastEvent), time(signs?.lastDataset), time(signs?.lastTraining), deadline, time(signs?.nextSchedule)];
}
