// Whose turn it is to train: one training of a pipeline at a time, first come first served, and a waiting one may give way to newer gold.
// Places in the queue are leases: a run that nobody tells any more does not block those behind it.

/** A run in the queue. `until` is when its place is given up unless it looks again; `to` is whom it gives way to, once that is known. */
export interface Waiter {
  runId: string;
  goldVersion: number;
  givesWay: boolean;
  until: string;
  to: string | null;
}

export interface Turns {
  holder: Omit<Waiter, 'to'> | null;
  /** First come first. */
  waiting: Waiter[];
}

export const NO_TURNS: Turns = { holder: null, waiting: [] };

export interface TurnRequest {
  runId: string;
  goldVersion: number;
  /** Gives way to newer gold while it waits, and makes older ones give way. */
  givesWay: boolean;
  now: string;
  /** Until when the run holds the turn once it has it. */
  holdUntil: string;
  /** Until when it keeps its place while it waits. */
  waitUntil: string;
}

export type TurnAnswer =
  | { kind: 'granted' }
  | { kind: 'wait'; holder: string; ahead: number }
  /** A run with newer gold waits or works: this one is not needed any more. */
  | { kind: 'give-way'; to: string };

/** Takes the turn, keeps or takes a place in the queue, or gives way. Instants are ISO texts of one form, so they compare as text. */
export function takeTurn(turns: Turns, request: TurnRequest): { turns: Turns; answer: TurnAnswer } {
  const { runId, goldVersion, givesWay, now } = request;
  const holder = turns.holder !== null && turns.holder.until > now ? turns.holder : null;
  const others = turns.waiting.filter((waiter) => waiter.runId !== runId && waiter.until > now);
  if (holder?.runId === runId) return { turns: { holder: held(request), waiting: others }, answer: { kind: 'granted' } };

  const before = turns.waiting.find((waiter) => waiter.runId === runId);
  const mine: Waiter = { runId, goldVersion, givesWay, until: request.waitUntil, to: before?.to ?? null };
  const place = before ? turns.waiting.filter((waiter) => waiter === before || waiter.until > now).indexOf(before) : others.length;
  const waiting = yielding([...others.slice(0, place), mine, ...others.slice(place)], holder);

  const { to } = waiting[place] ?? mine;
  if (to !== null)
    return { turns: { holder, waiting: waiting.filter((waiter) => waiter.runId !== runId) }, answer: { kind: 'give-way', to } };
  const ahead = waiting.slice(0, place).filter((waiter) => waiter.to === null);
  if (holder === null && ahead.length === 0) {
    return { turns: { holder: held(request), waiting: waiting.filter((waiter) => waiter.runId !== runId) }, answer: { kind: 'granted' } };
  }
  return { turns: { holder, waiting }, answer: { kind: 'wait', holder: holder?.runId ?? ahead[0]?.runId ?? '', ahead: ahead.length } };
}

/** Nobody in particular: whoever gives way to it has left by itself. */
export const NOBODY = 'nobody';

/** Gives the turn back. A place in the queue is kept as one that was left, so that a look on its way does not take it again. */
export function leaveTurn(turns: Turns, runId: string): Turns {
  const holder = turns.holder?.runId === runId ? null : turns.holder;
  return { holder, waiting: turns.waiting.map((waiter) => (waiter.runId === runId ? { ...waiter, to: NOBODY } : waiter)) };
}

function held({ runId, goldVersion, givesWay, holdUntil }: TurnRequest): Turns['holder'] {
  return { runId, goldVersion, givesWay, until: holdUntil };
}

/** Of all that give way, only the newest gold (of equals, the last to come) is still needed; the others learn it when they look. */
function yielding(waiting: readonly Waiter[], holder: Turns['holder']): Waiter[] {
  const candidates = [...(holder?.givesWay ? [holder] : []), ...waiting.filter((waiter) => waiter.givesWay && waiter.to === null)];
  const newest = candidates.reduce((best, one) => (best === undefined || one.goldVersion >= best.goldVersion ? one : best), candidates[0]);
  return waiting.map((waiter) => {
    const stays = newest === undefined || !waiter.givesWay || waiter.to !== null || waiter.runId === newest.runId;
    return stays ? waiter : { ...waiter, to: newest.runId };
  });
}
