// The log of a table remembers the smallest and largest values of files that are long gone. After an erasure, versions whose entries
// still show the value are given up: a checkpoint of the newest state takes their place.
import { checkpointAt } from '../delta/checkpoint.ts';
import { commitName, listLog, readSnapshot } from '../delta/snapshot.ts';
import type { WorkTable } from '../delta/table-files.ts';

/** Characters of a text that statistics keep. */
const KEPT = 32;
/** Larger log files are taken to show the value. */
const MAX_READ = 64 * 1024 * 1024;

/** The ways in which the beginning of a value can stand in a log: as it is, and quoted once and twice. */
function forms(value: string): string[] {
  const start = Array.from(value).slice(0, KEPT).join('');
  const quoted = (text: string) => JSON.stringify(text).slice(1, -1);
  return [...new Set([start, quoted(start), quoted(quoted(start))])];
}

/** Gives up the versions before the newest when one of them shows the value; gives the number of log files removed. */
export async function trimLog(table: WorkTable, value: string, now: () => number): Promise<number> {
  const snapshot = await readSnapshot(table);
  if (!snapshot) return 0;
  const log = await listLog(table);
  const names = [
    ...log.commits.filter((version) => version < snapshot.version).map((version) => commitName(table.root, version)),
    ...[...log.checkpoints].filter(([version]) => version < snapshot.version).flatMap(([, parts]) => parts),
  ];
  if (!(await shows(table, names, forms(value)))) return 0;
  await checkpointAt(table.duck, table.storage, table.root, snapshot, now());
  // The oldest first: whatever is cut off leaves a log without gaps.
  for (const name of names.sort()) await table.storage.remove(name);
  return names.length;
}

async function shows(table: WorkTable, names: readonly string[], texts: readonly string[]): Promise<boolean> {
  for (const name of names) {
    // Checkpoints are compressed: nobody can tell, so they count as showing it.
    if (!name.endsWith('.json')) return true;
    const content = await table.storage.read(name, MAX_READ);
    if (content !== null && texts.some((text) => content.includes(text))) return true;
  }
  return false;
}
