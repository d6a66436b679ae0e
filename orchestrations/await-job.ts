// Waits for one job until it is terminal or has to be given up: an event wakes it early, the truth is read from the backend.
// Continues as new every few polls, so a wait of days keeps a short history.
import type { OrchestrationContext, Task } from 'durable-functions';
import { readBudget } from '../shared/contracts/activities/money.ts';
import { cancelJob, readJob } from '../shared/contracts/activities/training.ts';
import { AwaitJobInput, type GivenUp, JOB_HINT_EVENT } from '../shared/contracts/stories.ts';
import { isTerminal, type JobState } from '../shared/contracts/training.ts';
import { jittered } from '../shared/decisions/durations.ts';
import { isBudgetLow, limitReached, secondsToLimit } from '../shared/decisions/job-limits.ts';
import { nextPace } from '../shared/decisions/pace.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import type { JobEnd } from './kit/job.ts';
import { announceLow } from './kit/money.ts';
import { now, secondsSince, sleepOrEvent } from './kit/time.ts';

/** About nine history events a poll: within the 200 that replay stays quick with. */
const POLLS_PER_EXECUTION = 18;
/** How long a cancelled job may take to be seen as ended; then its last state is taken as it is. */
const CANCEL_SECONDS = 1200;

export function* awaitJob(context: OrchestrationContext): Story<JobEnd | null> {
  const input = AwaitJobInput.parse(context.df.getInput());
  try {
    return yield* watch(context, input);
  } catch (error) {
    if (error instanceof ActivityRejected) return { rejection: error.rejection };
    throw error;
  }
}

function* watch(context: OrchestrationContext, given: AwaitJobInput): Story<JobEnd | null> {
  let input = given;
  let hint = context.df.waitForExternalEvent(JOB_HINT_EVENT);
  for (let polls = 0; polls < POLLS_PER_EXECUTION;) {
    const state = yield* look(context, input);
    if (state && isTerminal(state.state)) return { state, givenUp: input.givenUp };
    if (state) context.df.setCustomStatus({ job: state.state, queuedSeconds: state.queuedSeconds });
    if (input.givenUp && secondsSince(context, input.givenUp.at) >= CANCEL_SECONDS) return unconfirmed(state, input.givenUp);
    if (state?.state === 'running' && input.workingSince === null) input = { ...input, workingSince: now(context) };
    if (!input.givenUp) input = yield* giveUpWhereDue(context, input, state);

    const next = yield* pause(context, input, state, hint);
    // A backend that did not answer has filled the history with tries.
    polls += state ? 1 : POLLS_PER_EXECUTION;
    input = paced(input, next !== hint);
    hint = next;
  }
  context.df.continueAsNew(input);
  return null;
}

/** null when the backend did not answer: the job goes on without us watching, so an outage is no reason to give it up before its deadline. */
function* look(context: OrchestrationContext, { backend, jobId, search }: AwaitJobInput): Story<JobState | null> {
  try {
    return yield* call(context, readJob, { backend, jobId, ...(search ? { search } : {}) });
  } catch (error) {
    if (error instanceof ActivityRejected) throw error;
    return null;
  }
}

/** Cancels a job that has reached a limit; where the limit is money, an approver may have raised it meanwhile. */
function* giveUpWhereDue(context: OrchestrationContext, input: AwaitJobInput, state: JobState | null): Story<AwaitJobInput> {
  let watched = input;
  let reached = limitReached(watched, state, now(context));
  if (reached?.code === 'budget-reached') {
    watched = yield* withToppedUp(context, watched);
    reached = limitReached(watched, state, now(context));
  }
  if (reached) {
    const { backend, jobId, search } = input;
    yield* call(context, cancelJob, { backend, jobId, reason: reached.reason, ...(search ? { search } : {}) });
    // From here on it is looked at often: what it comes to decides how the run ends.
    return { ...watched, givenUp: { ...reached, at: now(context) }, waitSeconds: input.policy.pollFirstSeconds };
  }
  return yield* warned(context, watched, state);
}

function* withToppedUp(context: OrchestrationContext, input: AwaitJobInput): Story<AwaitJobInput> {
  const { budget, pipeline } = input;
  if (!budget || budget.share) return input;
  const { limit } = yield* call(context, readBudget, { pipeline, month: budget.month, holder: budget.holder });
  return limit > budget.limit ? { ...input, budget: { ...budget, limit } } : input;
}

/** Says once for each limit that the money is nearly spent, while there is time to top it up. */
function* warned(context: OrchestrationContext, input: AwaitJobInput, state: JobState | null): Story<AwaitJobInput> {
  const { budget, pipeline } = input;
  if (!budget || budget.share || budget.warned || !isBudgetLow(input, state, now(context))) return input;
  yield* announceLow(context, pipeline, budget);
  return { ...input, budget: { ...budget, warned: true } };
}

function paced({ alert, ...input }: AwaitJobInput, woken: boolean): AwaitJobInput {
  const { policy, waitSeconds, hinted = false } = input;
  const limits = {
    firstSeconds: policy.pollFirstSeconds,
    maxSeconds: policy.pollMaxSeconds,
    maxHintedSeconds: policy.pollMaxHintedSeconds,
  };
  // The end of a job that was given up is waited for closely: it decides how the run ends.
  const next = nextPace({ waitSeconds, alert }, woken, hinted && input.givenUp === null, limits);
  const { alert: left, ...pace } = next;
  return { ...input, ...pace, ...(left ? { alert: left } : {}), polls: input.polls + 1 };
}

/** Sleeps until the next poll is due, a limit is near, or somebody says that the job changed; gives the task of the next such event. */
function* pause(context: OrchestrationContext, input: AwaitJobInput, state: JobState | null, hint: Task): Story<Task> {
  const due = jittered(input.waitSeconds, context.df.instanceId, input.polls);
  const wait = input.givenUp ? due : Math.min(due, secondsToLimit(input, state, now(context)));
  const woken = yield* sleepOrEvent(context, wait, hint);
  return woken === 'event' ? context.df.waitForExternalEvent(JOB_HINT_EVENT) : hint;
}

function unconfirmed(state: JobState | null, givenUp: GivenUp): JobEnd {
  const { queuedSeconds, executionSeconds } = state ?? { queuedSeconds: null, executionSeconds: null };
  const seen = state ? `still says ${state.state}` : 'does not answer';
  const reason = `the backend ${seen} ${CANCEL_SECONDS / 60} minutes after it was asked to cancel the job; look at it there`;
  return { state: { state: 'cancelled', reason, queuedSeconds, executionSeconds }, givenUp };
}
