// Whether anything may start at all: freezes, the breaker, and clocks that are wrong.
import type { CausalChain, Verdict } from '../contracts/events.ts';
import type { Breaker, Freeze } from '../contracts/guards.ts';
import { breakerVerdict } from './breaker.ts';
import { loopVerdict } from './causal-chain.ts';

/** Clocks of cloud services agree within seconds; a time further ahead is wrong or forged. */
const MAX_AHEAD_SECONDS = 300;

/** What stands around every event of a pipeline. */
export interface Guards {
  freezes: readonly Freeze[];
  breaker: Breaker | null;
  /** ISO instant. */
  now: string;
}

/** The verdict of what holds an event of this pipeline back; null when it may start. */
export function heldBack(pipeline: string, chain: CausalChain, guards: Guards): Verdict | null {
  return loopVerdict(chain, pipeline) ?? frozenVerdict(pipeline, guards) ?? breakerVerdict(guards.breaker);
}

export function frozenVerdict(pipeline: string, { freezes, now }: Pick<Guards, 'freezes' | 'now'>): Verdict | null {
  const holds = freezes.filter(
    (freeze) =>
      (freeze.pipeline === null || freeze.pipeline === pipeline) && (freeze.until === null || Date.parse(freeze.until) > Date.parse(now)),
  );
  // The one that concerns all is the one to name: ending the other would change nothing.
  const freeze = holds.find((one) => one.pipeline === null) ?? holds[0];
  if (!freeze) return null;
  const what = freeze.pipeline ?? 'the platform';
  const until = freeze.until === null ? 'until somebody ends it' : `until ${freeze.until}`;
  const evidence = { by: freeze.by, since: freeze.since, until: freeze.until, pipeline: freeze.pipeline };
  if (freeze.kind === 'maintenance') {
    const reason = `Maintenance of ${what} by ${freeze.by} ${until}: ${freeze.reason}. Replay the event afterwards`;
    return { kind: 'refused', rule: 'maintenance', reason: reason.slice(0, 2000), evidence };
  }
  const reason = `${freeze.by} froze ${what} ${until}: ${freeze.reason}. Replay the event afterwards`;
  return { kind: 'refused', rule: 'frozen', reason: reason.slice(0, 2000), evidence };
}

/** Refuses an event that says it will happen. */
export function clockVerdict(time: string, now: string): Verdict | null {
  const ahead = Math.round((Date.parse(time) - Date.parse(now)) / 1000);
  if (ahead <= MAX_AHEAD_SECONDS) return null;
  return {
    kind: 'refused',
    rule: 'future-clock',
    reason: `The event is dated ${time}, ${ahead} s from now; at most ${MAX_AHEAD_SECONDS} s of difference between clocks are taken`,
    evidence: { time, now, aheadSeconds: ahead, allowedSeconds: MAX_AHEAD_SECONDS },
  };
}
