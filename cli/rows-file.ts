// Rows that an endpoint is asked about, from a file: JSON in the shapes that servers take, or CSV.
import { readFile } from 'node:fs/promises';
import { InputRow } from '../shared/contracts/rows.ts';
import { CommandError, EXIT } from './failure.ts';

/** Keys under which requests hold their rows: ours, Azure ML's, and that of SageMaker and KServe. */
const KEYS = ['rows', 'data', 'instances'] as const;
const SHAPES =
  'JSON like [[24, "RENT", null], …], [{"age": 24, "home": "RENT"}, …] or {"data": [[…]]}; or a CSV, with or without a line of names';
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/** Lists of values, or objects of values by column; fails with exit code 2 where the file holds anything else. */
export async function readRowsFile(file: string): Promise<InputRow[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${cause instanceof Error ? cause.message : 'no reason'}`);
  });
  const rows = file.toLowerCase().endsWith('.csv') ? await csvRows(text, file) : jsonRows(text, file);
  if (!Array.isArray(rows) || rows.length === 0) throw new CommandError(EXIT.usage, `${file} holds no rows`, `give ${SHAPES}`);
  return rows.map((row: unknown, index) => {
    const parsed = InputRow.safeParse(row);
    if (parsed.success) return parsed.data;
    throw new CommandError(
      EXIT.usage,
      `${file}, row ${index + 1} is no row: ${parsed.error.issues[0]?.message ?? 'unreadable'}`,
      `give ${SHAPES}`,
    );
  });
}

function jsonRows(text: string, file: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CommandError(EXIT.usage, `${file} is not JSON: ${cause instanceof Error ? cause.message : 'no reason'}`, `give ${SHAPES}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const key = KEYS.find((one) => Object.hasOwn(value, one));
  return key === undefined ? null : (value as Record<string, unknown>)[key];
}

/** Numbers, texts, and null for an empty field. A first line without any number above lines with some is a line of names. */
async function csvRows(text: string, file: string): Promise<unknown> {
  // Loaded here: no other command reads CSV.
  const { parse } = await import('csv-parse/sync');
  let lines: string[][];
  try {
    lines = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (cause) {
    throw new CommandError(EXIT.usage, `${file} is not CSV: ${cause instanceof Error ? cause.message : 'no reason'}`);
  }
  const [first = [], ...others] = lines;
  const isNames = first.every((cell) => cell !== '' && !NUMBER.test(cell)) && others.some((line) => line.some((cell) => NUMBER.test(cell)));
  if (!isNames) return lines.map((line) => line.map(cellOf));
  return others.map((line) => Object.fromEntries(first.map((name, place) => [name, cellOf(line[place] ?? '')])));
}

function cellOf(text: string): number | string | null {
  if (text === '') return null;
  return NUMBER.test(text) ? Number(text) : text;
}
