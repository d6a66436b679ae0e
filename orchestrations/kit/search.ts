// What the two ways of a search share: what it is about, its result so far, and its trials in the experiment.
import type { OrchestrationContext, Task } from 'durable-functions';
import type { BackendName } from '../../shared/contracts/pipeline/train.ts';
import type { SweepResult, Trial } from '../../shared/contracts/runs.ts';
import type { SweepInput } from '../../shared/contracts/stories.ts';
import type { StagedFile } from '../../shared/contracts/tables.ts';
import { costOf } from '../../shared/decisions/budget.ts';
import { bestTrial } from '../../shared/decisions/search.ts';
import type { Story } from './call.ts';
import type { Purse } from './money.ts';
import { showRun, showTrials, type RunShown, type TrialShown } from './tracking.ts';
import type { Plan } from './train-parts.ts';

/** A workspace that stays away must not slow a search down, round after round. */
const MAX_MISSES = 2;

export interface Search {
  input: SweepInput;
  plan: Plan;
  backend: BackendName;
  files: StagedFile[];
  purse: Purse | null;
  cancel: Task;
  shown: ShownSearch;
}

/** The search in the experiment that the pipeline names; `parentRunId` is null until it is there. */
export interface ShownSearch {
  parentRunId: string | null;
  /** How often it could not be shown. */
  misses: number;
  startedAt: string;
  tags: Record<string, string>;
}

export function resultOf(input: SweepInput, trials: readonly Trial[], searchedBy: SweepResult['searchedBy']): SweepResult {
  const { gold, metric, direction, seed } = input;
  const where = { goldTable: gold.table, goldVersion: gold.version, goldDigest: gold.digest };
  // A copy: what the engine was asked for is compared at each replay, and the trials go on changing.
  const kept = trials.map((trial) => ({ ...trial }));
  return { ...where, metric, direction, seed, searchedBy, trials: kept, best: bestTrial(kept, direction) };
}

/** Counts work in the purse; `atOnce` machines worked for so many seconds. */
export function spend(purse: Purse | null, seconds: number, atOnce = 1): void {
  if (purse) purse.spent = Number((purse.spent + atOnce * costOf(seconds, purse.budget.costPerHour)).toFixed(6));
}

/** What the experiment is told of the search itself. */
export function searchShown(
  { input, shown }: Pick<Search, 'input' | 'shown'>,
  status: RunShown['status'],
  found: SweepResult | null,
): RunShown {
  const { space, metric, trials, seed } = input;
  const { best } = found ?? { best: null };
  const { startedAt } = shown;
  const tags = {
    ...shown.tags,
    'sluice.search': `${trials} trials of ${Object.keys(space).join(', ')} for ${metric}, seed ${seed}`,
    ...(best ? { 'sluice.best': `trial ${best.trial}` } : {}),
  };
  return { status, startedAt, metrics: best ? { [metric]: best.metric } : {}, tags, varied: Object.keys(space) };
}

/** Shows that a search works, so that trials can be shown below it. */
export function* showBegun(context: OrchestrationContext, about: Pick<Search, 'input' | 'plan' | 'shown'>): Story<void> {
  const { input, plan, shown } = about;
  shown.parentRunId ??= yield* showRun(context, input, plan.train, searchShown(about, 'running', null));
  if (shown.parentRunId === null) shown.misses += 1;
}

/** Shows ended trials below the search. One that could not be shown at first is tried again with every round. */
export function* showEnded(context: OrchestrationContext, one: Search, trials: readonly TrialShown[]): Story<void> {
  const { input, plan, shown } = one;
  if (!plan.train.mlflow || trials.length === 0 || shown.misses >= MAX_MISSES) return;
  yield* showBegun(context, one);
  yield* showTrials(context, input, plan.train, { parentRunId: shown.parentRunId, tags: shown.tags }, trials);
}

/** When a trial began to work, as far as that is known: what it worked for before it was seen to have ended. */
export function beganAt(endedAt: string, executionSeconds: number | null): string {
  return new Date(Date.parse(endedAt) - (executionSeconds ?? 0) * 1000).toISOString();
}
