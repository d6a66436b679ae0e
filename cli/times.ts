// Times as people type and read them.
import { CommandError, EXIT } from './failure.ts';

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration such as `2h` in milliseconds; null for other texts. */
function durationMs(text: string): number | null {
  const [, count, unit] = /^([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** An instant that somebody typed: `2h` (that long before or after now), or a date with a time. */
export function instantOf(option: string, text: string, direction: 'ago' | 'ahead', now = Date.now()): string {
  const span = durationMs(text);
  const at = span === null ? Date.parse(text) : direction === 'ago' ? now - span : now + span;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new CommandError(EXIT.usage, `${option} ${text} is no time`, 'give a duration such as 2h, or a time such as 2026-11-23T06:00Z');
}

/** To the second, in UTC and saying so: it can be given back as `--since`. */
export function short(instant: string): string {
  return `${instant.slice(0, 19)}Z`;
}
