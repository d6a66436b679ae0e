// One promotion at a time per endpoint: an entity holds the lock, because critical sections are not in every host (facts/durable.md §2.9 item 1).
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { ActivityRejected, type Story } from './call.ts';
import { later, now, sleep } from './time.ts';

export const ENDPOINT_LOCK = 'endpoint-lock';

/** Longer than any promotion may take: a holder that was killed by hand does not lock for ever. */
const LEASE_SECONDS = 86_400;
const TRIES = 30;
const WAIT_SECONDS = 10;

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

/** Takes the lock; waits a few minutes for another promotion, then gives up naming it. */
export function* lockEndpoint(context: OrchestrationContext, endpoint: string, owner: string): Story<void> {
  let holder = '';
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const answer = (yield context.df.callEntity(lockOf(endpoint), 'acquire', request(context, owner))) as {
      granted: boolean;
      holder: string;
    };
    if (answer.granted) return;
    holder = answer.holder;
    yield* sleep(context, WAIT_SECONDS);
  }
  throw new ActivityRejected({
    code: 'endpoint-locked',
    message: `${endpoint} is being promoted by ${holder}; try again when it has ended`,
  });
}

export function* unlockEndpoint(context: OrchestrationContext, endpoint: string, owner: string): Story<void> {
  yield context.df.callEntity(lockOf(endpoint), 'release', request(context, owner));
}

function request(context: OrchestrationContext, owner: string): Request {
  return { owner, now: now(context), until: later(context, LEASE_SECONDS).toISOString() };
}

/** Entity keys travel in ids and paths: only plain characters. */
function lockOf(endpoint: string): df.EntityId {
  return new df.EntityId(ENDPOINT_LOCK, endpoint.replaceAll('/', '.'));
}
