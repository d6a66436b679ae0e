// What at-least-once, unordered delivery looks like, on request: the next events are dropped, doubled, delayed or turned round.
// Reached over an admin server of its own (`/_admin/chaos`), never over the blob port.
import { BodyNotJsonError, isRecord, json, readJson } from '../kit/body.ts';

/** Plans that still wait for events. */
export interface ChaosPlan {
  /** The next N events vanish. */
  drop: number;
  /** The next N events are delivered twice. */
  duplicate: number;
  /** The next N events are delivered `delayMs` late. */
  delay: number;
  delayMs: number;
  /** The next N events are held until all have come, then delivered last first. */
  reorder: number;
}

/** Decides the fate of each event. */
export interface Chaos {
  /** Calls `deliver` now, later in another order, twice, or never. */
  pass(deliver: (delayMs: number) => void): void;
  readonly plan: Readonly<ChaosPlan>;
  /** Adds to the plan; throws `TypeError` for what makes no sense. */
  add(input: unknown): void;
  /** Forgets the plan and lets held events go. */
  clear(): void;
}

const LIMITS: Readonly<Record<keyof ChaosPlan, number>> = {
  drop: 10_000,
  duplicate: 10_000,
  delay: 10_000,
  delayMs: 86_400_000,
  reorder: 1_000,
};

/** Distance between events that are delivered in reverse. */
const APART_MS = 100;

/** A plan that changes nothing until something is added. */
export function createChaos(): Chaos {
  const plan: ChaosPlan = { drop: 0, duplicate: 0, delay: 0, delayMs: 0, reorder: 0 };
  let held: ((extraMs: number) => void)[] = [];
  const release = () => {
    const events = held.reverse();
    held = [];
    // A little apart, so that the new order is also the order in the queue.
    for (const [index, event] of events.entries()) event(index * APART_MS);
  };
  const take = (key: 'drop' | 'duplicate' | 'delay' | 'reorder'): boolean => {
    if (plan[key] === 0) return false;
    plan[key] -= 1;
    return true;
  };
  return {
    plan,
    pass(deliver) {
      if (take('drop')) return;
      const copies = take('duplicate') ? 2 : 1;
      const delayMs = take('delay') ? plan.delayMs : 0;
      const event = (extraMs: number) => {
        for (let copy = 0; copy < copies; copy += 1) deliver(delayMs + extraMs);
      };
      if (!take('reorder')) {
        event(0);
        return;
      }
      held.push(event);
      if (plan.reorder === 0) release();
    },
    add(input) {
      if (!isRecord(input))
        throw new TypeError('Send an object such as { "duplicate": 2, "drop": 1, "delay": 1, "delayMs": 500, "reorder": 3 }.');
      const unknown = Object.keys(input).filter((key) => !Object.hasOwn(LIMITS, key));
      if (unknown.length > 0) throw new TypeError(`Unknown: ${unknown.join(', ')}. Known: ${Object.keys(LIMITS).join(', ')}.`);
      const numbers = Object.entries(input) as [keyof ChaosPlan, unknown][];
      for (const [key, value] of numbers) {
        if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > LIMITS[key]) {
          throw new TypeError(`${key} is a whole number from 0 to ${LIMITS[key]}.`);
        }
      }
      for (const [key, value] of numbers) plan[key] = value as number;
      if (plan.reorder === 0) release();
    },
    clear() {
      Object.assign(plan, { drop: 0, duplicate: 0, delay: 0, delayMs: 0, reorder: 0 });
      release();
    },
  };
}

/** The admin route: GET shows the plan, POST adds to it, DELETE clears it. */
export async function administerChaos(chaos: Chaos, request: Request): Promise<Response> {
  if (request.method === 'GET') return json(chaos.plan);
  if (request.method === 'DELETE') {
    chaos.clear();
    return new Response(null, { status: 204 });
  }
  if (request.method !== 'POST') return json({ error: 'GET, POST or DELETE.' }, 405);
  // A web page can send text/plain to a loopback port without asking; it cannot send this type.
  if (!(request.headers.get('content-type') ?? '').startsWith('application/json'))
    return json({ error: 'Send content-type application/json.' }, 415);
  try {
    chaos.add(await readJson(request));
    return json(chaos.plan);
  } catch (error) {
    if (error instanceof TypeError || error instanceof BodyNotJsonError) return json({ error: error.message }, 400);
    throw error;
  }
}
