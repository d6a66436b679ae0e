// Port TrainingBackend over Kubeflow Pipelines 2 (REST v2beta1, facts/kubeflow.md §1-§2) and, where it is configured, the cluster's own API.
// KFP says what became of a run; Kubernetes says whether it may run at all, where it runs, and what is wrong with a pod.
import { readFileSync } from 'node:fs';
import { createCaFetch } from '../../clients/ca-fetch.ts';
import { createServiceAccountTokens } from '../../clients/kubernetes-tokens.ts';
import type { Kubernetes } from '../../clients/kubernetes.ts';
import { ConfigError, RejectedError, TransientError } from '../../errors/errors.ts';
import type { TrainingBackend } from '../../ports/training-backend.ts';
import { createKubeflowHttp } from './http.ts';
import { compilePipeline } from './ir.ts';
import { lastWords, logsOf } from './logs.ts';
import { createLooks } from './looks.ts';
import { awsAvailable, nodesAvailable } from './nodes.ts';
import { observe } from './observe.ts';
import { type PodOptions, siteLack } from './platform.ts';
import type { PodPlace } from './pods.ts';
import { readRun, submitJob } from './submit.ts';
import { Anything, ExperimentList, Health } from './wire.ts';

export { runIdOf } from './submit.ts';

export interface KubeflowOptions {
  /** `http://ml-pipeline.kubeflow:8888` or `https://<gateway>/pipeline`, without `/apis/…`. */
  baseUrl: string;
  /** Profile namespace; empty for a single-user server. */
  namespace: string;
  /** Name of the experiment that holds the jobs. */
  experiment: string;
  /** Bearer token (audience `pipelines.kubeflow.org`), null where the server asks for none. Not asked when `serviceAccount` is set. */
  getToken: () => Promise<string | null>;
  /** Instead of `getToken`: tokens of this service account by TokenRequest; needs `kubernetes`. */
  serviceAccount?: { namespace: string; name: string; audience: string };
  /** The cluster's API: machines before a job, pods during it. `namespace` of the pods; default that of the runs, `kubeflow` for a single-user server. */
  kubernetes?: { client: Kubernetes; namespace?: string };
  /** How pods are made. */
  pods?: PodOptions;
  /** Where the launcher keeps artifacts (`s3://`, `minio://`, `gs://`); absent = the namespace's default. */
  pipelineRoot?: string;
  /** Kubernetes service account that the steps run as; absent = the server's default. */
  runAs?: string;
  /** PEM file with the CA of the gateway. */
  caFile?: string;
  fetch?: typeof fetch;
  /** Limit of one call (default 30 000 ms). */
  timeoutMs?: number;
  /** How a lost creation is looked for: every `intervalMs`, for `totalMs` (default 2 s, 35 s: facts/kubeflow.md §1 wants > 30 s). */
  pollSettings?: { intervalMs: number; totalMs: number };
  /** A running step that has said nothing for so long is mentioned (default 600 s). */
  silentAfterSeconds?: number;
  /** How often the pods of a run are asked that Kubeflow shows unchanged (default 900 s). */
  closelyEverySeconds?: number;
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

export function createKubeflowBackend(options: KubeflowOptions): TrainingBackend {
  const kubernetes = options.kubernetes?.client ?? null;
  const podNamespace = options.kubernetes?.namespace ?? (options.namespace === '' ? 'kubeflow' : options.namespace);
  const place: PodPlace | null = kubernetes ? { kubernetes, namespace: podNamespace } : null;
  const pods = options.pods ?? {};
  const http = createKubeflowHttp({
    baseUrl: options.baseUrl,
    namespace: options.namespace,
    getToken: tokens(options),
    fetch: options.fetch ?? (options.caFile ? createCaFetch(readCa(options.caFile)) : fetch),
    timeoutMs: options.timeoutMs ?? 30_000,
    now: options.now,
  });
  const inTurn = createTurns();
  const looks = createLooks(options.closelyEverySeconds ?? 900, options.now);

  return {
    name: 'kubeflow',
    // `async`, so that a graph that cannot be compiled rejects and does not throw.
    submit: async (job) => {
      const compiled = compilePipeline(job, pods);
      return inTurn(job.name, () => submitJob(http, options, job, compiled));
    },

    async get(jobId) {
      const run = await readRun(http, jobId);
      if (!run) return { state: 'absent', reason: `Kubeflow knows no run ${jobId}`, queuedSeconds: null, executionSeconds: null };
      const known = place ? looks.known(run) : null;
      if (known) return known;
      const silentAfterSeconds = options.silentAfterSeconds ?? 600;
      const words = (step: string): Promise<string | null> => lastWords(http, run, step);
      const state = await observe(run, place, { pods, now: options.now, silentAfterSeconds, lastWords: words });
      looks.remember(run, state);
      return state;
    },

    async cancel(jobId) {
      // 400 = already terminal, 404 = gone (facts/kubeflow.md §1): both are what the caller wants. KFP has no place for a reason.
      await http.call({ method: 'POST', path: `/runs/${encodeURIComponent(jobId)}:terminate`, accept: [400, 404] }, Anything);
    },

    async logs(jobId, maxBytes) {
      const run = await readRun(http, jobId);
      return run ? logsOf(http, run, maxBytes) : [];
    },

    async probe() {
      const health = await http.call({ method: 'GET', path: '/healthz' }, Health);
      // healthz asks for no identity; a list does.
      const query = { page_size: '1', ...(options.namespace === '' ? {} : { namespace: options.namespace }) };
      await http.call({ method: 'GET', path: '/experiments', query }, ExperimentList);
      if (place) await requireRights(place);
      return { version: health?.tag_name ?? 'unknown' };
    },

    async check(job) {
      const lack = siteLack(job, pods, options.pipelineRoot);
      if (lack !== null) return { available: false, missing: lack };
      try {
        await http.call({ method: 'GET', path: '/healthz' }, Health);
        const nodes = await nodesAvailable(kubernetes, job, pods);
        return nodes.available ? await awsAvailable(kubernetes, podNamespace, pods) : nodes;
      } catch (error) {
        // A place that does not answer is not available; one that refuses us is a fault that somebody must mend.
        if (error instanceof TransientError) return { available: false, missing: error.message };
        throw error;
      }
    },
  };
}

/** One submission of a name at a time: the second one finds what the first one made. */
function createTurns(): <Result>(name: string, work: () => Promise<Result>) => Promise<Result> {
  const submitting = new Map<string, Promise<unknown>>();
  return async (name, work) => {
    const before = submitting.get(name);
    const mine = (before ?? Promise.resolve()).then(work, work);
    submitting.set(name, mine);
    try {
      return await mine;
    } finally {
      if (submitting.get(name) === mine) submitting.delete(name);
    }
  };
}

/** What the identity must be allowed in the cluster; all that is missing is named at once. */
async function requireRights({ kubernetes, namespace }: PodPlace): Promise<void> {
  const needed = [
    { verb: 'list', resource: 'nodes' },
    { verb: 'list', resource: 'pods', namespace },
    { verb: 'get', resource: 'pods', subresource: 'log', namespace },
    { verb: 'list', resource: 'events', namespace },
  ];
  const answers = await Promise.all(needed.map((action) => kubernetes.may(action)));
  const denied = needed.filter((_, index) => answers[index] === false);
  if (denied.length === 0) return;
  const words = denied.map(({ verb, resource, subresource }) => `${verb} ${resource}${subresource ? `/${subresource}` : ''}`).join(', ');
  throw new RejectedError(
    'kubernetes-forbidden',
    `The identity of Sluice may not ${words} at ${kubernetes.server} (pods and events in namespace "${namespace}"). Bind a role with these verbs to it.`,
  );
}

function tokens(options: KubeflowOptions): () => Promise<string | null> {
  if (!options.serviceAccount) return options.getToken;
  if (!options.kubernetes) {
    throw new ConfigError(['Kubeflow: tokens of a service account need the Kubernetes API (its address and identity are not set)']);
  }
  return createServiceAccountTokens(options.kubernetes.client, options.serviceAccount, options.now);
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError([`The CA file of Kubeflow, ${path}, cannot be read: ${error instanceof Error ? error.message : String(error)}`], {
      cause: error,
    });
  }
}
