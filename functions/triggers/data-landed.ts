// A storage event arrived in the queue: parse it, decide its verdict, write both to the ledger, then start what was decided.
import { createHash } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import type { LedgerEntry, LedgerHead, StorageEvent, Verdict } from '../../shared/contracts/events.ts';
import type { LandInput, Policy } from '../../shared/contracts/stories.ts';
import { entryId, instanceId, landKey } from '../../shared/decisions/identity.ts';
import { decideVerdict } from '../../shared/decisions/verdict.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import type { Ledger, PipelineRegistry } from '../../shared/ports/stores.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import type { Store } from '../../shared/ports/lake.ts';

/** What could be read from one message: events, and what could not be understood. */
export interface Deserialized {
  events: StorageEvent[];
  problems: string[];
}

export interface LandingDeps {
  ledger: Ledger;
  pipelines: PipelineRegistry;
  store: Store;
  deserialize: (body: unknown) => Promise<Deserialized>;
  lake: { account: string; container: string };
  policy: Policy;
  now: () => Date;
}

/** Races on one blob are rare and short; after this many the queue's own redelivery takes over. */
const MAX_LOOKS = 8;

/** Queue message in, ledger rows and started instances out. Throws only for what another delivery may mend. */
export function dataLanded(deps: LandingDeps) {
  return async (message: unknown, starter: Starter, log: Pick<InvocationContext, 'info' | 'warn'>): Promise<void> => {
    const raw = rawText(message);
    const body = parseBody(raw);
    const { events, problems } =
      body === undefined ? { events: [], problems: ['the message is not JSON, plain or base64'] } : await deps.deserialize(body);
    if (problems.length > 0 || events.length === 0) {
      await recordMalformed(deps, raw, problems.length > 0 ? problems : ['the message holds no event']);
      log.warn(`malformed message recorded: ${problems.join('; ') || 'no event'}`);
    }
    for (const event of events) await takeEvent(deps, event, starter, log);
  };
}

async function takeEvent(deps: LandingDeps, event: StorageEvent, starter: Starter, log: Pick<InvocationContext, 'info'>): Promise<void> {
  const place = { account: event.account, container: event.container, path: event.path };
  const id = entryId(event.source, event.id);
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const known = await deps.ledger.look(place, id);
    if (known.entry) {
      await deps.ledger.redelivered(place, id);
      // A crash between verdict and start leaves an accepted event without its instance: the same start again is harmless.
      if (known.entry.verdict.kind === 'accepted' && known.entry.runId === null) await start(deps, event, known.entry, starter);
      log.info(`redelivery of ${id}: ${known.entry.verdict.kind}`);
      return;
    }
    const entry = await judge(deps, event, id, known.head);
    const head: LedgerHead | null =
      entry.verdict.kind === 'accepted' ? { eTag: event.eTag, sequencer: event.sequencer, sha256: null, entryId: id } : null;
    const written = await deps.ledger.record(place, entry, head, known.version);
    if (written === 'changed') continue;
    log.info(`${event.path}: ${entry.verdict.kind} (${entry.verdict.rule})`);
    if (entry.verdict.kind === 'accepted') await start(deps, event, entry, starter);
    return;
  }
  throw new TransientError('ledger-contended', `The ledger row of ${event.path} changed ${MAX_LOOKS} times while it was being written`);
}

async function judge(deps: LandingDeps, event: StorageEvent, id: string, head: LedgerHead | null): Promise<LedgerEntry> {
  const owners = await landingFolders(deps);
  const { verdict, pipeline } = decideVerdict({ event, head, lake: deps.lake, owners });
  const accepted = verdict.kind === 'accepted' && pipeline !== null;
  return {
    entryId: id,
    event,
    rawSha256: null,
    pipeline,
    verdict,
    deliveries: 1,
    receivedAt: deps.now().toISOString(),
    instanceId: accepted ? instanceId('land', pipeline, landKey(event), 1) : null,
    runId: null,
  };
}

async function landingFolders(deps: LandingDeps): Promise<{ pipeline: string; path: string }[]> {
  const registered = await deps.pipelines.list();
  const versions = await Promise.all(registered.map(({ name, digest }) => deps.pipelines.version(name, digest)));
  return versions.flatMap((version) => (version ? version.spec.sources.map(({ path }) => ({ pipeline: version.name, path })) : []));
}

async function start(deps: LandingDeps, event: StorageEvent, entry: LedgerEntry, starter: Starter): Promise<void> {
  if (entry.pipeline === null || entry.instanceId === null) return;
  const version = await deps.pipelines.current(entry.pipeline);
  if (!version) throw new TransientError('pipeline-gone', `Pipeline ${entry.pipeline} was registered a moment ago and cannot be read now`);
  const input: LandInput = {
    pipeline: entry.pipeline,
    contractDigest: version.digest,
    policy: deps.policy,
    entryId: entry.entryId,
    account: event.account,
    container: event.container,
    path: event.path,
    eTag: event.eTag,
  };
  await starter.start('land', entry.instanceId, input);
}

async function recordMalformed(deps: LandingDeps, raw: string, problems: readonly string[]): Promise<void> {
  const bytes = Buffer.from(raw, 'utf8');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await deps.store.create(`malformed/${sha256}`, bytes, 'application/octet-stream');
  const id = entryId('malformed', sha256);
  const verdict: Verdict = {
    kind: 'malformed',
    rule: 'not-an-event',
    reason: `${problems.join('; ').slice(0, 1500)}; the raw message is kept as malformed/${sha256}`,
  };
  const known = await deps.ledger.look(null, id);
  if (known.entry) return deps.ledger.redelivered(null, id);
  const receivedAt = deps.now().toISOString();
  const entry: LedgerEntry = {
    entryId: id,
    event: null,
    rawSha256: sha256,
    pipeline: null,
    verdict,
    deliveries: 1,
    receivedAt,
    instanceId: null,
    runId: null,
  };
  await deps.ledger.record(null, entry, null, known.version);
}

/** The runtime hands over text, or the value when the text was JSON. */
function rawText(message: unknown): string {
  return typeof message === 'string' ? message : JSON.stringify(message);
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
