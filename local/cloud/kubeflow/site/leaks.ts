// Is a row of data in what crossed? Compared by its values in their order, however they are written: CSV, JSON list, JSON object, tabs.
import type { Crossing } from './crossings.ts';

/** A row that was found outside. */
export interface Leak {
  readonly row: string;
  readonly via: string;
  readonly url: string;
  readonly direction: 'in' | 'out';
}

/** Values that a row must have: fewer would be found by chance. */
const LEAST_VALUES = 3;

interface Wanted {
  readonly row: string;
  /** Values behind the first one. */
  readonly rest: readonly string[];
}

/** Every crossing that holds a row. Throws `TypeError` for a row of fewer than three values. */
export function rowsIn(crossings: readonly Crossing[], rows: readonly string[]): Leak[] {
  const byFirst = new Map<string, Wanted[]>();
  for (const row of new Set(rows)) {
    const [first = '', ...rest] = valuesOf(row);
    if (rest.length + 1 < LEAST_VALUES)
      throw new TypeError(`"${row.slice(0, 80)}" has fewer than ${LEAST_VALUES} values; it would be found by chance.`);
    byFirst.set(first, [...(byFirst.get(first) ?? []), { row, rest }]);
  }
  return crossings.flatMap(({ via, url, direction, text, hidden }) => {
    // In addresses a value may stand behind the name of a parameter or of a folder.
    const apart = hidden === undefined ? [] : [hidden, hidden.replace(/\//g, ',')];
    const found = new Set([text, ...apart].flatMap((one) => foundIn(one, byFirst)));
    return [...found].map((row) => ({ row, via, url, direction }));
  });
}

function foundIn(text: string, byFirst: ReadonlyMap<string, readonly Wanted[]>): string[] {
  const values = valuesOf(text);
  const found = new Set<string>();
  values.forEach((value, at) => {
    for (const { row, rest } of byFirst.get(value) ?? [])
      if (!found.has(row) && rest.every((one, index) => values[at + 1 + index] === one)) found.add(row);
  });
  return [...found];
}

/** The values of a text in their order: no keys of objects, no quotes, no brackets; blanks part words; `75.0` is `75`. */
function valuesOf(text: string): string[] {
  return text
    .replace(/\\n|\\r|\\t/g, ',')
    .replace(/\\"/g, '"')
    .replace(/"[^"\n]{0,200}"\s*:/g, ',')
    .replace(/["'`]/g, '')
    .replace(/[;\s|=&[\]{}()<>]/g, ',')
    .replace(/(\d)\.0+(?=,|$)/g, '$1')
    .replace(/[.!?:]+(?=,|$)/g, '')
    .split(',')
    .filter((value) => value !== '');
}
