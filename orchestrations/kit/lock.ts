// One promotion at a time per endpoint: an entity holds the lock, because critical sections are not in every host (facts/durable.md §2.9 item 1).
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext, Task } from 'durable-functions';
import { durationSeconds, nextWait } from '../../shared/decisions/durations.ts';
import { ActivityRejected, type Story } from './call.ts';
import { RunCancelled, wishOf } from './cancel.ts';
import { later, now, sleepOrEvent } from './time.ts';

export const ENDPOINT_LOCK = 'endpoint-lock';

/** Longer than all of a promotion but its deployment may take: a holder that was killed by hand does not lock for ever. */
const LEASE_SECONDS = 86_400;
/** Waits grow from 5 seconds to 5 minutes: half an hour in all, as long as a promotion takes, in a short history. */
const TRIES = 16;
const FIRST_WAIT_SECONDS = 5;
const MAX_WAIT_SECONDS = 300;

interface Lock {
  holder: string;
  until: string;
}

interface Request {
  owner: string;
  now: string;
  until: string;
}

/** Entity: at most one holder. Computes first, sets state last: a throw would not roll back (facts/durable.md §2.9 item 4). */
export function endpointLock(context: EntityContext<Lock | null>): void {
  const held = context.df.getState(() => null) ?? null;
  const request = context.df.getInput<Request>();
  if (!request) {
    context.df.return({ granted: false, holder: held?.holder ?? null });
    return;
  }
  if (context.df.operationName === 'release') {
    if (held?.holder === request.owner) context.df.setState(null);
    context.df.return({ granted: false, holder: null });
    return;
  }
  const free = held === null || held.holder === request.owner || held.until <= request.now;
  if (free) context.df.setState({ holder: request.owner, until: request.until });
  context.df.return({ granted: free, holder: free ? request.owner : held.holder });
}

/** Takes the lock; waits about half an hour for another promotion, then gives up naming it. A person may cancel. */
export function* lockEndpoint(
  context: OrchestrationContext,
  endpoint: string,
  owner: string,
  healthyWithin: string,
  cancel: Task,
): Story<void> {
  const lease = LEASE_SECONDS + durationSeconds(healthyWithin);
  let holder = '';
  let wait = FIRST_WAIT_SECONDS;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const answer = (yield context.df.callEntity(lockOf(endpoint), 'acquire', request(context, owner, lease))) as {
      granted: boolean;
      holder: string;
    };
    if (answer.granted) return;
    holder = answer.holder;
    if ((yield* sleepOrEvent(context, wait, cancel)) === 'event') {
      throw new RunCancelled(`${wishOf(cancel)} while it waited for ${holder}, which is promoting to ${endpoint}`);
    }
    wait = nextWait(wait, MAX_WAIT_SECONDS);
  }
  throw new ActivityRejected({
    code: 'endpoint-locked',
    message: `${endpoint} is being promoted by ${holder}; try again when it has ended`,
  });
}

export function* unlockEndpoint(context: OrchestrationContext, endpoint: string, owner: string): Story<void> {
  yield context.df.callEntity(lockOf(endpoint), 'release', request(context, owner, 0));
}

function request(context: OrchestrationContext, owner: string, leaseSeconds: number): Request {
  return { owner, now: now(context), until: later(context, leaseSeconds).toISOString() };
}

/** Entity keys travel in ids and paths: only plain characters. */
function lockOf(endpoint: string): df.EntityId {
  return new df.EntityId(ENDPOINT_LOCK, endpoint.replaceAll('/', '.'));
}
