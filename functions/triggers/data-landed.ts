// A message arrived in the queue: parse it, and let every event in it be taken in. What cannot be parsed is kept and gets its verdict too.
import { createHash } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import { isStorageEvent, type CausalChain, type LedgerEntry, type LedgerEvent, type Verdict } from '../../shared/contracts/events.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import { createIntake, type Arrival, type Intake, type IntakeDeps } from './intake.ts';

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

export interface LandingDeps extends IntakeDeps {
  store: Store;
  deserialize: (body: unknown) => Promise<Deserialized>;
  /** Shared with other ways in; made here without it. */
  intake?: Intake;
}

/** Of a message that cannot be parsed, so much is kept; queue messages are far smaller. */
const MAX_KEPT_CHARS = 1024 * 1024;

type Log = Pick<InvocationContext, 'info' | 'warn'>;

/** Queue message in, ledger rows and started instances out. Throws only for what another delivery may mend. */
export function dataLanded(deps: LandingDeps) {
  const intake = deps.intake ?? createIntake(deps);
  return async (message: unknown, starter: Starter, log: Log): Promise<void> => {
    const raw = rawText(message);
    const body = parseBody(raw);
    const read = body === undefined ? { events: [], problems: ['the message is not JSON, plain or base64'] } : await deps.deserialize(body);
    const { events, chains = [], others = [], problems } = read;
    if (problems.length > 0 || events.length + others.length === 0) {
      await recordMalformed(deps, raw, problems.length > 0 ? problems : ['the message holds no event']);
      log.warn(`malformed message recorded: ${problems.join('; ').slice(0, 2000) || 'no event'}`);
    }
    for (const other of others) await recordOther(deps, other);
    for (const [index, event] of events.entries()) {
      const arrival: Arrival = { foundBy: 'queue', chain: chains[index] ?? [] };
      if (isStorageEvent(event)) await intake.takeEvent(event, starter, log, arrival);
      else await intake.takeSignal(event, starter, log, arrival);
    }
  };
}

async function recordMalformed(deps: LandingDeps, raw: string, problems: readonly string[]): Promise<void> {
  const bytes = Buffer.from(raw.slice(0, MAX_KEPT_CHARS), 'utf8');
  const sha256 = createHash('sha256').update(raw, 'utf8').digest('hex');
  await deps.store.create(`malformed/${sha256}`, bytes, 'application/octet-stream');
  const verdict: Verdict = {
    kind: 'malformed',
    rule: 'not-an-event',
    reason: `${problems.join('; ').slice(0, 1500)}; the raw message is kept as malformed/${sha256}`,
    evidence: { characters: raw.length, kept: Math.min(raw.length, MAX_KEPT_CHARS), problems: problems.length },
  };
  await recordWithoutPlace(deps, entryId('malformed', sha256), sha256, verdict);
}

async function recordOther(deps: LandingDeps, { source, id, type, subject }: OtherEvent): Promise<void> {
  const verdict: Verdict = {
    kind: 'ignored',
    rule: 'unknown-type',
    reason: `Nothing is made of events of type "${type.slice(0, 200)}"`,
    evidence: { type: type.slice(0, 200), source: source.slice(0, 500), id: id.slice(0, 200), subject: subject.slice(0, 500) },
  };
  await recordWithoutPlace(deps, entryId(source, id), null, verdict);
}

async function recordWithoutPlace(deps: LandingDeps, id: string, rawSha256: string | null, verdict: Verdict): Promise<void> {
  const known = await deps.ledger.look(null, id);
  if (known.entry) return deps.ledger.redelivered(null, id);
  const entry: LedgerEntry = {
    entryId: id,
    event: null,
    rawSha256,
    pipeline: null,
    verdict,
    deliveries: 1,
    receivedAt: deps.now().toISOString(),
    instanceId: null,
    runId: null,
    window: null,
    chain: [],
    foundBy: 'queue',
    sha256: null,
  };
  const written = await deps.ledger.record(null, entry, null, known.version);
  // Somebody recorded it in between: then this is one more delivery.
  if (written === 'changed') await deps.ledger.redelivered(null, id);
}

/** The runtime hands over text, or the value when the text was JSON. */
function rawText(message: unknown): string {
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
