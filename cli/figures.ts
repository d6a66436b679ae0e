// Numbers as columns of text, sentences that fit a terminal, and a curve as a few of its values.

/** Lines of tables stay below this many characters, so that they can be read in a terminal and pasted into a mail. */
export const LINE = 98;

/** Texts of numbers with their points one below the other; `-` where there is none. */
export function inColumn(values: readonly (number | null)[], text: (value: number) => string = significant): string[] {
  const parts = values.map((value) => (value === null ? '-' : text(value)).split('.'));
  const whole = Math.max(0, ...parts.map(([before = '']) => before.length));
  const fraction = Math.max(0, ...parts.map(([, after]) => (after === undefined ? 0 : after.length + 1)));
  return parts.map(([before = '', after]) => before.padStart(whole) + (after === undefined ? '' : `.${after}`).padEnd(fraction));
}

/** A column of numbers with its name, both at the right of it. */
export interface NumberColumn {
  header: string;
  cells: string[];
}

export function numberColumn(name: string, values: readonly (number | null)[], text?: (value: number) => string): NumberColumn {
  const cells = inColumn(values, text);
  const width = Math.max(name.length, ...cells.map(({ length }) => length));
  return { header: name.padStart(width), cells: cells.map((cell) => cell.padStart(width)) };
}

/** One way of writing for a whole column: counts without a point, the rest with four decimals, or with the digits that count where those say nothing. */
export function alike(values: readonly (number | null)[]): (value: number) => string {
  const there = values.filter((value) => value !== null);
  if (there.every(Number.isInteger)) return String;
  return there.some((value) => value !== 0 && Math.abs(value) < 0.001) ? significant : (value) => value.toFixed(4);
}

/** Four decimals, or six digits of what is below one; no trailing zeros. */
export const significant = (value: number): string => String(Number(Math.abs(value) >= 1 ? value.toFixed(4) : value.toPrecision(6)));

/** With its sign, four digits. */
export const signed = (value: number): string => `${value > 0 ? '+' : ''}${Number(value.toPrecision(4))}`;

/** Words in lines of at most this many characters; a longer word stands alone. */
export function wrapped(text: string, length: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= length) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export type Point = readonly [number, number];

/** The points of a plot that are pairs of finite numbers. */
export function pointsOf(value: unknown): Point[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((point: unknown) => {
    const [x, y] = Array.isArray(point) ? (point as unknown[]) : [];
    return typeof x === 'number' && typeof y === 'number' && Number.isFinite(x) && Number.isFinite(y) ? [[x, y] as const] : [];
  });
}

/** The height of a curve at `x`, between its points by a straight line; null outside of it. Points come in the order of x. */
export function heightAt(points: readonly Point[], x: number): number | null {
  const next = points.findIndex(([at]) => at > x);
  const before = points[next === -1 ? points.length - 1 : next - 1];
  if (!before || before[0] > x) return null;
  const after = points[next];
  if (before[0] === x) return before[1];
  if (!after) return null;
  return before[1] + ((after[1] - before[1]) * (x - before[0])) / (after[0] - before[0]);
}

/** Where false alarms cost something: a ROC curve is told apart at its left. */
const RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/** A few places at which curves are looked at: rates of a ROC curve, else every so many points of the longest. */
export function places(name: string, curves: readonly (readonly Point[])[], most = 8): number[] {
  if (/roc/i.test(name)) return RATES;
  const longest = curves.reduce((a, b) => (b.length > a.length ? b : a), []);
  const count = Math.min(most, longest.length);
  const step = count > 1 ? (longest.length - 1) / (count - 1) : 0;
  return [...new Set(Array.from({ length: count }, (_, index) => longest[Math.round(index * step)]?.[0] ?? 0))];
}
