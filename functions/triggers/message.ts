// One message, whatever queue or container it came from: parsed, and every event in it taken in. What cannot be parsed is kept by its
// SHA-256 and gets its verdict too, so that nothing that came is without one.
import { createHash } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import {
  type CausalChain,
  isStorageEvent,
  type LedgerEntry,
  type LedgerEvent,
  placeOfEvent,
  type Verdict,
} from '../../shared/contracts/events.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import type { Ledger } from '../../shared/ports/stores.ts';
import type { Arrival, Intake } from './intake.ts';

/** An event of a kind that nothing is made of. */
export interface OtherEvent {
  source: string;
  id: string;
  type: string;
  subject: string;
}

/** What could be read from one message: events with the chains that they carry, others, and what could not be understood. */
export interface Deserialized {
  events: LedgerEvent[];
  chains?: CausalChain[];
  others?: OtherEvent[];
  problems: string[];
}

export interface MessageDeps {
  ledger: Pick<Ledger, 'look' | 'record' | 'redelivered'>;
  store: Pick<Store, 'create'>;
  intake: Pick<Intake, 'takeEvent' | 'takeSignal'>;
  deserialize: (body: unknown) => Promise<Deserialized>;
  now: () => Date;
}

/** How a message came; `evidence` goes beside what each verdict compared. */
export type MessageArrival = Pick<Arrival, 'foundBy' | 'evidence'>;

/** What was made of a message. */
export interface Taken {
  events: number;
  /** What could not be read in it; then it was kept. */
  problems: string[];
}

/** Events of one message that are taken side by side: as many as the host takes messages. */
const LANES = 16;
/** Of a message that cannot be parsed, so much is kept; queue messages are far smaller. */
const MAX_KEPT_CHARS = 1024 * 1024;

export type MessageLog = Pick<InvocationContext, 'info' | 'warn'>;

/** Takes in what a message holds. Throws only for what another delivery may mend. */
export async function takeMessage(
  deps: MessageDeps,
  raw: string,
  arrival: MessageArrival,
  starter: Starter,
  log: MessageLog,
): Promise<Taken> {
  const body = parseBody(raw);
  const read = body === undefined ? { events: [], problems: ['the message is not JSON, plain or base64'] } : await deps.deserialize(body);
  const { events, chains = [], others = [] } = read;
  const problems = read.problems.length === 0 && events.length + others.length === 0 ? ['the message holds no event'] : read.problems;
  if (problems.length > 0) {
    await keepUnread(deps, raw, arrival, ({ sha256, kept }) => ({
      kind: 'malformed',
      rule: 'not-an-event',
      reason: `${problems.join('; ').slice(0, 1500)}; the raw message is kept as malformed/${sha256}`,
      evidence: { characters: raw.length, kept, problems: problems.length },
    }));
    log.warn(`malformed message recorded: ${problems.join('; ').slice(0, 2000)}`);
  }
  for (const other of others) await recordOther(deps, other, arrival);
  await eachInItsOrder(events, async (event, index) => {
    const own: Arrival = { ...arrival, chain: chains[index] ?? [] };
    if (isStorageEvent(event)) await deps.intake.takeEvent(event, starter, log, own);
    else await deps.intake.takeSignal(event, starter, log, own);
  });
  return { events: events.length, problems };
}

/**
 * Events of different places side by side, those of one place one after the other as they stand in the message. After a failure nothing
 * new is begun, what is under way is waited for, and the first failure is thrown: another delivery brings all of them again.
 */
async function eachInItsOrder(events: readonly LedgerEvent[], take: (event: LedgerEvent, index: number) => Promise<void>): Promise<void> {
  const lanes = new Map<string, [LedgerEvent, number][]>();
  for (const [index, event] of events.entries()) {
    const { account, container, path } = placeOfEvent(event);
    const place = `${account}/${container}/${path}`;
    const lane = lanes.get(place);
    if (lane) lane.push([event, index]);
    else lanes.set(place, [[event, index]]);
  }
  const failures: unknown[] = [];
  const waiting = lanes.values();
  const work = async (): Promise<void> => {
    for (const lane of waiting)
      for (const [event, index] of lane) {
        if (failures.length > 0) return;
        await take(event, index).catch((error: unknown) => failures.push(error));
      }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, lanes.size) }, work));
  if (failures.length > 0) throw failures[0];
}

/** Keeps a text by its digest and records why nothing was made of it; gives the entry's id. */
export async function keepUnread(
  deps: Pick<MessageDeps, 'ledger' | 'store' | 'now'>,
  raw: string,
  arrival: MessageArrival,
  say: (kept: { sha256: string; kept: number }) => Verdict,
  space = 'malformed',
): Promise<string> {
  const bytes = Buffer.from(raw.slice(0, MAX_KEPT_CHARS), 'utf8');
  const sha256 = createHash('sha256').update(raw, 'utf8').digest('hex');
  await deps.store.create(`malformed/${sha256}`, bytes, 'application/octet-stream');
  const id = entryId(space, sha256);
  await recordWithoutPlace(deps, id, sha256, say({ sha256, kept: Math.min(raw.length, MAX_KEPT_CHARS) }), arrival);
  return id;
}

async function recordOther(deps: MessageDeps, { source, id, type, subject }: OtherEvent, arrival: MessageArrival): Promise<void> {
  const verdict: Verdict = {
    kind: 'ignored',
    rule: 'unknown-type',
    reason: `Nothing is made of events of type "${type.slice(0, 200)}"`,
    evidence: { type: type.slice(0, 200), source: source.slice(0, 500), id: id.slice(0, 200), subject: subject.slice(0, 500) },
  };
  await recordWithoutPlace(deps, entryId(source, id), null, verdict, arrival);
}

async function recordWithoutPlace(
  deps: Pick<MessageDeps, 'ledger' | 'now'>,
  id: string,
  rawSha256: string | null,
  verdict: Verdict,
  { foundBy, evidence = {} }: MessageArrival,
): Promise<void> {
  const known = await deps.ledger.look(null, id);
  if (known.entry) return deps.ledger.redelivered(null, id);
  const entry: LedgerEntry = {
    entryId: id,
    event: null,
    rawSha256,
    pipeline: null,
    verdict: { ...verdict, evidence: { ...evidence, ...verdict.evidence } },
    deliveries: 1,
    receivedAt: deps.now().toISOString(),
    instanceId: null,
    runId: null,
    window: null,
    chain: [],
    foundBy,
    sha256: null,
  };
  const written = await deps.ledger.record(null, entry, null, known.version);
  // Somebody recorded it in between: then this is one more delivery.
  if (written === 'changed') await deps.ledger.redelivered(null, id);
}

/** The runtime hands over text, or the value when the text was JSON. */
export function rawText(message: unknown): string {
  if (typeof message === 'string') return message;
  try {
    return JSON.stringify(message) ?? String(message);
  } catch {
    return 'a value that cannot be written as JSON';
  }
}

/** JSON, plain or base64; undefined when it is neither. Event Grid writes base64 to Storage queues, other senders write plain text. */
function parseBody(raw: string): unknown {
  return parseJson(raw) ?? (/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(raw) ? parseJson(Buffer.from(raw, 'base64').toString('utf8')) : undefined);
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
