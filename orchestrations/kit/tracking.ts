// Showing a run in the connected Azure ML workspace: what does not work there becomes a warning in the run's record, nothing more.
import type { OrchestrationContext } from 'durable-functions';
import {
  logRun,
  logTrials,
  publishModelAsset,
  readPublication,
  registerDataAsset,
  registerModelAsset,
} from '../../shared/contracts/activities/tracking.ts';
import type { z } from 'zod';
import type { Train } from '../../shared/contracts/pipeline/train.ts';
import type { TrainInput } from '../../shared/contracts/stories.ts';
import { nextWait } from '../../shared/decisions/durations.ts';
import { ActivityRejected, call, failureOf, type Story } from './call.ts';
import { note } from './run.ts';
import { now, secondsSince, sleep } from './time.ts';

/** How long a copy into the registry is waited for, and how seldom it is looked at in the end. */
const COPY_SECONDS = 1800;
const COPY_LOOK_SECONDS = 120;
/** One call of the activity logs so many at most: it is repeated as a whole. */
const TRIALS_AT_ONCE = 20;

type Tracked = Pick<TrainInput, 'pipeline' | 'contractDigest' | 'runId' | 'gold' | 'overrides'>;

/** The gold version as a data asset, where a workspace is connected. `files`: the version as it was staged, all in one folder. */
export function* showData(context: OrchestrationContext, run: Tracked, files: readonly { path: string }[]): Story<void> {
  const [first] = files;
  const staged = first?.path.slice(0, first.path.lastIndexOf('/') + 1) ?? '';
  yield* orWarn(context, run, 'The gold version was not registered as a data asset', function* () {
    const { asset } = yield* call(context, registerDataAsset, { pipeline: run.pipeline, gold: run.gold, staged });
    if (asset !== null) yield* note(context, run, { tracked: { dataAsset: asset } });
  });
}

/** The model version as a model of the workspace, where one is connected, and of the registry that production reads, where there is one. */
export function* showModel(context: OrchestrationContext, run: Tracked, modelDigest: string): Story<void> {
  yield* orWarn(context, run, 'The model was not registered in the workspace', function* () {
    const { asset } = yield* call(context, registerModelAsset, { pipeline: run.pipeline, modelDigest });
    if (asset === null) return;
    yield* note(context, run, { tracked: { modelAsset: asset } });
    yield* orWarn(context, run, 'The model was not carried over to the registry', () => carryOver(context, run, asset, modelDigest));
  });
}

/** Copies a model into the registry and waits until it is there with its digest; a copy that takes longer goes on without us. */
function* carryOver(context: OrchestrationContext, run: Tracked, asset: string, modelDigest: string): Story<void> {
  const colon = asset.lastIndexOf(':');
  const model = { name: asset.slice(0, colon), version: asset.slice(colon + 1), modelDigest };
  const { publication } = yield* call(context, publishModelAsset, model);
  if (!publication) return;
  const startedAt = now(context);
  for (let wait = 1; ; wait = nextWait(wait, COPY_LOOK_SECONDS)) {
    const state = yield* call(context, readPublication, { publication });
    if (state.state === 'succeeded') return yield* note(context, run, { tracked: { registryModel: state.id } });
    if (secondsSince(context, startedAt) > COPY_SECONDS) {
      const message = `after ${COPY_SECONDS / 60} minutes it was still being copied; a retry of the run looks again`;
      throw new ActivityRejected({ code: 'publication-late', message });
    }
    yield* sleep(context, Math.max(wait, state.waitMs / 1000));
  }
}

export interface RunShown {
  /** running: a search, whose trials are shown below it. */
  status: 'running' | 'succeeded' | 'failed' | 'cancelled';
  startedAt: string;
  metrics: Record<string, number>;
  tags: Record<string, string>;
  /** Parameters that its trials vary. */
  varied?: string[];
}

/** The run itself in the experiment that the pipeline names. Gives its id there; null where none is named, or it could not be shown. */
export function* showRun(context: OrchestrationContext, run: Tracked, train: Train, shown: RunShown): Story<string | null> {
  const { mlflow } = train;
  if (!mlflow) return null;
  const { pipeline, contractDigest, runId, overrides } = run;
  let known: string | null = null;
  yield* orWarn(context, run, 'The run was not logged to the workspace', function* () {
    const { mlflowRunId, url } = yield* call(context, logRun, {
      pipeline,
      contractDigest,
      ...(overrides === undefined ? {} : { overrides }),
      runId,
      experiment: mlflow.experiment,
      ...shown,
      finishedAt: shown.status === 'running' ? null : now(context),
    });
    known = mlflowRunId;
    yield* note(context, run, { tracked: { mlflowRunId, url } });
  });
  return known;
}

/** A trial that has ended, as the experiment is to show it. */
export type TrialShown = z.input<typeof logTrials.input>['trials'][number];

/** Trials of a search as runs below the search's own; nothing where the pipeline names no experiment, or the search could not be shown. */
export function* showTrials(
  context: OrchestrationContext,
  run: Tracked,
  train: Train,
  below: { parentRunId: string | null; tags: Record<string, string> },
  trials: readonly TrialShown[],
): Story<void> {
  const { mlflow } = train;
  const { parentRunId, tags } = below;
  if (!mlflow || parentRunId === null) return;
  const { pipeline, contractDigest, runId, overrides } = run;
  const what = { pipeline, contractDigest, ...(overrides === undefined ? {} : { overrides }), runId };
  yield* orWarn(context, run, 'Trials were not logged to the workspace', function* () {
    for (let from = 0; from < trials.length; from += TRIALS_AT_ONCE) {
      const part = trials.slice(from, from + TRIALS_AT_ONCE);
      yield* call(context, logTrials, { ...what, experiment: mlflow.experiment, parentRunId, tags, trials: part });
    }
  });
}

function* orWarn(context: OrchestrationContext, run: Tracked, what: string, show: () => Story<void>): Story<void> {
  try {
    yield* show();
  } catch (error) {
    yield* note(context, run, { warnings: [`${what}: ${failureOf(error).message}`.slice(0, 1000)] });
  }
}
