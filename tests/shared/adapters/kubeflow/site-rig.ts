// A cluster with Kubeflow on it, in this process: both stand-ins without a socket between, a store for signed addresses, and a backend on top.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createShiftedClock, type ManualClock } from '../../../../local/cloud/kit/clock.ts';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowCloud, type KubeflowCloud } from '../../../../local/cloud/kubeflow/kubeflow-cloud.ts';
import type { KubeflowOptions as CloudOptions } from '../../../../local/cloud/kubeflow/options.ts';
import { type Cluster, createCluster } from '../../../../local/cloud/kubernetes/cluster.ts';
import { createKubernetesCloud, type KubernetesCloud } from '../../../../local/cloud/kubernetes/kubernetes-cloud.ts';
import type { ClusterOptions, RuleOptions } from '../../../../local/cloud/kubernetes/options.ts';
import { createKubeflowBackend, type KubeflowOptions } from '../../../../shared/adapters/kubeflow/backend.ts';
import { createKubernetes, type Kubernetes } from '../../../../shared/clients/kubernetes.ts';
import { isTerminal, JobSpec, type JobSpecInput, type JobState } from '../../../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';

export const STEP_IMAGE = `registry.test/step@sha256:${'1'.repeat(64)}`;
export const TRANSFER_IMAGE = `registry.test/transfer@sha256:${'2'.repeat(64)}`;
export const SLUICE = 'system:serviceaccount:ml:sluice';
const COMPONENTS = resolve(import.meta.dirname, '../../../../components');
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export interface SiteRig {
  cluster: Cluster;
  kubernetesCloud: KubernetesCloud;
  kubeflowCloud: KubeflowCloud;
  kubernetes: Kubernetes;
  backend: TrainingBackend;
  clock: ManualClock;
  /** Number of calls of each kind that the Kubernetes API has had, e.g. `GET /api/v1/nodes`. */
  calls: string[];
  /** Another backend over the same site. */
  another: (more: Partial<KubeflowOptions>) => TrainingBackend;
  until: (jobId: string, reached: (state: JobState) => boolean) => Promise<JobState>;
  end: (jobId: string) => Promise<JobState>;
  close: () => Promise<void>;
}

export interface SiteOptions {
  nodes?: ClusterOptions['nodes'];
  cluster?: Partial<ClusterOptions>;
  rules?: readonly RuleOptions[];
  kubeflow?: Partial<CloudOptions>;
  backend?: Partial<KubeflowOptions>;
  /** What stands around an API of the site. */
  around?: <C extends KubernetesCloud | KubeflowCloud>(cloud: C, via: string) => C;
}

const RULES: RuleOptions[] = [{ user: SLUICE, verbs: ['*'], resources: ['*'] }];

export function openSite(options: SiteOptions = {}): SiteRig {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-site-'));
  const clock = createShiftedClock();
  const cluster = createCluster({
    clock,
    serviceAccounts: [{ namespace: 'ml', name: 'sluice' }],
    ...(options.nodes ? { nodes: options.nodes } : {}),
    ...options.cluster,
  });
  const around = options.around ?? ((cloud) => cloud);
  const kubernetesCloud = around(
    createKubernetesCloud({ cluster, access: { tokens: [{ token: 'of-sluice', user: SLUICE }], rules: options.rules ?? RULES } }),
    'kubernetes api',
  );
  const kubeflowCloud = around(
    createKubeflowCloud({
      dataDir: folder,
      clock,
      cluster,
      graceMs: 300,
      images: {
        'registry.test/step': { programs: { node: process.execPath } },
        'registry.test/transfer': {
          programs: { python3: '/usr/bin/python3' },
          env: { PYTHONPATH: `${COMPONENTS}/transfer:${COMPONENTS}/protocol`, PYTHONDONTWRITEBYTECODE: '1' },
        },
      },
      auth: {
        mode: 'multi-user',
        issuers: [{ issuer: cluster.tokens.issuer, jwks: cluster.tokens.jwks }],
        grants: [
          { user: SLUICE, namespace: 'ml' },
          { user: 'system:serviceaccount:ml:person', namespace: 'ml' },
        ],
      },
      ...options.kubeflow,
    }),
    'kubeflow api',
  );
  const calls: string[] = [];
  const kubernetes = createKubernetes({
    server: 'https://cluster.test',
    getToken: async () => 'of-sluice',
    fetch: (input, init) => {
      const request = new Request(input, init);
      calls.push(`${request.method} ${new URL(request.url).pathname}`);
      return kubernetesCloud.fetch(request);
    },
    now: () => clock.now(),
    sleep: () => Promise.resolve(),
  });
  const another = (more: Partial<KubeflowOptions>) =>
    createKubeflowBackend({
      baseUrl: 'https://kubeflow.test/',
      namespace: 'ml',
      experiment: 'sluice',
      getToken: () => Promise.reject(new Error('the token of the service account is to be used')),
      serviceAccount: { namespace: 'ml', name: 'sluice', audience: 'pipelines.kubeflow.org' },
      kubernetes: { client: kubernetes },
      fetch: (input, init) => kubeflowCloud.fetch(new Request(input, init)),
      now: () => clock.now(),
      sleep: pause,
      ...options.backend,
      ...more,
    });
  const backend = another({});
  const until: SiteRig['until'] = async (jobId, reached) => {
    const seen: string[] = [];
    for (let turn = 0; turn < 500; turn += 1) {
      const state = await backend.get(jobId);
      seen.push(`${state.state} (${state.reason})`);
      if (reached(state)) return state;
      await pause(20);
    }
    throw new Error(`job ${jobId} did not get there: ${[...new Set(seen)].join(' → ')}`);
  };
  return {
    ...{ cluster, kubernetesCloud, kubeflowCloud, kubernetes, backend, clock, calls, another, until },
    end: (jobId) => until(jobId, ({ state }) => isTerminal(state)),
    async close() {
      await kubeflowCloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A job of node scripts; each step may use what its arguments give it. */
export function scripts(
  name: string,
  steps: Record<string, { script: string; args?: JobSpecInput['steps'][number]['args']; image?: string }>,
  more: Partial<JobSpecInput> = {},
): JobSpec {
  return JobSpec.parse({
    ...{ name, graph: 'site', labels: {}, parameters: {} },
    steps: Object.entries(steps).map(([step, { script, args = [], image = STEP_IMAGE }]) => ({
      ...{ name: step, image, command: ['node', '-e', script], args, cpu: 1, memoryGiB: 0.5 },
    })),
    ...more,
  });
}

/** A store behind signed addresses: keeps what is put once. */
export async function openStore(): Promise<{ objects: Map<string, string>; url(path: string): string; server: CloudServer }> {
  const objects = new Map<string, string>();
  const server = await serve(async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === 'PUT') {
      if (objects.has(pathname)) return new Response(null, { status: 412 });
      objects.set(pathname, await request.text());
      return new Response(null, { status: 201 });
    }
    const content = objects.get(pathname);
    return content === undefined ? new Response(null, { status: 404 }) : new Response(content);
  });
  return { objects, server, url: (path) => `${server.url}/${path}?sig=TOPSECRET` };
}
