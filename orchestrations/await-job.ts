// Polls one job until it is terminal or late. Continues as new every few polls, so a wait of days keeps a short history.
import type { OrchestrationContext } from 'durable-functions';
import { cancelJob, readJob } from '../shared/contracts/activities/training.ts';
import { AwaitJobInput } from '../shared/contracts/stories.ts';
import { isTerminal, type JobState } from '../shared/contracts/training.ts';
import { nextWait } from '../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import type { JobEnd } from './kit/job.ts';
import { sleep } from './kit/time.ts';

/** About eight history events a poll: within the 200 that replay stays quick with. */
const POLLS_PER_EXECUTION = 20;

export function* awaitJob(context: OrchestrationContext): Story<JobEnd | null> {
  const input = AwaitJobInput.parse(context.df.getInput());
  try {
    return yield* poll(context, input);
  } catch (error) {
    if (error instanceof ActivityRejected) return { rejection: error.rejection };
    throw error;
  }
}

function* poll(context: OrchestrationContext, input: AwaitJobInput): Story<JobEnd | null> {
  const { backend, jobId, policy } = input;
  let wait = input.waitSeconds;
  let polls = 0;
  while (polls < POLLS_PER_EXECUTION) {
    const state = yield* look(context, input);
    if (state && isTerminal(state.state)) return state;
    if (context.df.currentUtcDateTime.getTime() >= Date.parse(input.deadline)) {
      yield* call(context, cancelJob, { backend, jobId, reason: 'deadline reached' });
      return late(state, input.deadline);
    }
    yield* sleep(context, wait);
    wait = nextWait(wait, policy.pollMaxSeconds);
    // A backend that did not answer has filled the history with tries.
    polls += state ? 1 : POLLS_PER_EXECUTION;
  }
  context.df.continueAsNew({ ...input, polls: input.polls + polls, waitSeconds: wait });
  return null;
}

/** null when the backend did not answer: the job goes on without us watching, so an outage is no reason to give it up before its deadline. */
function* look(context: OrchestrationContext, { backend, jobId }: AwaitJobInput): Story<JobState | null> {
  try {
    return yield* call(context, readJob, { backend, jobId });
  } catch (error) {
    if (error instanceof ActivityRejected) throw error;
    return null;
  }
}

function late(state: JobState | null, deadline: string): JobState {
  const { queuedSeconds, executionSeconds } = state ?? { queuedSeconds: null, executionSeconds: null };
  const was = state ? `was still ${state.state}` : 'could not be seen';
  return { state: 'cancelled', reason: `the job ${was} at its deadline ${deadline} and was cancelled`, queuedSeconds, executionSeconds };
}
