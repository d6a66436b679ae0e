// The hints that Event Grid gives about runs of a workspace (facts/azure.md §3.2), in the Event Grid schema and as CloudEvents.
// RunCompleted is for success only; the status in RunStatusChanged is lower case, as in the documentation's sample.
import { randomUUID } from 'node:crypto';
import type { JobRecord, JobStatus } from './model.ts';

/** `Microsoft.MachineLearningServices.RunCompleted` or `…RunStatusChanged`, in the Event Grid schema. */
export interface RunEvent {
  readonly id: string;
  /** ARM id of the workspace. */
  readonly topic: string;
  /** `experiments/{experiment id}/runs/{job name}`. */
  readonly subject: string;
  readonly eventType: 'Microsoft.MachineLearningServices.RunCompleted' | 'Microsoft.MachineLearningServices.RunStatusChanged';
  readonly eventTime: string;
  readonly data: {
    readonly experimentId: string;
    readonly experimentName: string;
    /** The job's name. */
    readonly runId: string;
    readonly runType: string;
    readonly runTags: Readonly<Record<string, string>>;
    readonly runProperties: Readonly<Record<string, string>>;
    /** RunStatusChanged only. */
    readonly runStatus?: string;
  };
  readonly dataVersion: string;
  readonly metadataVersion: string;
}

/** The same event as CloudEvent 1.0. */
export interface RunCloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly subject: string;
  readonly type: RunEvent['eventType'];
  readonly time: string;
  readonly data: RunEvent['data'];
}

/** Event Grid schema → CloudEvent. */
export const asCloudEvent = (event: RunEvent): RunCloudEvent => ({
  specversion: '1.0',
  id: event.id,
  source: event.topic,
  subject: event.subject,
  type: event.eventType,
  time: event.eventTime,
  data: event.data,
});

const RUN_TYPES = { Command: 'azureml.scriptrun', Sweep: 'azureml.HyperDrive', Pipeline: 'azureml.PipelineRun' } as const;

/** What a change to `status` makes known; `failures` adds RunStatusChanged of Failed and Canceled. */
export function eventsOf(workspaceId: string, job: JobRecord, status: JobStatus, now: number, failures: boolean): RunEvent[] {
  const base = {
    topic: workspaceId,
    subject: `experiments/${job.experimentId}/runs/${job.name}`,
    eventTime: new Date(now).toISOString(),
    dataVersion: '1.0',
    metadataVersion: '1',
  };
  const data = {
    experimentId: job.experimentId,
    experimentName: job.experimentName,
    runId: job.name,
    runType: RUN_TYPES[job.jobType],
    runTags: { ...job.tags },
    runProperties: { ...job.userProperties, ...job.results },
  };
  const changed: RunEvent = {
    ...base,
    id: randomUUID(),
    eventType: 'Microsoft.MachineLearningServices.RunStatusChanged',
    data: { ...data, runStatus: status.toLowerCase() },
  };
  if (status === 'Completed')
    return [changed, { ...base, id: randomUUID(), eventType: 'Microsoft.MachineLearningServices.RunCompleted', data }];
  if (status === 'Failed' || status === 'Canceled') return failures ? [changed] : [];
  return [changed];
}

/** Sends events one after the other; what a receiver does cannot disturb a job. */
export interface EventSender {
  send(events: readonly RunEvent[]): void;
  /** Resolves when everything that was sent has been delivered or given up. */
  idle(): Promise<void>;
}

const TRIES = 3;
const TRY_MS = 5_000;

/** Opens the sender. */
export function createEventSender(options: {
  publish?: ((event: RunEvent) => Promise<void> | void) | undefined;
  url?: string | undefined;
}): EventSender {
  let tail: Promise<void> = Promise.resolve();
  const deliver = async (event: RunEvent): Promise<void> => {
    try {
      await options.publish?.(event);
      if (options.url !== undefined) await post(options.url, event);
    } catch (error) {
      process.stderr.write(`azureml: the event ${event.eventType} of ${event.data.runId} was lost: ${String(error)}\n`);
    }
  };
  return {
    send(events) {
      for (const event of events) tail = tail.then(() => deliver(event));
    },
    idle: () => tail,
  };
}

async function post(url: string, event: RunEvent): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify(asCloudEvent(event)),
        signal: AbortSignal.timeout(TRY_MS),
      });
      await response.body?.cancel();
      if (response.ok) return;
      throw new Error(`${new URL(url).origin} answered ${response.status}`);
    } catch (error) {
      if (attempt >= TRIES) throw error;
    }
  }
}
