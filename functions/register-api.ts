// Registers the HTTP API: routes, who verifies tokens, and the cheap calls by which `status` sees each part of the platform.
import { app } from '@azure/functions';
import * as df from 'durable-functions';
import type { Config } from '../shared/config/config.ts';
import { BackendName } from '../shared/contracts/pipeline/train.ts';
import type { Policy } from '../shared/contracts/stories.ts';
import type { TokenVerifier } from '../shared/ports/access.ts';
import { lazily } from './lazy.ts';
import type { Ports } from './ports.ts';
import type { ApiDeps } from './triggers/api/call.ts';
import { apiRoutes } from './triggers/api/routes.ts';
import { createStarter } from './triggers/durable-starter.ts';
import { createWindows } from './triggers/durable-windows.ts';
import { createIntake } from './triggers/intake.ts';

export interface ApiParts {
  config: Config;
  ports: Ports;
  policy: Policy;
  now: () => Date;
  queue: string;
}

export function registerApi({ config, ports, policy, now, queue }: ApiParts): void {
  const client = df.input.durableClient();
  const verifier = lazily<TokenVerifier>(async () => {
    const { createTokenVerifier } = await import('../shared/adapters/entra/verify.ts');
    const { issuer, audience, jwksUri } = config.api;
    return createTokenVerifier({ issuer, audience, jwksUri, clockToleranceSeconds: 60 });
  });
  const lake = { account: config.lake.account, container: config.lake.container };
  const readCommit: ApiDeps['readCommit'] = (container, path, eTag) => ports.lake.readCommit(container, path, eTag);
  const routes = apiRoutes({
    ...ports,
    verifier,
    starterOf: (context) => createStarter(df.getClient(context)),
    windowsOf: (context) => createWindows(df.getClient(context)),
    intake: createIntake({ ...ports, lake, readCommit, policy, now }),
    readCommit,
    files: ports.lake,
    lake,
    probes: probes(config, ports),
    queueDepth: () => ports.queueDepth(queue),
    policy,
    now,
  } satisfies ApiDeps);
  for (const { name, method, route, durable, handler } of routes) {
    app.http(name, { methods: [method], route, authLevel: 'anonymous', extraInputs: durable ? [client] : [], handler });
  }
}

function probes(config: Config, ports: Ports): ApiDeps['probes'] {
  const { aws } = config;
  // Training on this machine is for a laptop: elsewhere nobody misses it.
  const places = BackendName.options.filter((name) => name !== 'local' || ports.backends[name] !== undefined);
  return [
    { name: 'tables', check: () => ports.pipelines.list() },
    { name: 'store', check: () => ports.store.read('probe', 1) },
    { name: 'lake', check: () => ports.lake.probe() },
    ...places.map((name) => {
      const backend = ports.backends[name];
      return { name, check: backend ? () => backend.probe() : null };
    }),
    { name: 'workspace', check: ports.workspace ? () => ports.workspace?.read() ?? Promise.resolve() : null },
    { name: 'datafactory', check: ports.dataPipelines ? () => ports.dataPipelines?.probe() ?? Promise.resolve() : null },
    { name: 'sagemaker', check: aws ? () => ports.platform.probe(aws.region) : null },
  ];
}
