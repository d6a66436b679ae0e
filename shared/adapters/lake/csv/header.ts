// Compares a file's header with the columns that the contract names, by name and order, and says in words what differs.
import { RejectedError } from '../../../errors/errors.ts';

/** Values of one well-formed record: quotes removed, doubled quotes single. */
export function splitRecord(record: string): string[] {
  const values: string[] = [];
  const value = /("(?:[^"]|"")*"|[^,]*)(,|$)/gy;
  for (let match = value.exec(record); match; match = value.exec(record)) {
    const text = match[1]!;
    values.push(text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
    if (match[2] === '') break;
  }
  return values;
}

/** Edits (insert, delete, replace) between two short texts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The expected name that is meant, when one is close enough to say so. */
function nearest(name: string, expected: readonly string[]): string | null {
  const plain = name.trim().toLowerCase().slice(0, 64);
  const ranked = expected.map((each) => ({ each, edits: distance(plain, each.toLowerCase()) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best && best.edits <= Math.max(1, Math.floor(best.each.length / 3)) ? best.each : null;
}

const shown = (names: readonly string[]) => names.map((name) => JSON.stringify(name.slice(0, 80))).join(', ');

/** Throws `wrong-header` unless `found` is exactly `expected`. `file` is the blob's path, `line` the header's. */
export function checkHeader(file: string, line: number, found: readonly string[], expected: readonly string[]): void {
  if (found.length === expected.length && found.every((name, n) => name === expected[n])) return;
  const missing = expected.filter((name) => !found.includes(name));
  const foreign = found.filter((name) => !expected.includes(name));
  const problems: string[] = [];
  for (const name of foreign.slice(0, 5)) {
    const meant = nearest(name, missing);
    problems.push(
      `column ${found.indexOf(name) + 1} is ${shown([name])}${meant === null ? ', which is not expected' : ` (is ${shown([meant])} meant?)`}`,
    );
  }
  if (missing.length > 0) problems.push(`missing: ${shown(missing.slice(0, 20))}`);
  const doubled = found.filter((name, n) => found.indexOf(name) !== n);
  if (doubled.length > 0) problems.push(`named twice: ${shown(doubled.slice(0, 5))}`);
  if (problems.length === 0) {
    const first = found.findIndex((name, n) => name !== expected[n]);
    problems.push(
      `the names are right and their order is not: column ${first + 1} is ${shown([found[first]!])} instead of ${shown([expected[first]!])}`,
    );
  }
  throw new RejectedError(
    'wrong-header',
    `${file}, line ${line}: the header does not match the columns of the source. Found: ${shown(found.slice(0, 100))}. Expected: ${shown(expected)}. ` +
      `${problems.join('; ')} (rule header). Mend: write the header as expected, or change "columns" in sluice.yaml and apply it.`,
  );
}
