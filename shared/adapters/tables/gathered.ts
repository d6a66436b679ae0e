// Index rows that many callers write at the same moment, written together: one entity group transaction for each partition instead of
// one request for each row. Nothing waits for company: what comes in one turn of the event loop goes at once, and what comes while a
// transaction is under way goes with the next one.
import { RejectedError } from '../../errors/errors.ts';
import type { NewRow, Table } from './table.ts';

/** The service takes a hundred rows in one transaction; index rows are far below its 4 MiB. */
const MAX_ROWS = 100;

interface Waiting {
  row: NewRow;
  done: () => void;
  failed: (error: unknown) => void;
}

/** `put` as the table's own: settled when the row is stored, and it fails for this row alone when the row itself is refused. */
export function createGatheredPut(table: Pick<Table, 'put' | 'batch'>): Table['put'] {
  /** Partitions with rows under way; the rows that wait for the next transaction of each. */
  const partitions = new Map<string, Waiting[]>();

  async function drain(partition: string, waiting: Waiting[]): Promise<void> {
    // One turn of the event loop: messages that arrived together write together.
    await new Promise(setImmediate);
    while (waiting.length > 0) await write(table, takeGroup(waiting));
    partitions.delete(partition);
  }

  return (row) =>
    new Promise((done, failed) => {
      const waiting = partitions.get(row.partitionKey);
      if (waiting) {
        waiting.push({ row, done, failed });
        return;
      }
      const first = [{ row, done, failed }];
      partitions.set(row.partitionKey, first);
      void drain(row.partitionKey, first);
    });
}

/** The oldest rows, each key once: the service refuses a transaction that names a row twice. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const keys = new Set<string>();
  let count = 0;
  for (const { row } of waiting) {
    if (count === MAX_ROWS || keys.has(row.rowKey)) break;
    keys.add(row.rowKey);
    count += 1;
  }
  return waiting.splice(0, count);
}

/** Writes a group and tells each caller. Never throws. */
async function write(table: Pick<Table, 'put' | 'batch'>, group: readonly Waiting[]): Promise<void> {
  try {
    if (group.length > 1 && (await writeTogether(table, group))) {
      for (const { done } of group) done();
      return;
    }
  } catch (error) {
    if (!(error instanceof RejectedError)) {
      for (const { failed } of group) failed(error);
      return;
    }
  }
  // Alone, or one of them is not acceptable: the others must not suffer for it.
  await Promise.all(group.map(({ row, done, failed }) => table.put(row).then(done, failed)));
}

/** New rows are inserted, which costs the service less; a row that is there already (a delivery broke off after it) makes them all puts. */
async function writeTogether(table: Pick<Table, 'batch'>, group: readonly Waiting[]): Promise<boolean> {
  for (const kind of ['insert', 'put'] as const) if ((await table.batch(group.map(({ row }) => ({ kind, row })))) === 'done') return true;
  return false;
}
