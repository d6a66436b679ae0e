// Time for the stand-ins: one source that a test or the local host can replace.
// Nothing in local/cloud asks the machine for the time in any other way.

/** A source of time. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. */
  now(): number;
}

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves forward by milliseconds (never back). */
  advance(ms: number): void;
  /** Jumps to an instant (milliseconds since 1970); may go back, as real clocks do. */
  set(epochMs: number): void;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** The machine's clock moved by an offset that can be changed: signatures stay valid while days are skipped. */
export function createShiftedClock(base: Clock = systemClock): ManualClock {
  let offset = 0;
  return {
    now: () => base.now() + offset,
    advance: (ms) => {
      offset += forward(ms);
    },
    set: (epochMs) => {
      offset = epochMs - base.now();
    },
  };
}

/** A clock that only moves when told to. */
export function createManualClock(startMs: number): ManualClock {
  let current = startMs;
  return {
    now: () => current,
    advance: (ms) => {
      current += forward(ms);
    },
    set: (epochMs) => {
      current = epochMs;
    },
  };
}

/** Puts the clock's time into the `Date` header of every answer: clients that correct their clock by it (the AWS SDK does) follow along. */
export function dated(fetch: (request: Request) => Promise<Response>, clock: Clock): (request: Request) => Promise<Response> {
  return async (request) => {
    const response = await fetch(request);
    response.headers.set('date', new Date(clock.now()).toUTCString());
    return response;
  };
}

function forward(ms: number): number {
  if (!(ms >= 0)) throw new RangeError(`A clock advances by zero or more milliseconds, not ${ms}.`);
  return ms;
}
