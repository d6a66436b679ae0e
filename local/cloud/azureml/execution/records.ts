// New jobs: the record and the run of the same name in MLflow, for jobs that were sent and for children that the service makes.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import type { Author, JobRecord, JsonObject } from '../model.ts';
import type { ExperimentRecord } from '../mlflow/tracking-store.ts';
import type { Store } from '../store.ts';

/** What a new job is made of. */
export interface NewJob {
  readonly name: string;
  readonly jobType: JobRecord['jobType'];
  readonly spec: JsonObject;
  readonly displayName?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly tags?: Readonly<Record<string, string>> | null | undefined;
  readonly userProperties?: Readonly<Record<string, string>> | null | undefined;
  readonly results?: Readonly<Record<string, string>>;
  readonly isArchived?: boolean | null | undefined;
  readonly experimentName: string;
  readonly author: Author;
  readonly parent?: JobRecord;
  readonly outputUris: Readonly<Record<string, string>>;
}

/** The experiment of that name, made where there is none. */
export function experimentNamed(store: Store, name: string, now: number): ExperimentRecord {
  const found = store.tracking.experiments.value.find((experiment) => experiment.name === name);
  if (found) return found;
  const made: ExperimentRecord = { experimentId: randomUUID(), name, lifecycle: 'active', createdAt: now, updatedAt: now, tags: {} };
  store.tracking.experiments.update((experiments) => experiments.push(made));
  return made;
}

/** Stores a new job (NotStarted) and its run (SCHEDULED). */
export function addJob(store: Store, clock: Clock, job: NewJob): JobRecord {
  const now = clock.now();
  const { experimentId } = experimentNamed(store, job.experimentName, now);
  const displayName = job.displayName ?? job.name;
  const root = job.parent?.root ?? job.name;
  const record = store.addJob({
    name: job.name,
    jobType: job.jobType,
    spec: job.spec,
    displayName,
    description: job.description ?? null,
    tags: { ...job.tags },
    userProperties: { ...job.userProperties },
    results: { ...job.results },
    isArchived: job.isArchived ?? false,
    experimentName: job.experimentName,
    experimentId,
    status: 'NotStarted',
    history: [{ status: 'NotStarted', at: now }],
    reason: null,
    createdAt: now,
    modifiedAt: now,
    createdBy: job.author,
    ...(job.parent ? { parent: job.parent.name } : {}),
    root,
    outputUris: { ...job.outputUris },
  });
  store.tracking.add({
    runId: job.name,
    experimentId,
    name: displayName,
    userId: job.author.id,
    status: 'SCHEDULED',
    startTime: now,
    endTime: null,
    lifecycle: 'active',
    tags: {
      ...job.tags,
      ...job.results,
      'mlflow.rootRunId': root,
      'mlflow.runName': displayName,
      'mlflow.user': job.author.id,
      ...(job.parent ? { 'mlflow.parentRunId': job.parent.name } : {}),
    },
    params: {},
    inputs: [],
    ofJob: true,
  });
  return record;
}
