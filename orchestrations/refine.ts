// The story of one dataset: bronze becomes a commit in silver and in gold, and new gold goes to training.
import type { OrchestrationContext, Task } from 'durable-functions';
import { refineDataset } from '../shared/contracts/activities/data.ts';
import { readPlan } from '../shared/contracts/activities/runs.ts';
import { RefineInput, type Outcome } from '../shared/contracts/stories.ts';
import { trainKey } from '../shared/decisions/identity.ts';
import { call, callWatching, type Story } from './kit/call.ts';
import { heed } from './kit/cancel.ts';
import { narrate, note, open, tellOpened, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';

export function* refine(context: OrchestrationContext): Story<Outcome> {
  const input = RefineInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => refineAndTrain(context, input, cancel));
}

function* refineAndTrain(context: OrchestrationContext, input: RefineInput, cancel: Task): Story<Outcome> {
  const { pipeline, contractDigest, policy, runId, key } = input;
  const startedAt = now(context);

  yield* note(context, input, { phase: 'refining' });
  const dataset = { pipeline, contractDigest, key, container: input.container, files: input.files };
  const refined = yield* callWatching(context, cancel, refineDataset, dataset);
  heed(cancel, 'while the data was being refined; it is committed, and no training was started');
  const { specDigest } = yield* call(context, readPlan, { pipeline, contractDigest });
  const { table, path, version, digest } = refined.gold;
  const training = yield* open(context, 'train', {
    pipeline,
    contractDigest,
    key: trainKey({ pipeline, goldDigest: digest, specDigest }),
    cause: { kind: 'run', ref: runId },
    input: { pipeline, contractDigest, policy, gold: { table, path, version, digest }, specDigest },
  });
  const seconds = { refine: secondsSince(context, startedAt) };
  yield* note(context, input, {
    phase: 'refined',
    status: 'succeeded',
    refined,
    seconds,
    next: [training.runId],
    finishedAt: now(context),
  });
  yield* transition(context, input, 'run.succeeded', { gold: { table, version, digest } });

  const told = yield* tellOpened(context, training);
  const words = { skipped: 'has this gold already', succeeded: 'trained on it', failed: 'failed to train on it' };
  return { status: 'succeeded', runId, note: `committed; ${training.runId} ${words[told.status]}` };
}
