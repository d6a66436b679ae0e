// Waits for one run of a data pipeline until it has ended or has to be given up. Nothing announces its end (facts/datafactory.md §3),
// so it is looked at with growing pauses, sooner where a commit of its own is a hint; continues as new every few looks, so that a wait of
// a day keeps a short history.
import type { OrchestrationContext } from 'durable-functions';
import { cancelExtraction, readExtraction } from '../shared/contracts/activities/extraction.ts';
import { AwaitExtractionInput, JOB_HINT_EVENT } from '../shared/contracts/stories.ts';
import { isTerminal, type JobState } from '../shared/contracts/training.ts';
import { jittered, nextWait } from '../shared/decisions/durations.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import type { JobEnd } from './kit/job.ts';
import { now, secondsSince, sleep, sleepOrEvent } from './kit/time.ts';

/** About nine history events a look. */
const LOOKS_PER_EXECUTION = 18;
/** How long a cancelled run may take to be seen as ended; then its last state is taken as it is. */
const CANCEL_SECONDS = 1200;
/** A run that was just started may not be known everywhere yet. */
const UNKNOWN_SECONDS = 180;
/** Timers may be a second early (facts/durable.md §2.9 item 7): a pause of one could be none. */
const SHORTEST_SECONDS = 2;

export function* awaitExtraction(context: OrchestrationContext): Story<JobEnd | null> {
  const input = AwaitExtractionInput.parse(context.df.getInput());
  try {
    return yield* watch(context, input);
  } catch (error) {
    if (error instanceof ActivityRejected) return { rejection: error.rejection };
    throw error;
  }
}

function* watch(context: OrchestrationContext, given: AwaitExtractionInput): Story<JobEnd | null> {
  let input = given;
  let hint = input.hints === true ? context.df.waitForExternalEvent(JOB_HINT_EVENT) : null;
  for (let looks = 0; looks < LOOKS_PER_EXECUTION;) {
    const state = yield* look(context, input);
    if (state && isOver(context, input, state)) return { state, givenUp: input.givenUp };
    if (state) context.df.setCustomStatus({ job: state.state });
    if (input.givenUp && secondsSince(context, input.givenUp.at) >= CANCEL_SECONDS) return unconfirmed(state, input);
    if (!input.givenUp && secondsUntil(context, input.deadline) <= 0) input = yield* giveUp(context, input);

    const pause = jittered(input.waitSeconds, context.df.instanceId, input.polls);
    const seconds = input.givenUp ? pause : Math.min(pause, Math.max(SHORTEST_SECONDS, secondsUntil(context, input.deadline)));
    if (hint === null) yield* sleep(context, seconds);
    else if ((yield* sleepOrEvent(context, seconds, hint)) === 'event') {
      // What has committed is about to end: it is looked at often again.
      hint = context.df.waitForExternalEvent(JOB_HINT_EVENT);
      input = { ...input, waitSeconds: input.policy.pollFirstSeconds };
    }
    // A service that did not answer has filled the history with tries.
    looks += state ? 1 : LOOKS_PER_EXECUTION;
    input = { ...input, polls: input.polls + 1, waitSeconds: nextWait(input.waitSeconds, input.policy.pollMaxSeconds) };
  }
  context.df.continueAsNew(input);
  return null;
}

/** null when the service did not answer: its run goes on without us watching. */
function* look(context: OrchestrationContext, { jobId }: AwaitExtractionInput): Story<JobState | null> {
  try {
    return yield* call(context, readExtraction, { jobId });
  } catch (error) {
    if (error instanceof ActivityRejected) throw error;
    return null;
  }
}

function isOver(context: OrchestrationContext, { startedAt }: AwaitExtractionInput, { state }: JobState): boolean {
  if (state === 'absent') return secondsSince(context, startedAt) > UNKNOWN_SECONDS;
  return isTerminal(state);
}

function* giveUp(context: OrchestrationContext, input: AwaitExtractionInput): Story<AwaitExtractionInput> {
  const reason = `it had not ended by its deadline, ${input.deadline}`;
  yield* call(context, cancelExtraction, { jobId: input.jobId });
  // From here on it is looked at often: what it comes to decides how the run ends.
  return { ...input, givenUp: { code: 'job-late', reason, at: now(context) }, waitSeconds: input.policy.pollFirstSeconds };
}

function unconfirmed(state: JobState | null, { givenUp }: AwaitExtractionInput): JobEnd {
  const seen = state ? `still says ${state.state}` : 'does not answer';
  const reason = `Data Factory ${seen} ${CANCEL_SECONDS / 60} minutes after it was asked to cancel the run; look at it there`;
  return { state: { state: 'cancelled', reason, queuedSeconds: null, executionSeconds: state?.executionSeconds ?? null }, givenUp };
}

function secondsUntil(context: OrchestrationContext, instant: string): number {
  return (Date.parse(instant) - context.df.currentUtcDateTime.getTime()) / 1000;
}
