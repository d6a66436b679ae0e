// What of the freezes and breakers concerns somebody now.
import type { Breaker, Freeze } from '../contracts/guards.ts';

/** A freeze whose time is over holds nothing back, also when nobody has ended it. */
export function holdsNow(freeze: Freeze, now: string): boolean {
  return freeze.until === null || Date.parse(freeze.until) > Date.parse(now);
}

/** The freezes that hold, and the open breakers; of some pipelines, or of all of them (null). */
export function holding<Counts extends Pick<Breaker, 'pipeline' | 'state'>>(
  guards: { freezes: readonly Freeze[]; breakers: readonly Counts[] },
  pipelines: ReadonlySet<string> | null,
  now: string,
): { freezes: Freeze[]; breakers: Counts[] } {
  const concerns = (pipeline: string | null): boolean => pipeline === null || pipelines === null || pipelines.has(pipeline);
  return {
    freezes: guards.freezes.filter((freeze) => concerns(freeze.pipeline) && holdsNow(freeze, now)),
    breakers: guards.breakers.filter((breaker) => breaker.state === 'open' && concerns(breaker.pipeline)),
  };
}
