// How long a waiting story waits before it looks at its job again. Where an event will tell of the job's end the waits grow faster and longer:
// looking is then only the net below. A word that came early (the report lands before its job has ended) is followed by some quick looks.
import { nextWait } from './durations.ts';

/** How a story waits now; `alert`: so many quick looks are left after a word, then it waits as long as before. */
export interface Pace {
  waitSeconds: number;
  alert?: { looks: number; thenSeconds: number } | undefined;
}

export interface PaceLimits {
  firstSeconds: number;
  maxSeconds: number;
  /** Longest wait where an event will tell of the end. */
  maxHintedSeconds?: number | undefined;
}

/** With 5 s first and waits that grow by half: 100 s, in which a workflow whose last report has landed ends. */
const ALERT_LOOKS = 6;

/** The pace of the next wait; `woken` by a word about the job, or by the timer. */
export function nextPace(pace: Pace, woken: boolean, hinted: boolean, limits: PaceLimits): Pace {
  const max = hinted ? (limits.maxHintedSeconds ?? limits.maxSeconds) : limits.maxSeconds;
  const { waitSeconds, alert } = pace;
  // An alert of waits that do not get shorter would only be forgotten later.
  if (woken && limits.firstSeconds < (alert?.thenSeconds ?? waitSeconds)) {
    return { waitSeconds: limits.firstSeconds, alert: { looks: ALERT_LOOKS, thenSeconds: alert?.thenSeconds ?? waitSeconds } };
  }
  const longer = hinted && !alert ? Math.min(max, waitSeconds * 2) : nextWait(waitSeconds, max);
  if (!alert) return { waitSeconds: longer };
  if (alert.looks > 1 && longer < alert.thenSeconds) return { waitSeconds: longer, alert: { ...alert, looks: alert.looks - 1 } };
  return { waitSeconds: Math.min(max, Math.max(longer, alert.thenSeconds)) };
}
