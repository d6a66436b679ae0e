// Polls one job until it is terminal or late. Continues as new every few polls, so a wait of days keeps a short history.
import type { OrchestrationContext } from 'durable-functions';
import { cancelJob, readJob } from '../shared/contracts/activities/training.ts';
import { AwaitJobInput } from '../shared/contracts/stories.ts';
import { isTerminal, type JobState } from '../shared/contracts/training.ts';
import { nextWait } from '../shared/decisions/durations.ts';
import { call, type Story } from './kit/call.ts';
import { sleep } from './kit/time.ts';

/** About five history events a poll: well below the 200 that replay stays quick with. */
const POLLS_PER_EXECUTION = 25;

export function* awaitJob(context: OrchestrationContext): Story<JobState | null> {
  const input = AwaitJobInput.parse(context.df.getInput());
  const { backend, jobId, policy } = input;
  let wait = input.waitSeconds;
  for (let poll = 0; poll < POLLS_PER_EXECUTION; poll += 1) {
    const state = yield* call(context, readJob, { backend, jobId });
    if (isTerminal(state.state)) return state;
    if (context.df.currentUtcDateTime.getTime() >= Date.parse(input.deadline)) {
      yield* call(context, cancelJob, { backend, jobId, reason: 'deadline reached' });
      return {
        ...state,
        state: 'cancelled',
        reason: `the job was still ${state.state} at its deadline ${input.deadline} and was cancelled`,
      };
    }
    yield* sleep(context, wait);
    wait = nextWait(wait, policy.pollMaxSeconds);
  }
  context.df.continueAsNew({ ...input, polls: input.polls + POLLS_PER_EXECUTION, waitSeconds: wait });
  return null;
}
