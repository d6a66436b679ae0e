// Fills the ledger for `bench:events`: real rows by the ledger's own code.
import { createLedger } from '../../shared/adapters/tables/ledger.ts';
import type { LedgerEntry, StorageEvent } from '../../shared/contracts/events.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import { LAKE, type Site } from './intake-site.ts';

/** An accepted event leaves its entry, the head of its blob, and two index rows. */
export const ROWS_PER_EVENT = 4;
/** Events of one day: a ledger of many rows is one of many days. */
const PER_DAY = 500;
/** Side by side: the ledger writes their index rows together. */
const WIDTH = 128;
let filled = 0;

/** Records old events until the ledger's table has about so many rows by itself; gives how many of them there are. */
export async function fillLedger(site: Site, rows: number): Promise<number> {
  const ledger = createLedger(site.ledger);
  const until = Math.ceil(rows / ROWS_PER_EVENT);
  while (filled < until) {
    const count = Math.min(WIDTH, until - filled);
    await Promise.all(Array.from({ length: count }, (_, index) => recordOld(ledger, filled + index)));
    filled += count;
  }
  return filled * ROWS_PER_EVENT;
}

async function recordOld(ledger: ReturnType<typeof createLedger>, serial: number): Promise<void> {
  const at = new Date(Date.now() - (1 + serial / PER_DAY) * 86_400_000).toISOString();
  const event: StorageEvent = {
    source: '/old',
    id: `old-${serial}`,
    kind: 'created',
    api: 'PutBlob',
    ...LAKE,
    path: `bronze/ble-location/old/${serial}.csv`,
    eTag: `0x${serial}`,
    sequencer: String(serial).padStart(16, '0'),
    bytes: 1,
    time: at,
  };
  const id = entryId(event.source, event.id);
  const entry: LedgerEntry = {
    entryId: id,
    event,
    rawSha256: null,
    pipeline: 'ble-location',
    verdict: { kind: 'accepted', rule: 'landed', reason: 'An old event of the benchmark', evidence: {} },
    deliveries: 1,
    receivedAt: at,
    instanceId: `land-ble-location-${serial}-a1`,
    runId: null,
    window: null,
    chain: [],
    foundBy: 'queue',
    sha256: null,
  };
  const head = { eTag: event.eTag, sequencer: event.sequencer, sha256: null, entryId: id };
  const { account, container, path } = event;
  if ((await ledger.record({ account, container, path }, entry, head, null)) !== 'recorded') throw new Error(`${id} was there already`);
}
