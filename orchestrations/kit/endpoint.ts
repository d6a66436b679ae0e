// Waiting for an endpoint: until it arrived where it was sent, or is at rest again after a restore.
import type { OrchestrationContext, Task } from 'durable-functions';
import { readEndpoint, restoreServing } from '../../shared/contracts/activities/serving.ts';
import type { EndpointState } from '../../shared/contracts/serving.ts';
import type { Policy } from '../../shared/contracts/stories.ts';
import { durationSeconds, nextWait } from '../../shared/decisions/durations.ts';
import { arrival, atRest } from '../../shared/decisions/rollout.ts';
import { ActivityRejected, call, failureOf, type Story } from './call.ts';
import { heed, RunCancelled, wishOf } from './cancel.ts';
import { sleep, later, sleepOrEvent } from './time.ts';

interface Place {
  region: string;
  endpoint: string;
}

/** Bounds the history: after the first quick looks, an endpoint is looked at about so often before it is given up. */
const LOOKS = 16;
/** How long an endpoint that changes is waited for before and after a promotion; the platforms give up earlier by themselves. */
const REST_SECONDS = 5400;

/** Waits until the endpoint serves the configuration; rejects when it went elsewhere, failed, or is late. A person may cancel. */
export function* untilArrived(
  context: OrchestrationContext,
  place: Place,
  configName: string,
  within: string,
  policy: Policy,
  cancel: Task,
): Story<void> {
  const limit = durationSeconds(within);
  const deadline = later(context, limit).getTime();
  const meanwhile = `while ${place.endpoint} was being deployed; the endpoint was restored`;
  let wait = policy.pollFirstSeconds;
  for (;;) {
    const where = arrival(yield* call(context, readEndpoint, place), configName);
    heed(cancel, meanwhile);
    if (where.kind === 'arrived') return;
    if (where.kind === 'lost') throw notHealthy(`${place.endpoint} did not come into service with ${configName}: ${where.reason}`);
    if (context.df.currentUtcDateTime.getTime() >= deadline) {
      throw notHealthy(`${place.endpoint} was not in service with ${configName} within ${within}`);
    }
    if ((yield* sleepOrEvent(context, wait, cancel)) === 'event') throw new RunCancelled(`${wishOf(cancel)} ${meanwhile}`);
    wait = nextWait(wait, Math.max(policy.pollMaxSeconds, limit / LOOKS));
  }
}

/** Puts the endpoint back and waits until it is at rest. When that cannot be done, the rejection says so beside the first failure. */
export function* restoreEndpoint(
  context: OrchestrationContext,
  place: Place,
  configName: string | null,
  policy: Policy,
  because: unknown,
): Story<void> {
  try {
    yield* untilRest(context, place, policy);
    yield* call(context, restoreServing, { ...place, configName });
    yield* untilRest(context, place, policy);
  } catch (error) {
    const goal = configName === null ? 'to be deleted' : `to ${configName}`;
    const first = because instanceof RunCancelled ? because.message.replace('; the endpoint was restored', '') : failureOf(because).message;
    throw new ActivityRejected({
      code: 'endpoint-not-restored',
      message: `${first}. Then ${place.endpoint} could not be put back (it was ${goal}): ${failureOf(error).message}. Look at it before you try again`,
    });
  }
}

/** The endpoint when nothing changes it any more: what it serves then is what a failed promotion goes back to. */
export function* untilRest(context: OrchestrationContext, place: Place, policy: Policy): Story<EndpointState> {
  const deadline = later(context, REST_SECONDS).getTime();
  let wait = policy.pollFirstSeconds;
  for (;;) {
    const state = yield* call(context, readEndpoint, place);
    if (atRest(state)) return state;
    if (context.df.currentUtcDateTime.getTime() >= deadline) {
      throw new ActivityRejected({
        code: 'endpoint-not-at-rest',
        message: `${place.endpoint} is still changing after ${REST_SECONDS / 60} minutes; look at it before you try again`,
      });
    }
    yield* sleep(context, wait);
    wait = nextWait(wait, Math.max(policy.pollMaxSeconds, REST_SECONDS / LOOKS));
  }
}

function notHealthy(message: string): ActivityRejected {
  return new ActivityRejected({ code: 'endpoint-not-healthy', message });
}
