import type { Comparison } from '../../shared/contracts/http/training.ts';
import type { Command } from '../command.ts';
import { EXIT } from '../failure.ts';
import { heightAt, numberColumn, places, pointsOf, signed, significant } from '../figures.ts';
import type { Output } from '../output.ts';

/** Two trainings side by side: only what differs is listed. */
export const compare: Command = {
  name: 'compare',
  args: ['<run>', '<run>'],
  help: 'Compare two trainings: parameters, metrics, slices, data, curves',
  async run(context, [a = '', b = '']) {
    const { output } = context;
    const found = await (await context.api()).get<Comparison>(`/compare?${new URLSearchParams({ a, b }).toString()}`);
    output.field('a', sideWords(found.a));
    output.field('b', sideWords(found.b));
    output.field('data', found.data.words);
    output.field('model', modelWords(found));
    showParams(output, found);
    showMetrics(output, found);
    showSlices(output, found);
    for (const curve of found.curves) showCurve(output, curve);
    output.result(found);
    return EXIT.done;
  },
};

function sideWords({ runId, status, backend }: Comparison['a']): string {
  return `${runId}  ${status}${backend === null ? '' : ` on ${backend}`}`;
}

function modelWords({ a, b }: Comparison): string {
  const [left, right] = [a, b].map(({ modelDigest }) => modelDigest?.slice(0, 12) ?? 'none');
  return left === right ? `the same: ${left ?? ''}` : `${left ?? ''} and ${right ?? ''}`;
}

function showParams(output: Output, { params, equalParams }: Comparison): void {
  const equal = equalParams === 1 ? '1 parameter is equal' : `${equalParams} parameters are equal`;
  output.line();
  if (params.length === 0) {
    output.line(`  ${equal}, none differs`);
    return;
  }
  output.table(
    ['parameter', 'a', 'b'],
    params.map(({ name, a, b }) => [name, short(shown(a)), short(shown(b))]),
  );
  output.line(`  ${equal}`);
}

type Compared = Comparison['metrics'][number];

/** Metrics that differ, and how many do not. */
function showMetrics(output: Output, { metrics }: Comparison): void {
  const told = (side: 'a' | 'b'): number => metrics.filter((metric) => metric[side] !== null).length;
  if (told('a') === 0 || told('b') === 0) {
    const words = (side: 'a' | 'b'): string => `${side} ${told(side) === 0 ? 'left no metrics' : `left ${told(side)}`}`;
    output.line();
    output.line(`  ${words('a')}, ${words('b')}`);
    return;
  }
  const equal = metrics.filter(({ difference }) => difference === 0).length;
  const rows = metrics.filter(({ difference }) => difference !== 0);
  output.line();
  if (rows.length > 0)
    sideBySide(
      output,
      ['metric'],
      rows.map((metric) => ({ names: [metric.name], ...metric })),
    );
  output.line(`  ${equal === 1 ? '1 metric is equal' : `${equal} metrics are equal`}${rows.length === 0 ? ', none differs' : ''}`);
}

/** Each slice once, with its metrics beside it. Slices whose metrics are all equal are counted. */
function showSlices(output: Output, { slices }: Comparison): void {
  if (slices.length === 0) return;
  const only = (['a', 'b'] as const).find((side) => slices.every(({ metrics }) => metrics.every((metric) => metric[side] === null)));
  if (only !== undefined) {
    output.line();
    output.line(`  only ${only === 'a' ? 'b' : 'a'} has slices`);
    return;
  }
  const differing = slices.filter(({ metrics }) => metrics.some(({ difference }) => difference !== 0));
  const rows = differing.flatMap(({ name, rows: { a, b }, metrics }) =>
    metrics.map((metric, n) => ({
      names: n === 0 ? [name, a === b ? count(a) : `${count(a)}, ${count(b)}`, metric.name] : ['', '', metric.name],
      ...metric,
    })),
  );
  output.line();
  if (rows.length > 0) sideBySide(output, ['slice', 'rows', 'metric'], rows);
  const equal = slices.length - differing.length;
  if (equal > 0) output.line(`  ${equal === 1 ? '1 slice is' : `${equal} slices are`} equal in every metric`);
}

const count = (rows: number | null): string => (rows === null ? '-' : String(rows));

/** `a`, `b` and their difference, points one below the other. */
function sideBySide(output: Output, header: readonly string[], rows: readonly (Omit<Compared, 'name'> & { names: string[] })[]): void {
  const columns = [
    numberColumn(
      'a',
      rows.map(({ a }) => a),
    ),
    numberColumn(
      'b',
      rows.map(({ b }) => b),
    ),
    numberColumn(
      'b - a',
      rows.map(({ difference }) => difference),
      signed,
    ),
  ];
  output.table(
    [...header, ...columns.map((column) => column.header)],
    rows.map(({ names }, n) => [...names, ...columns.map(({ cells }) => cells[n] ?? '')]),
  );
}

/** A curve of both at a few places; all of their points are for machines. */
function showCurve(output: Output, { name, a, b }: Comparison['curves'][number]): void {
  const [left, right] = [pointsOf(a), pointsOf(b)];
  if (left.length === 0 || right.length === 0) {
    output.line(`  ${name}: only ${left.length === 0 ? 'b' : 'a'} has this curve`);
    return;
  }
  const at = places(name, [left, right]);
  const heights = [left, right].map((points) => at.map((x) => heightAt(points, x)));
  const difference = at.map((_, n) => {
    const [one, other] = heights.map((each) => each[n] ?? null);
    return one === null || one === undefined || other === null || other === undefined ? null : other - one;
  });
  const cell = (value: number | null): string => (value === null ? '-' : significant(Number(value.toPrecision(4))));
  output.line();
  output.table(
    [`${name} at`, ...at.map(significant)],
    [
      ['a', ...(heights[0] ?? []).map(cell)],
      ['b', ...(heights[1] ?? []).map(cell)],
      ['b - a', ...difference.map((value) => (value === null ? '-' : signed(Number(value.toFixed(6)))))],
    ],
  );
  output.line(`  all ${left.length} and ${right.length} points with --json`);
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'number' ? significant(value) : typeof value === 'string' ? value : JSON.stringify(value);
}

const short = (text: string): string => (text.length > 30 ? `${text.slice(0, 29)}…` : text);
