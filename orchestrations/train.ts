// The story of one training: wait for its turn, choose a backend, start or adopt the job, wait, judge the candidate, register it, promote where the run may.
import type { OrchestrationContext, Task } from 'durable-functions';
import { stageTrainingData } from '../shared/contracts/activities/data.ts';
import { readChampion, readPlan, registerModel } from '../shared/contracts/activities/runs.ts';
import { readReport, submitTraining } from '../shared/contracts/activities/training.ts';
import { runIdParts } from '../shared/contracts/identifiers.ts';
import type { ModelVersion, TrainResult } from '../shared/contracts/runs.ts';
import { TrainInput, type Outcome } from '../shared/contracts/stories.ts';
import type { JobState } from '../shared/contracts/training.ts';
import { judge } from '../shared/decisions/gates.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import { heed, RunCancelled } from './kit/cancel.ts';
import { awaitJob, type Submitted } from './kit/job.ts';
import { paying, type Purse, reserve, settling } from './kit/money.ts';
import { chosenBackend, explained, openPromotions, type Plan } from './kit/train-parts.ts';
import { narrate, note, tellOpened, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';
import { showData, showModel, showRun } from './kit/tracking.ts';
import { GaveWay, leaveTrainingTurn, takeTrainingTurn } from './kit/turn.ts';

/** What a training has come to so far: known also when it fails later. */
interface Progress {
  metrics: Record<string, number>;
  tags: Record<string, string>;
}

export function* train(context: OrchestrationContext): Story<Outcome> {
  const input = TrainInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => trainInTurn(context, input, cancel));
}

function* trainInTurn(context: OrchestrationContext, input: TrainInput, cancel: Task): Story<Outcome> {
  const plan = yield* planOf(context, input);
  const experiment = input.overrides !== undefined;
  const turn = { pipeline: input.pipeline, runId: input.runId, goldVersion: input.gold.version, experiment };
  const startedAt = now(context);
  const progress: Progress = { metrics: {}, tags: { 'sluice.pipeline': input.pipeline, 'sluice.gold': input.gold.digest } };
  let model: ModelVersion;
  try {
    yield* takeTrainingTurn(context, turn, plan.train, cancel);
    try {
      model = yield* trainOnce(context, input, plan, progress, cancel);
    } finally {
      yield* leaveTrainingTurn(context, turn, plan.train);
    }
  } catch (error) {
    if (error instanceof GaveWay) return yield* skipped(context, input, error);
    const status = error instanceof RunCancelled ? 'cancelled' : 'failed';
    yield* showRun(context, input, plan.train, { status, startedAt, ...progress });
    throw error;
  }
  yield* showRun(context, input, plan.train, { status: 'succeeded', startedAt, ...progress });
  return yield* register(context, input, plan, model);
}

/** A first attempt follows the version it was started with; a retry the current one, where that would train the same: its gates may be others. */
function* planOf(context: OrchestrationContext, input: TrainInput): Story<Plan> {
  const { pipeline, contractDigest, runId, specDigest, overrides } = input;
  const retried = (runIdParts(runId)?.attempt ?? 1) > 1;
  return yield* call(context, readPlan, {
    pipeline,
    contractDigest,
    ...(overrides === undefined ? {} : { overrides }),
    ...(retried ? { follow: specDigest } : {}),
  });
}

function* trainOnce(context: OrchestrationContext, input: TrainInput, plan: Plan, progress: Progress, cancel: Task): Story<ModelVersion> {
  const { pipeline, runId, gold, specDigest } = input;
  const choice = yield* chosenBackend(context, plan, input);
  const stagedAt = now(context);
  yield* note(context, input, { phase: 'staging', choice });
  const { files } = yield* call(context, stageTrainingData, {
    pipeline,
    contractDigest: plan.contractDigest,
    gold: { path: gold.path, version: gold.version, digest: gold.digest },
  });
  yield* showData(context, input, files);
  yield* note(context, input, { phase: 'training', seconds: { stage: secondsSince(context, stagedAt) } });

  const { chosen: backend } = choice;
  progress.tags['sluice.backend'] = backend;
  const purse = yield* reserve(context, input, plan.train);
  const done = yield* settling(context, input, purse, function* () {
    const job = yield* call(context, submitTraining, {
      ...planInput(input, plan),
      backend,
      runId,
      gold: { table: gold.table, version: gold.version, digest: gold.digest },
      specDigest,
      files,
    });
    return yield* waitedFor(context, input, plan, { stage: 'train', backend, ...job }, purse, cancel);
  });

  const noGolden = plan.rowsStay === true && plan.train.releasable === undefined;
  const second = { backend, wanted: [...new Set(plan.gates.map(({ metric }) => metric))] };
  const report = yield* call(context, readReport, { runId, second, ...(noGolden ? { noGolden } : {}) });
  if (report.fromJob) {
    const what = `The run report has no ${report.fromJob.join(', ')}; what the job logged to ${backend} is judged instead`;
    yield* note(context, input, { warnings: [what] });
  }
  progress.metrics = report.metrics;
  progress.tags['sluice.model'] = report.model.digest;
  const { champion } = yield* call(context, readChampion, { pipeline });
  const verdict = judge(plan.gates, report.metrics, champion?.metrics ?? null);
  const { archive } = report.model;
  const trained: TrainResult = {
    goldTable: gold.table,
    goldVersion: gold.version,
    goldDigest: gold.digest,
    specDigest,
    metrics: report.metrics,
    gates: verdict.gates,
    modelDigest: report.model.digest,
    archiveSha256: archive.sha256,
    archiveBytes: archive.bytes,
    ...(plan.contractDigest === input.contractDigest ? {} : { followed: plan.contractDigest }),
  };
  const seconds = { 'train.queued': done.queuedSeconds ?? 0, 'train.working': done.executionSeconds ?? 0 };
  yield* note(context, input, { phase: 'judged', trained, seconds });
  if (verdict.result !== 'pass') throw new ActivityRejected({ code: `gate-${verdict.result}`, message: gateSentence(trained) });

  heed(cancel, 'while the candidate was being judged; nothing was registered or promoted');
  return {
    pipeline,
    modelDigest: report.model.digest,
    runId,
    contractDigest: plan.contractDigest,
    goldDigest: gold.digest,
    goldVersion: gold.version,
    metrics: report.metrics,
    archive: { storePath: `runs/${runId}/model.tar.gz`, sha256: archive.sha256, bytes: archive.bytes },
    backend,
    createdAt: now(context),
  };
}

/** Waits for the training job within its time and money; a failure says what the component itself said. */
function* waitedFor(
  context: OrchestrationContext,
  input: TrainInput,
  plan: Plan,
  job: Submitted,
  purse: Purse | null,
  cancel: Task,
): Story<JobState> {
  const { deadline, queueWithin } = plan.train;
  const limits = { deadline, queueWithin, budget: purse?.budget };
  return yield* explained(context, input, () => paying(context, purse, () => awaitJob(context, input, job, limits, cancel)));
}

function* register(context: OrchestrationContext, input: TrainInput, plan: Plan, model: ModelVersion): Story<Outcome> {
  const { runId } = input;
  yield* call(context, registerModel, model);
  yield* showModel(context, input, model.modelDigest);
  // A run with other parameters is an experiment: a person promotes what came of it.
  const environments = input.overrides === undefined ? plan.environments : {};
  const promotions = yield* openPromotions(context, { ...input, contractDigest: plan.contractDigest }, environments, model.modelDigest);
  const next = promotions.map((promotion) => promotion.runId);
  yield* note(context, input, { phase: 'registered', status: 'succeeded', next, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { metrics: model.metrics });
  yield* transition(context, input, 'model.registered', { modelDigest: model.modelDigest });

  for (const promotion of promotions) yield* tellOpened(context, promotion);
  return { status: 'succeeded', runId, note: `model ${model.modelDigest.slice(0, 12)} registered` };
}

function* skipped(context: OrchestrationContext, input: TrainInput, gaveWay: GaveWay): Story<Outcome> {
  const { runId } = input;
  const failure = { code: 'gave-way', message: gaveWay.message };
  yield* note(context, input, { phase: 'skipped', status: 'skipped', failure, next: [gaveWay.to], finishedAt: now(context) });
  yield* transition(context, input, 'run.skipped', failure);
  return { status: 'skipped', runId, note: gaveWay.message };
}

function planInput(input: TrainInput, plan: Plan) {
  const { pipeline, overrides } = input;
  return { pipeline, contractDigest: plan.contractDigest, ...(overrides === undefined ? {} : { overrides }) };
}

function gateSentence(trained: TrainResult): string {
  const unmet = trained.gates.filter((gate) => gate.result !== 'pass').map((gate) => `${gate.gate}: ${gate.reason}`);
  return `The candidate did not pass its gates: ${unmet.join('; ')}. Nothing was registered or promoted`;
}
