// The story of one training: stage the data, start or adopt the job, wait, judge the candidate, register it, promote where the run may.
import type { OrchestrationContext, Task } from 'durable-functions';
import { stageTrainingData } from '../shared/contracts/activities/data.ts';
import { readChampion, readPlan, registerModel } from '../shared/contracts/activities/runs.ts';
import { readReport, submitTraining } from '../shared/contracts/activities/training.ts';
import type { Environment } from '../shared/contracts/pipeline.ts';
import type { ModelVersion, TrainResult } from '../shared/contracts/runs.ts';
import { TrainInput, type Outcome } from '../shared/contracts/stories.ts';
import { judge } from '../shared/decisions/gates.ts';
import { promoteKey } from '../shared/decisions/identity.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import { heed } from './kit/cancel.ts';
import { awaitJob } from './kit/job.ts';
import { narrate, note, open, type Opened, tellOpened, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';

export function* train(context: OrchestrationContext): Story<Outcome> {
  const input = TrainInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => trainAndPromote(context, input, cancel));
}

function* trainAndPromote(context: OrchestrationContext, input: TrainInput, cancel: Task): Story<Outcome> {
  const { pipeline, contractDigest, runId, gold, specDigest } = input;
  const plan = yield* call(context, readPlan, { pipeline, contractDigest });

  const stagedAt = now(context);
  yield* note(context, input, { phase: 'staging' });
  const { files } = yield* call(context, stageTrainingData, {
    pipeline,
    contractDigest,
    gold: { path: gold.path, version: gold.version, digest: gold.digest },
  });
  yield* note(context, input, { phase: 'training', seconds: { stage: secondsSince(context, stagedAt) } });

  const backend = plan.train.backend[0] ?? 'kubeflow';
  const job = yield* call(context, submitTraining, { backend, runId, pipeline, contractDigest, files });
  const done = yield* awaitJob(context, input, { stage: 'train', backend, ...job }, plan.train.deadline, cancel);

  const report = yield* call(context, readReport, { runId });
  const { champion } = yield* call(context, readChampion, { pipeline });
  const verdict = judge(plan.gates, report.metrics, champion?.metrics ?? null);
  const archive = report.model.archive;
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
  };
  const seconds = { 'train.queued': done.queuedSeconds ?? 0, 'train.working': done.executionSeconds ?? 0 };
  yield* note(context, input, { phase: 'judged', trained, seconds });
  if (verdict.result !== 'pass') throw new ActivityRejected({ code: `gate-${verdict.result}`, message: gateSentence(trained) });

  heed(cancel, 'while the candidate was being judged; nothing was registered or promoted');
  const model: ModelVersion = {
    pipeline,
    modelDigest: report.model.digest,
    runId,
    contractDigest,
    goldDigest: gold.digest,
    goldVersion: gold.version,
    metrics: report.metrics,
    archive: { storePath: `runs/${runId}/model.tar.gz`, sha256: archive.sha256, bytes: archive.bytes },
    createdAt: now(context),
  };
  yield* call(context, registerModel, model);
  const promotions = yield* openPromotions(context, input, plan.environments, model.modelDigest);
  const next = promotions.map((promotion) => promotion.runId);
  yield* note(context, input, { phase: 'registered', status: 'succeeded', next, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { metrics: report.metrics });
  yield* transition(context, input, 'model.registered', { modelDigest: model.modelDigest });

  for (const promotion of promotions) yield* tellOpened(context, promotion);
  return { status: 'succeeded', runId, note: `model ${model.modelDigest.slice(0, 12)} registered` };
}

/** Environments that start by run get their promotion at once; the others wait for a person. */
function* openPromotions(
  context: OrchestrationContext,
  input: TrainInput,
  environments: Readonly<Record<string, Environment>>,
  modelDigest: string,
): Story<Opened[]> {
  const { pipeline, contractDigest, policy, runId } = input;
  const opened: Opened[] = [];
  for (const [environment, { start }] of Object.entries(environments)) {
    if (start !== 'run') continue;
    const key = promoteKey({ modelDigest, environment, request: 0 });
    const cause = { kind: 'run' as const, ref: runId };
    opened.push(
      yield* open(context, 'promote', {
        pipeline,
        contractDigest,
        key,
        cause,
        input: { pipeline, contractDigest, policy, environment, modelDigest },
      }),
    );
  }
  return opened;
}

function gateSentence(trained: TrainResult): string {
  const unmet = trained.gates.filter((gate) => gate.result !== 'pass').map((gate) => `${gate.gate}: ${gate.reason}`);
  return `The candidate did not pass its gates: ${unmet.join('; ')}. Nothing was registered or promoted`;
}
