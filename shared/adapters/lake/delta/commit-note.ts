// A commit without files: something to remember in the table's history (the beginning and end of a vacuum). It conflicts with nothing.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../../../errors/errors.ts';
import { commitName, listLog, readCommit, type DeltaTable } from './snapshot.ts';

export interface Note {
  operation: string;
  parameters: Record<string, string>;
  metrics: Record<string, string>;
  /** Tells our own write from another's. */
  id: string;
}

const TRIES = 30;

/** Commits the note at the next free version and gives that version. */
export async function commitNote(
  table: DeltaTable,
  note: Note,
  now: () => number,
  pause: (tries: number) => Promise<void> = async (tries) => sleep(randomInt(5, 20 * (tries + 1) + 10)),
): Promise<number> {
  const log = await listLog(table);
  let version = Math.max(log.commits.at(-1) ?? -1, ...log.checkpoints.keys()) + 1;
  for (let tries = 0; tries < TRIES; tries += 1, version += 1) {
    const info = {
      timestamp: now(),
      operation: note.operation,
      operationParameters: note.parameters,
      readVersion: version - 1,
      isBlindAppend: true,
      operationMetrics: note.metrics,
      engineInfo: 'Sluice',
      txnId: note.id,
    };
    const text = `${JSON.stringify({ commitInfo: info })}\n`;
    if ((await table.storage.create(commitName(table.root, version), Buffer.from(text), 'application/json')) === 'created') return version;
    if ((await readCommit(table, version))?.info?.txnId === note.id) return version;
    await pause(tries);
  }
  throw new TransientError('table-busy', `${table.root}: other writers took ${TRIES} versions in a row; try again later.`);
}
