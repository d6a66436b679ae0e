// Showing a run in the connected Azure ML workspace: what does not work there becomes a warning in the run's record, nothing more.
import type { OrchestrationContext } from 'durable-functions';
import { logRun, registerDataAsset, registerModelAsset } from '../../shared/contracts/activities/tracking.ts';
import type { Train } from '../../shared/contracts/pipeline/train.ts';
import type { TrainInput } from '../../shared/contracts/stories.ts';
import { call, failureOf, type Story } from './call.ts';
import { note } from './run.ts';
import { now } from './time.ts';

type Tracked = Pick<TrainInput, 'pipeline' | 'contractDigest' | 'runId' | 'gold' | 'overrides'>;

/** The gold version as a data asset, where a workspace is connected. */
export function* showData(context: OrchestrationContext, run: Tracked): Story<void> {
  yield* orWarn(context, run, 'The gold version was not registered as a data asset', function* () {
    const { asset } = yield* call(context, registerDataAsset, { pipeline: run.pipeline, gold: run.gold });
    if (asset !== null) yield* note(context, run, { tracked: { dataAsset: asset } });
  });
}

/** The model version as a model of the workspace, where one is connected. */
export function* showModel(context: OrchestrationContext, run: Tracked, modelDigest: string): Story<void> {
  yield* orWarn(context, run, 'The model was not registered in the workspace', function* () {
    const { asset } = yield* call(context, registerModelAsset, { pipeline: run.pipeline, modelDigest });
    if (asset !== null) yield* note(context, run, { tracked: { modelAsset: asset } });
  });
}

export interface RunEnd {
  status: 'succeeded' | 'failed' | 'cancelled';
  startedAt: string;
  metrics: Record<string, number>;
  tags: Record<string, string>;
}

/** The run itself in the experiment that the pipeline names; nothing where it names none. */
export function* showRun(context: OrchestrationContext, run: Tracked, train: Train, end: RunEnd): Story<void> {
  const { mlflow } = train;
  if (!mlflow) return;
  const { pipeline, contractDigest, runId, overrides } = run;
  yield* orWarn(context, run, 'The run was not logged to the workspace', function* () {
    const { mlflowRunId, url } = yield* call(context, logRun, {
      pipeline,
      contractDigest,
      ...(overrides === undefined ? {} : { overrides }),
      runId,
      experiment: mlflow.experiment,
      ...end,
      finishedAt: now(context),
    });
    yield* note(context, run, { tracked: { mlflowRunId, url } });
  });
}

function* orWarn(context: OrchestrationContext, run: Tracked, what: string, show: () => Story<void>): Story<void> {
  try {
    yield* show();
  } catch (error) {
    yield* note(context, run, { warnings: [`${what}: ${failureOf(error).message}`.slice(0, 1000)] });
  }
}
