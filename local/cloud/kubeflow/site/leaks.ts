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

/** Every crossing that holds a row. Throws `TypeError` for a row of fewer than three values. */
export function rowsIn(crossings: readonly Crossing[], rows: readonly string[]): Leak[] {
  const wanted = rows.map((row) => ({ row, values: normal(row).replace(/^,+|,+$/g, '') }));
  const short = wanted.find(({ values }) => values.split(',').length < LEAST_VALUES);
  if (short) throw new TypeError(`"${short.row.slice(0, 80)}" has fewer than ${LEAST_VALUES} values; it would be found by chance.`);
  return crossings.flatMap(({ via, url, direction, text }) => {
    const normalised = `,${normal(text)},`;
    return wanted.filter(({ values }) => normalised.includes(`,${values},`)).map(({ row }) => ({ row, via, url, direction }));
  });
}

/** Values with one comma between them: no keys of objects, no quotes, brackets, spaces; `75.0` is `75`. */
function normal(text: string): string {
  return text
    .replace(/\\n|\\r|\\t/g, ',')
    .replace(/\\"/g, '"')
    .replace(/"[^"\n]{0,200}"\s*:/g, ',')
    .replace(/[;\t\r\n|[\]{}()]/g, ',')
    .replace(/["'\s]/g, '')
    .replace(/(\d)\.0+(?=,|$)/g, '$1')
    .replace(/,{2,}/g, ',');
}
