// The story of one search: the same gold with other parameters, round by round, or by the backend's own search where it has one. It registers
// nothing: what it found is in its record, and the best parameters are trained as a run of their own where that was asked for.
import type { OrchestrationContext, Task } from 'durable-functions';
import { stageTrainingData } from '../shared/contracts/activities/data.ts';
import { readPlan } from '../shared/contracts/activities/runs.ts';
import { checkSearch } from '../shared/contracts/activities/training.ts';
import type { SweepResult, Trial } from '../shared/contracts/runs.ts';
import { type Outcome, type ParamOverrides, SweepInput } from '../shared/contracts/stories.ts';
import { trainKey } from '../shared/decisions/identity.ts';
import { specDigestOf, withOverrides } from '../shared/decisions/train-spec.ts';
import { ActivityRejected, call, type Story } from './kit/call.ts';
import { heed, RunCancelled } from './kit/cancel.ts';
import { reserve, settling } from './kit/money.ts';
import { narrate, note, open, type Opened, tellOpened, transition } from './kit/run.ts';
import { searchByBackend } from './kit/search-of-backend.ts';
import { searchInRounds } from './kit/search-rounds.ts';
import { type Search, searchShown, showBegun, type ShownSearch } from './kit/search.ts';
import { now } from './kit/time.ts';
import { showRun } from './kit/tracking.ts';
import { chosenBackend, type Plan } from './kit/train-parts.ts';

type About = Pick<Search, 'input' | 'plan' | 'shown' | 'cancel'>;

export function* sweep(context: OrchestrationContext): Story<Outcome> {
  const input = SweepInput.parse(context.df.getInput());
  return yield* narrate(context, input, (cancel) => search(context, input, cancel));
}

function* search(context: OrchestrationContext, input: SweepInput, cancel: Task): Story<Outcome> {
  const { pipeline, contractDigest, overrides, gold } = input;
  const plan = yield* call(context, readPlan, { pipeline, contractDigest, ...(overrides === undefined ? {} : { overrides }) });
  const shown: ShownSearch = { parentRunId: null, misses: 0, startedAt: now(context), tags: { 'sluice.gold': gold.digest } };
  let found: SweepResult | null = null;
  try {
    found = yield* searched(context, { input, plan, shown, cancel });
    return yield* concluded(context, { input, plan, shown, cancel }, found);
  } catch (error) {
    const status = error instanceof RunCancelled ? 'cancelled' : 'failed';
    yield* showRun(context, input, plan.train, searchShown({ input, shown }, status, found));
    throw error;
  }
}

/** By the backend's own search where it has one, else by trials of ours; within what it may cost. */
function* searched(context: OrchestrationContext, about: About): Story<SweepResult> {
  const { input, plan, shown } = about;
  const { pipeline, contractDigest, overrides, gold } = input;
  const choice = yield* chosenBackend(context, plan, input);
  const { chosen: backend } = choice;
  shown.tags['sluice.backend'] = backend;
  yield* note(context, input, { phase: 'staging', choice });
  const staged = { path: gold.path, version: gold.version, digest: gold.digest };
  const { files } = yield* call(context, stageTrainingData, { pipeline, contractDigest, gold: staged });
  const asked = { pipeline, contractDigest, ...(overrides === undefined ? {} : { overrides }), backend };
  const { own } = yield* call(context, checkSearch, asked);
  // The deadline is of the whole search where the backend searches, and of each trial where we do.
  const purse = yield* reserve(context, input, plan.train, own ? Math.min(input.parallel, input.trials) : input.trials);
  yield* showBegun(context, about);
  return yield* settling(context, input, purse, function* () {
    const one: Search = { ...about, backend, files, purse };
    return (own ? yield* searchByBackend(context, one) : null) ?? (yield* searchInRounds(context, one));
  });
}

/** What a search came to: its best, trained as a run of its own where that was asked for. */
function* concluded(context: OrchestrationContext, about: About, found: SweepResult): Story<Outcome> {
  const { input, plan, cancel } = about;
  const { runId } = input;
  const { best } = found;
  if (!best) {
    const [first] = found.trials.filter(({ reason }) => reason !== null);
    const message = `No trial succeeded with a metric "${input.metric}". The first said: ${first?.reason ?? 'nothing'}`;
    throw new ActivityRejected({ code: 'search-empty', message });
  }
  heed(cancel, 'when the search was done; nothing was trained on its best parameters');
  const training = input.train ? yield* openBest(context, input, plan, best.params) : null;
  const next = training ? [training.runId] : [];
  yield* showRun(context, input, plan.train, searchShown(about, 'succeeded', found));
  yield* note(context, input, { phase: 'searched', status: 'succeeded', swept: found, next, finishedAt: now(context) });
  yield* transition(context, input, 'run.succeeded', { metric: input.metric, value: best.metric, trial: best.trial });
  if (training) yield* tellOpened(context, training);
  return { status: 'succeeded', runId, note: `trial ${best.trial} has the best ${input.metric}: ${best.metric}` };
}

/** The best parameters as a training of its own: it leaves a model, and its gates judge it like any other. */
function* openBest(context: OrchestrationContext, input: SweepInput, plan: Plan, params: Trial['params']): Story<Opened> {
  const { pipeline, contractDigest, policy, gold, runId } = input;
  const overrides: ParamOverrides = { ...input.overrides, ...params };
  const best = withOverrides(plan.train, params);
  if (!best.ok)
    throw new ActivityRejected({
      code: 'param-refused',
      message: best.problems.map(({ where, problem }) => `${where}: ${problem}`).join('; '),
    });
  const specDigest = specDigestOf(best.train, plan.images);
  const key = trainKey({ pipeline, goldDigest: gold.digest, specDigest });
  const story = { pipeline, contractDigest, policy, gold, specDigest, overrides };
  return yield* open(context, 'train', { pipeline, contractDigest, key, cause: { kind: 'run', ref: runId }, input: story });
}
