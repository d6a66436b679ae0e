// Waiting for an endpoint: until it arrived where it was sent, or is at rest again after a restore.
import type { OrchestrationContext } from 'durable-functions';
import { readEndpoint, restoreServing } from '../../shared/contracts/activities/serving.ts';
import type { Policy } from '../../shared/contracts/stories.ts';
import { durationSeconds, nextWait } from '../../shared/decisions/durations.ts';
import { arrival, atRest } from '../../shared/decisions/rollout.ts';
import { ActivityRejected, call, type Story } from './call.ts';
import { CANCEL } from './job.ts';
import { RunCancelled } from './run.ts';
import { later, sleep, taskOrEvent } from './time.ts';

interface Place {
  region: string;
  endpoint: string;
}

/** Bounds the history: with growing waits, 40 polls reach beyond the longest deadline that a pipeline file sensibly gives. */
const MAX_POLLS = 40;

/** Waits until the endpoint serves the configuration; rejects when it went elsewhere, failed, or is late. A person may cancel. */
export function* untilArrived(
  context: OrchestrationContext,
  place: Place,
  configName: string,
  within: string,
  policy: Policy,
): Story<void> {
  const limit = durationSeconds(within);
  const deadline = later(context, limit).getTime();
  const cancel = context.df.waitForExternalEvent(CANCEL);
  let wait = policy.pollFirstSeconds;
  for (let poll = 0; ; poll += 1) {
    const state = yield* call(context, readEndpoint, place);
    const where = arrival(state, configName);
    if (where.kind === 'arrived') return;
    if (where.kind === 'lost') {
      throw new ActivityRejected({
        code: 'endpoint-not-healthy',
        message: `${place.endpoint} did not come into service with ${configName}: ${where.reason}`,
      });
    }
    if (context.df.currentUtcDateTime.getTime() >= deadline) {
      throw new ActivityRejected({
        code: 'endpoint-not-healthy',
        message: `${place.endpoint} was not in service with ${configName} within ${within}`,
      });
    }
    const timer = context.df.createTimer(later(context, poll < MAX_POLLS ? wait : limit));
    const first = yield* taskOrEvent(context, timer, cancel);
    if (first === 'event') {
      timer.cancel();
      throw new RunCancelled(`Cancelled by a person while ${place.endpoint} was being deployed; the endpoint was restored`);
    }
    wait = nextWait(wait, policy.pollMaxSeconds);
  }
}

/** Puts the endpoint back and waits until it is at rest; an endpoint that is busy is tried again. */
export function* restoreEndpoint(context: OrchestrationContext, place: Place, configName: string | null, policy: Policy): Story<void> {
  yield* untilRest(context, place, policy);
  yield* call(context, restoreServing, { ...place, configName });
  yield* untilRest(context, place, policy);
}

function* untilRest(context: OrchestrationContext, place: Place, policy: Policy): Story<void> {
  let wait = policy.pollFirstSeconds;
  for (let poll = 0; poll < MAX_POLLS; poll += 1) {
    if (atRest(yield* call(context, readEndpoint, place))) return;
    yield* sleep(context, wait);
    wait = nextWait(wait, policy.pollMaxSeconds);
  }
  throw new ActivityRejected({
    code: 'endpoint-not-at-rest',
    message: `${place.endpoint} is still changing; look at it before you try again`,
  });
}
