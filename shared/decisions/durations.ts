// Durations of the pipeline file (`30s`, `15m`, `2h`, `7d`) in seconds, and how the next poll waits.
import { sha256Hex } from './digest.ts';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of a duration that the schema has accepted. */
export function durationSeconds(duration: string): number {
  const unit = duration.at(-1) as keyof typeof SECONDS;
  return Number(duration.slice(0, -1)) * SECONDS[unit];
}

/** Seconds until the next poll: half as long again each time, up to the maximum. */
export function nextWait(waitSeconds: number, maxSeconds: number): number {
  return Math.min(maxSeconds, waitSeconds * 1.5);
}

/**
 * A wait made longer by up to a fifth, so that jobs which were submitted together are not looked at together. The same seed and
 * poll give the same wait: replay keeps it.
 */
export function jittered(waitSeconds: number, seed: string, poll: number): number {
  const share = parseInt(sha256Hex(`${seed}/${poll}`).slice(0, 8), 16) / 0xffffffff;
  return waitSeconds * (1 + 0.2 * share);
}
