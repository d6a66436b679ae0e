// What the components of a training said, for people: tables, slices, curves as data, and where the pictures are.
import type { z } from 'zod';
import type { ReportView, RunReports } from '../shared/contracts/http/training.ts';
import { type Placement, placementWords } from '../shared/contracts/training.ts';
import { alike, heightAt, LINE, type NumberColumn, numberColumn, places, pointsOf, significant, wrapped } from './figures.ts';
import type { Output } from './output.ts';

/** Where the value of a field begins. */
const INDENT = 17;

type Reports = z.infer<typeof RunReports>;
type Plot = ReportView['plots'][number];

/** Tables and curves of the report, its slices, and the files that the training keeps. */
export function showReport(output: Output, runId: string, { report, files }: Reports): void {
  for (const plot of report?.plots ?? []) {
    if (plot.kind === 'table') showTable(output, plot);
    else if (plot.kind === 'line') showCurve(output, plot);
  }
  if (report) showSlices(output, report);
  if (files.length === 0) return;
  output.line();
  for (const { path } of files) output.field('file', path);
  output.field('', `fetch them with: sluice runs files ${runId} --out DIR`);
}

/** A plot of kind `table`: names of columns, and rows of texts and numbers. */
function showTable(output: Output, plot: Plot): void {
  const { columns: names, rows } = plot;
  if (!Array.isArray(names) || !Array.isArray(rows)) return;
  const lines = rows.filter((row): row is unknown[] => Array.isArray(row));
  const columns = names.map((name, place) => {
    const values = lines.map((row) => row[place]);
    if (!values.some((value) => typeof value === 'number')) return { header: textOf(name), cells: values.map(textOf) };
    const numbers = values.map((value) => (typeof value === 'number' ? value : null));
    const { header, cells } = numberColumn(textOf(name), numbers, alike(numbers));
    return { header, cells: cells.map((cell, n) => (numbers[n] === null ? '' : cell)) };
  });
  output.line();
  showColumns(output, columns);
}

function showColumns(output: Output, columns: readonly NumberColumn[]): void {
  const count = Math.max(0, ...columns.map(({ cells }) => cells.length));
  output.table(
    columns.map(({ header }) => header),
    Array.from({ length: count }, (_, n) => columns.map(({ cells }) => cells[n] ?? '')),
  );
}

const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

function showCurve(output: Output, plot: Plot): void {
  const points = pointsOf(plot['points']);
  if (points.length < 2) return;
  const at = places(plot.name, [points]);
  const heights = at.map((x) => heightAt(points, x));
  output.line();
  output.table(
    [`${plot.name}: ${plot.x ?? 'x'}`, ...at.map(significant)],
    [[plot.y ?? 'y', ...heights.map((y) => (y === null ? '-' : significant(Number(y.toPrecision(4)))))]],
  );
  output.line(`  all ${points.length} points with --json`);
}

/** One line for each slice, a column for each metric that any of them has. */
function showSlices(output: Output, { slices }: ReportView): void {
  if (slices.length === 0) return;
  const names = [...new Set(slices.flatMap(({ metrics }) => Object.keys(metrics)))];
  const of = (metrics: Readonly<Record<string, number>>, name: string): number | null =>
    Object.hasOwn(metrics, name) ? (metrics[name] ?? null) : null;
  output.line();
  showColumns(output, [
    { header: 'slice', cells: slices.map(({ name }) => name) },
    numberColumn(
      'rows',
      slices.map(({ n }) => n),
    ),
    ...names.map((name) => {
      const values = slices.map(({ metrics }) => of(metrics, name));
      return numberColumn(name, values, alike(values));
    }),
  ]);
}

/** Metrics with their points one below the other. */
export function showMetrics(output: Output, metrics: Readonly<Record<string, number>>): void {
  showColumns(output, [{ header: 'metric', cells: Object.keys(metrics) }, numberColumn('value', Object.values(metrics))]);
}

/** A table whose last column is a sentence: it goes on below where it is long. */
export function showSentences(output: Output, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const before = header.slice(0, -1).map((name, place) => Math.max(name.length, ...rows.map((row) => plain(row[place] ?? '').length)));
  const room = Math.max(30, LINE - before.reduce((sum, length) => sum + length + 2, 2));
  output.table(
    header,
    rows.flatMap((row) =>
      wrapped(row.at(-1) ?? '', room).map((line, n) =>
        n === 0 ? [...row.slice(0, -1), line] : [...header.slice(0, -1).map(() => ''), line],
      ),
    ),
  );
}

/** A sentence beside its name, going on below where it is long. */
export function sentenceField(output: Output, name: string, text: string): void {
  for (const [n, line] of wrapped(text, LINE - INDENT).entries()) output.field(n === 0 ? name : '', line);
}

/** Without colours. */
const plain = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');

/** Steps by the machine that they ran on: a graph has many steps and few machines. */
export function showMachines(output: Output, placements: readonly Placement[]): void {
  const groups = new Map<string, Placement[]>();
  for (const one of placements) {
    const key = placementWords({ ...one, step: '' });
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  for (const group of groups.values()) {
    const [first] = group;
    if (!first) continue;
    if (group.length === 1) {
      output.field('machine', placementWords(first));
      continue;
    }
    output.field('machine', placementWords({ ...first, step: `${group.length} steps` }));
    sentenceField(output, '', group.map(({ step }) => step).join(', '));
  }
}
