// Durations of the pipeline file (`30s`, `15m`, `2h`, `7d`) in seconds, and how the next poll waits.
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
