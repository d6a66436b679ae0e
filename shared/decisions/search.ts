// A search for better parameters: which trials there are, which was best, and when the rest is not worth its money.
// Our components report at their end, so a trial that has begun is never stopped for its numbers: what can be stopped are the rounds to come.
import type { Gate } from '../contracts/pipeline/gate.ts';
import type { Train } from '../contracts/pipeline/train.ts';
import type { SweepResult, Trial } from '../contracts/runs.ts';
import type { SearchSpace } from '../contracts/training.ts';
import { canonicalJson, sha256Hex } from './digest.ts';
import { stepsOf } from './train-spec.ts';

export type TrialParams = Trial['params'];
type Direction = SweepResult['direction'];

/** Draws of one trial that may fall on parameters which another one has already. */
const DRAWS = 20;
/** Rounds before a search may be stopped, and rounds in a row that have to disappoint. */
const FIRST_ROUNDS = 3;
const DISAPPOINTING = 2;

/**
 * The parameters of each trial, drawn by a seed: the same search has the same trials. No two are equal, so a small space may give
 * fewer than were asked for. `whole` names parameters that take whole numbers only.
 */
export function sampleTrials(space: SearchSpace, trials: number, seed: number, whole: readonly string[] = []): TrialParams[] {
  const drawn = new Map<string, TrialParams>();
  for (let trial = 0; trial < trials; trial += 1) {
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const params = drawOne(space, `${seed}/${trial}/${draw}`, whole);
      const key = canonicalJson(params);
      if (drawn.has(key)) continue;
      drawn.set(key, params);
      break;
    }
  }
  return [...drawn.values()];
}

/** Parameters of the space whose declared value is a whole number and whose bounds are: drawn as such. */
export function wholeParams(train: Train, space: SearchSpace): string[] {
  const declared = (name: string): unknown => {
    const [step, own] = name.split('.');
    if (own !== undefined) return train.steps?.find((one) => one.name === step)?.params[own];
    return train.params[name] ?? stepsOf(train).find((one) => Object.hasOwn(one.params, name))?.params[name];
  };
  return Object.entries(space).flatMap(([name, range]) => {
    const bounds = 'uniform' in range ? range.uniform : 'logUniform' in range ? range.logUniform : [];
    return bounds.length > 0 && bounds.every(Number.isInteger) && Number.isInteger(declared(name)) ? [name] : [];
  });
}

/** What is wrong with a space beyond its shape; an empty list when nothing is. */
export function spaceProblems(space: SearchSpace): { where: string; problem: string }[] {
  const entries = Object.entries(space);
  if (entries.length === 0) return [{ where: 'space', problem: 'name at least one parameter' }];
  return entries.flatMap(([where, range]) => {
    const [low, high] = 'uniform' in range ? range.uniform : 'logUniform' in range ? range.logUniform : [0, 1];
    return low < high ? [] : [{ where, problem: `the lower bound ${low} is not below the upper bound ${high}` }];
  });
}

/** The best of the trials that succeeded with a value; of equals, the first. */
export function bestTrial(trials: readonly Trial[], direction: Direction): { trial: number; params: TrialParams; metric: number } | null {
  let best: { trial: number; params: TrialParams; metric: number } | null = null;
  for (const { trial, params, metric, state } of trials) {
    if (state !== 'succeeded' || metric === null) continue;
    if (best === null || isBetter(metric, best.metric, direction)) best = { trial, params, metric };
  }
  return best;
}

/**
 * Why the trials that have not begun are not begun any more; null when they are. The median rule on rounds: after three rounds, a search
 * ends when two rounds in a row brought nothing better than the median of the bests before them. A search whose first round failed
 * altogether ends, too: the next would fail alike.
 */
export function stopReason(rounds: readonly (readonly Trial[])[], direction: Direction): string | null {
  const bests = rounds.map((round) => bestTrial(round, direction)?.metric ?? null);
  const tried = bests.filter((best) => best !== null);
  if (rounds.length > 0 && tried.length === 0) return 'no trial of the rounds so far succeeded';
  if (bests.length <= FIRST_ROUNDS || bests.length < DISAPPOINTING + 1) return null;
  const before = bests.slice(0, -DISAPPOINTING).filter((best) => best !== null);
  const bar = median(before);
  const disappointing = bests.slice(-DISAPPOINTING).every((best) => best === null || !isBetter(best, bar, direction));
  return disappointing ? `${DISAPPOINTING} rounds in a row brought nothing better than the median of those before (${shown(bar)})` : null;
}

/** What a search improves where it names no metric; null without a gate. */
export function metricOfGates(gates: readonly Gate[]): { metric: string; direction: Direction } | null {
  // The gate against the champion says best what is to be improved.
  const gate = gates.find((one) => 'notWorseThanChampionBy' in one) ?? gates[0];
  if (!gate) return null;
  if ('direction' in gate) return { metric: gate.metric, direction: gate.direction };
  return { metric: gate.metric, direction: 'atMost' in gate ? 'lower-is-better' : 'higher-is-better' };
}

function drawOne(space: SearchSpace, salt: string, whole: readonly string[]): TrialParams {
  return Object.fromEntries(
    Object.entries(space)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, range]) => [name, drawFrom(range, shareOf(`${salt}/${name}`), whole.includes(name))]),
  );
}

function drawFrom(range: SearchSpace[string], share: number, whole: boolean): number | string | boolean {
  if ('choice' in range) return range.choice[Math.floor(share * range.choice.length)] ?? range.choice[0] ?? 0;
  const [low, high] = 'uniform' in range ? range.uniform : range.logUniform;
  const value = 'uniform' in range ? low + share * (high - low) : Math.exp(Math.log(low) + share * (Math.log(high) - Math.log(low)));
  if (whole) return Math.min(high, Math.max(low, Math.round(value)));
  return Number(value.toPrecision(6));
}

/** Evenly spread over [0, 1), by the text alone. */
function shareOf(text: string): number {
  return parseInt(sha256Hex(text).slice(0, 12), 16) / 0x1000000000000;
}

function isBetter(value: number, than: number, direction: Direction): boolean {
  return direction === 'higher-is-better' ? value > than : value < than;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(6)));
}
