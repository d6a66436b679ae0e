// Port DataPipelines over Azure Data Factory's REST API (facts/datafactory.md §1–2), through ARM.
// createRun is not idempotent: a run is found by its parameter `runKey` first, and of two that carry one key the older stays.
import * as z from 'zod';
import type { Arm, CallMethod } from '../../clients/arm.ts';
import type { JobState } from '../../contracts/training.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { DataPipelines } from '../../ports/data-pipelines.ts';
import { activityLogs, ActivityPage, type ActivityRun } from './activity-runs.ts';

export interface DataFactoryOptions {
  arm: Arm;
  resourceGroup: string;
  factory: string;
  /** How far back a run of the same key is looked for (default 7 days; the service keeps 45). */
  lookBackMs?: number;
  /** How long a start without an answer is given to show in queries before the caller tries again (default 10 000 ms). */
  graceMs?: number;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

const API_VERSION = '2018-06-01';
const KEY = 'runKey';
/** Pages of 100 that are looked through: more runs of one pipeline in the window are a sign of something else. */
const MAX_PAGES = 50;
const GRACE_LOOKS = 3;
/** The service keeps runs for 45 days (facts/datafactory.md §1); their activities are asked for over all of them. */
const KEPT_MS = 45 * 86_400_000;
/** The service's clock may be ahead of ours. */
const AHEAD_MS = 600_000;

const PipelineRun = z.object({
  runId: z.string(),
  pipelineName: z.string().nullish(),
  parameters: z.record(z.string(), z.string()).nullish(),
  runStart: z.string().nullish(),
  runEnd: z.string().nullish(),
  status: z.string().nullish(),
  message: z.string().nullish(),
});
type PipelineRun = z.infer<typeof PipelineRun>;
const RunPage = z.object({ value: z.array(PipelineRun), continuationToken: z.string().nullish() });
const Created = z.object({ runId: z.string().min(1) });

export function createDataFactory(options: DataFactoryOptions): DataPipelines {
  const { arm, resourceGroup, factory, now, sleep } = options;
  const graceMs = options.graceMs ?? 10_000;
  const base = `/subscriptions/${arm.subscriptionId}/resourceGroups/${encodeURIComponent(resourceGroup)}/providers/Microsoft.DataFactory/factories/${encodeURIComponent(factory)}`;

  async function call<Shape extends z.ZodType>(method: CallMethod, path: string, shape: Shape, body?: unknown): Promise<z.infer<Shape>> {
    const answer = await arm.request(method, `${base}${path}`, { apiVersion: API_VERSION, ...(body === undefined ? {} : { body }) });
    const parsed = shape.safeParse(answer.json);
    if (!parsed.success)
      throw new RejectedError('arm-answer-invalid', `Data Factory answered ${method} ${path} with something unexpected.`);
    return parsed.data;
  }

  /** Runs of a pipeline that carry the key, oldest first; cancelled ones are no longer anybody's work. */
  async function carrying(pipeline: string, runKey: string): Promise<PipelineRun[]> {
    const found: PipelineRun[] = [];
    let continuationToken: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const body: Record<string, unknown> = {
        lastUpdatedAfter: new Date(now() - (options.lookBackMs ?? 7 * 86_400_000)).toISOString(),
        lastUpdatedBefore: new Date(now() + AHEAD_MS).toISOString(),
        filters: [{ operand: 'PipelineName', operator: 'Equals', values: [pipeline] }],
        orderBy: [{ orderBy: 'RunStart', order: 'DESC' }],
        ...(continuationToken === null ? {} : { continuationToken }),
      };
      const answer: z.infer<typeof RunPage> = await call('POST', '/queryPipelineRuns', RunPage, body);
      found.push(...answer.value.filter((run) => run.parameters?.[KEY] === runKey && stateOf(run.status) !== 'cancelled'));
      continuationToken = answer.continuationToken ?? null;
      if (continuationToken === null) break;
    }
    return found.sort(older);
  }

  async function create(pipeline: string, runKey: string, parameters: Readonly<Record<string, string>>): Promise<string | null> {
    try {
      const path = `/pipelines/${encodeURIComponent(pipeline)}/createRun`;
      return (await call('POST', path, Created, { ...parameters, [KEY]: runKey })).runId;
    } catch (error) {
      if (error instanceof RejectedError && (error.code === 'arm-refused' || error.code === 'arm-missing')) {
        throw new RejectedError(
          'pipeline-run-refused',
          `Data Factory ${factory} did not start "${pipeline}": ${error.message} The pipeline must exist and declare a String parameter "${KEY}" and those that are sent.`,
        );
      }
      const unclear = error instanceof TransientError && (error.code === 'arm-unreachable' || error.code === 'arm-unavailable');
      if (!unclear) throw error;
      // It may have been started: a new run shows in queries after a moment.
      for (let look = 0; look < GRACE_LOOKS; look += 1) {
        await sleep(graceMs / GRACE_LOOKS);
        const [first] = await carrying(pipeline, runKey);
        if (first) return first.runId;
      }
      throw error;
    }
  }

  return {
    async start({ pipeline, runKey, parameters }) {
      const [known] = await carrying(pipeline, runKey);
      if (known) return { jobId: known.runId, adopted: true };
      const ours = await create(pipeline, runKey, parameters);
      const [first] = await carrying(pipeline, runKey);
      // Somebody else was a moment faster: theirs stays, ours would be the second payment.
      if (first && ours !== null && first.runId !== ours) {
        await cancelRun(ours);
        return { jobId: first.runId, adopted: true };
      }
      return { jobId: ours ?? first?.runId ?? '', adopted: false };
    },

    async get(jobId) {
      const answer = await arm.request('GET', `${base}/pipelineruns/${encodeURIComponent(jobId)}`, {
        apiVersion: API_VERSION,
        accept: [404],
      });
      if (answer.status === 404) {
        return { state: 'absent', reason: `Data Factory ${factory} knows no run ${jobId}`, queuedSeconds: null, executionSeconds: null };
      }
      const parsed = PipelineRun.safeParse(answer.json);
      if (!parsed.success) throw new RejectedError('arm-answer-invalid', `Data Factory described run ${jobId} in an unexpected way.`);
      return jobState(parsed.data, now());
    },

    cancel: cancelRun,

    async logs(jobId, maxBytes) {
      const found: ActivityRun[] = [];
      let continuationToken: string | null = null;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const body: Record<string, unknown> = {
          lastUpdatedAfter: new Date(now() - KEPT_MS).toISOString(),
          lastUpdatedBefore: new Date(now() + AHEAD_MS).toISOString(),
          ...(continuationToken === null ? {} : { continuationToken }),
        };
        const path = `${base}/pipelineruns/${encodeURIComponent(jobId)}/queryActivityruns`;
        const answer = await arm.request('POST', path, { apiVersion: API_VERSION, body, accept: [404] });
        if (answer.status === 404) return [];
        const parsed = ActivityPage.safeParse(answer.json);
        if (!parsed.success)
          throw new RejectedError('arm-answer-invalid', `Data Factory described the activities of run ${jobId} in an unexpected way.`);
        found.push(...parsed.data.value);
        continuationToken = parsed.data.continuationToken ?? null;
        if (continuationToken === null) break;
      }
      return activityLogs(found, maxBytes);
    },

    async probe() {
      await arm.request('GET', base, { apiVersion: API_VERSION });
      return { factory };
    },
  };

  async function cancelRun(jobId: string): Promise<void> {
    await arm.request('POST', `${base}/pipelineruns/${encodeURIComponent(jobId)}/cancel`, {
      apiVersion: API_VERSION,
      query: { isRecursive: 'true' },
      accept: [400, 404, 409],
    });
  }
}

function jobState(run: PipelineRun, now: number): JobState {
  const state = stateOf(run.status);
  const started = Date.parse(run.runStart ?? '');
  const ended = run.runEnd ? Date.parse(run.runEnd) : now;
  const status = run.status ?? 'no status';
  return {
    state: state ?? 'running',
    reason: state === null ? `Data Factory says "${status}", which is not known here` : (run.message ?? '').slice(0, 1500) || null,
    // The service counts from the start of the run and does not tell how long it queued.
    queuedSeconds: null,
    executionSeconds: state === 'pending' || Number.isNaN(started) ? null : Math.max(0, (ended - started) / 1000),
    vendorState: status.slice(0, 100),
  };
}

/** Both spellings of cancelled are in use (facts/datafactory.md §1); null = a word that is not known. */
function stateOf(status: string | null | undefined): JobState['state'] | null {
  switch (status) {
    case 'Queued':
      return 'pending';
    case 'InProgress':
    case 'Canceling':
      return 'running';
    case 'Succeeded':
      return 'succeeded';
    case 'Failed':
      return 'failed';
    case 'Canceled':
    case 'Cancelled':
      return 'cancelled';
    default:
      return null;
  }
}

function older(a: PipelineRun, b: PipelineRun): number {
  return Date.parse(a.runStart ?? '') - Date.parse(b.runStart ?? '') || (a.runId < b.runId ? -1 : 1);
}
