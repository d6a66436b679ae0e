// Refining where it fits: in this process, or, above the configured size, by an engine outside it whose run is started once, waited for,
// and whose commits are judged before anything is made of them.
import type { OrchestrationContext, Task } from 'durable-functions';
import { refineDataset } from '../../shared/contracts/activities/data.ts';
import { judgeHandOver, measureDataset, startHandOver, writeHandOver } from '../../shared/contracts/activities/hand-over.ts';
import type { HandOverRule } from '../../shared/contracts/hand-over.ts';
import type { Dataset, RefineInput } from '../../shared/contracts/stories.ts';
import type { Refined } from '../../shared/contracts/tables.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { decideHandOver, handOverName, REFINED_HERE } from '../../shared/decisions/hand-over.ts';
import { ActivityRejected, call, callWatching, type Story } from './call.ts';
import { heed } from './cancel.ts';
import { awaitJob } from './job.ts';
import { awaitPipelineJob, recordPipelineJob } from './pipeline-job.ts';
import { note } from './run.ts';

/** Refines a dataset and gives its commits; who does it, and why, is noted on the run where a larger engine is configured. */
export function* refineWhereItFits(context: OrchestrationContext, input: RefineInput, dataset: Dataset, cancel: Task): Story<Refined> {
  const { pipeline, contractDigest, runId, key, chain, policy } = input;
  if (policy.handOver) {
    const { size } = yield* call(context, measureDataset, { pipeline, contractDigest, dataset });
    const engine = size === null ? REFINED_HERE : decideHandOver(size, policy.handOver);
    yield* note(context, input, { engine });
    if (engine.engine !== 'embedded') return yield* refineOutside(context, input, dataset, policy.handOver, cancel);
  }
  return yield* callWatching(context, cancel, refineDataset, { pipeline, contractDigest, runId, key, dataset, chain });
}

function* refineOutside(
  context: OrchestrationContext,
  input: RefineInput,
  dataset: Dataset,
  rule: HandOverRule,
  cancel: Task,
): Story<Refined> {
  // An attempt before this one may have committed everything, and only its end was not seen.
  const before = yield* judged(context, input, dataset, false);
  if (before.refined) return before.refined;
  heed(cancel, 'before the data was handed over');
  yield* runEngine(context, input, dataset, rule, cancel);
  yield* note(context, input, { phase: 'judging' });
  const { refined, missing } = yield* judged(context, input, dataset, true);
  if (refined) return refined;
  throw new ActivityRejected({
    code: 'hand-over-no-commit',
    message: `The engine's run ${handOverName(input.runId)} succeeded and left ${missing}. Mend: let it commit each table with the transaction that its manifest names, then try the run again.`,
  });
}

function* runEngine(context: OrchestrationContext, input: RefineInput, dataset: Dataset, rule: HandOverRule, cancel: Task): Story<void> {
  const { pipeline, contractDigest, runId, key, chain } = input;
  const { to: engine, by, deadline } = rule;
  const version = { pipeline, contractDigest };
  yield* note(context, input, { phase: 'handing-over' });
  const { manifest } = yield* call(context, writeHandOver, { ...version, runId, key, dataset, chain, engine });
  const deadlineSeconds = durationSeconds(deadline);
  const started = yield* call(context, startHandOver, { ...version, runId, key, engine, by, manifest, deadlineSeconds });
  yield* note(context, input, { phase: 'refining-outside' });
  if (engine === 'databricks') {
    yield* awaitJob(context, input, { stage: 'refine', backend: 'databricks', ...started }, { deadline }, cancel);
    return;
  }
  const job = { stage: 'refine' as const, backend: 'datafactory', ...started };
  yield* recordPipelineJob(context, input, job, null);
  const instanceId = handOverName(runId);
  yield* awaitPipelineJob(context, input, job, cancel, { deadline, instanceId, dataPipeline: by, doing: 'refining', hints: true });
}

function* judged(
  context: OrchestrationContext,
  input: RefineInput,
  dataset: Dataset,
  ended: boolean,
): Story<{ refined: Refined | null; missing: string }> {
  const { pipeline, contractDigest, key } = input;
  const found = yield* call(context, judgeHandOver, { pipeline, contractDigest, key, dataset, ended });
  if (found.warnings.length > 0) yield* note(context, input, { warnings: found.warnings });
  return found;
}
