// The story of one dataset: bronze becomes a commit in silver and in gold, and new gold goes to training.
import type { OrchestrationContext, Task } from 'durable-functions';
import { RefineInput, type Dataset, type Outcome } from '../shared/contracts/stories.ts';
import type { Story } from './kit/call.ts';
import { heed } from './kit/cancel.ts';
import { refineWhereItFits } from './kit/hand-over.ts';
import { narrate, note, tellOpened, transition } from './kit/run.ts';
import { now, secondsSince } from './kit/time.ts';
import { openTraining } from './kit/open-training.ts';

export function* refine(context: OrchestrationContext): Story<Outcome> {
  const input = RefineInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => refineAndTrain(context, input, cancel));
}

function* refineAndTrain(context: OrchestrationContext, input: RefineInput, cancel: Task): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, runId } = input;
  const startedAt = now(context);

  yield* note(context, input, { phase: 'refining' });
  const refined = yield* refineWhereItFits(context, input, datasetOf(input), cancel);
  heed(cancel, 'while the data was being refined; it is committed, and no training was started');
  const { table, version, digest } = refined.gold;
  const cause = { kind: 'run' as const, ref: runId };
  const training = yield* openTraining(context, { pipeline, contractDigest, policy, limited, gold: refined.gold, cause });
  const next = 'opened' in training ? [training.opened.runId] : [];
  yield* note(context, input, {
    phase: 'refined',
    status: 'succeeded',
    refined,
    seconds: { refine: secondsSince(context, startedAt) },
    next,
    ...('refused' in training ? { warnings: [`Not trained: ${training.refused.reason}`.slice(0, 1000)] } : {}),
    finishedAt: now(context),
  });
  yield* transition(context, input, 'run.succeeded', { gold: { table, version, digest } });

  if ('refused' in training) return { status: 'succeeded', runId, note: `committed; not trained: ${training.refused.reason}` };
  const { opened } = training;
  const told = yield* tellOpened(context, opened);
  const words = { skipped: 'has this gold already', succeeded: 'trained on it', failed: 'failed to train on it' };
  return { status: 'succeeded', runId, note: `committed; ${opened.runId} ${words[told.status]}` };
}

function datasetOf({ container, files, windows, manifest, commit, silver }: RefineInput): Dataset {
  return {
    container,
    ...(files && { files }),
    ...(windows && { windows }),
    ...(manifest && { manifest }),
    ...(commit && { commit }),
    ...(silver && { silver }),
  };
}
