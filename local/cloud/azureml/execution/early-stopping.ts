// Median stopping, as the service's documentation says it: at interval N a trial ends when its best value so far is worse than the median
// of the running averages over intervals 1 to N of all trials. Each logged primary metric is one interval.
export type Goal = 'Minimize' | 'Maximize';

/** When the policy looks. */
export interface Policy {
  /** Every so many intervals; default 1. */
  readonly evaluationInterval: number;
  /** Not before so many intervals; default 0. */
  readonly delayEvaluation: number;
}

/** Whether a trial with these values ends now; `all` are the values of all trials, its own among them. */
export function stopsNow(goal: Goal, policy: Policy, own: readonly number[], all: readonly (readonly number[])[]): boolean {
  const intervals = own.length;
  if (intervals === 0 || intervals < policy.delayEvaluation || intervals % Math.max(1, policy.evaluationInterval) !== 0) return false;
  const averages = all.filter((values) => values.length > 0).map((values) => average(values.slice(0, intervals)));
  if (averages.length < 2) return false; // nothing to compare with
  const middle = median(averages);
  return goal === 'Maximize' ? bestOf(goal, own) < middle : bestOf(goal, own) > middle;
}

/** The best of the values; NaN is never the best. */
export function bestOf(goal: Goal, values: readonly number[]): number {
  const real = values.filter((value) => !Number.isNaN(value));
  if (real.length === 0) return goal === 'Maximize' ? -Infinity : Infinity;
  return goal === 'Maximize' ? Math.max(...real) : Math.min(...real);
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2;
}
