// The decisions of training: what it is made of, where it goes, whose turn it is, what it may cost, when it is given up.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Train } from '../../../shared/contracts/pipeline/train.ts';
import type { JobBudget } from '../../../shared/contracts/stories.ts';
import type { JobState } from '../../../shared/contracts/training.ts';
import { EMPTY_BOOK, limitOf, reserveIn, settleIn, takenIn, topUpIn } from '../../../shared/decisions/budget.ts';
import { chooseBackend } from '../../../shared/decisions/choose-backend.ts';
import { digestOf } from '../../../shared/decisions/digest.ts';
import { jittered } from '../../../shared/decisions/durations.ts';
import { trialJobName, waiterOf } from '../../../shared/decisions/identity.ts';
import { graphProblem } from '../../../shared/decisions/job-graph.ts';
import { isBudgetLow, type JobWatch, limitReached, secondsToLimit } from '../../../shared/decisions/job-limits.ts';
import { componentsOf, specDigestOf, withOverrides } from '../../../shared/decisions/train-spec.ts';
import { trainingExports, trainingSteps } from '../../../shared/decisions/training-plan.ts';
import { leaveTurn, NO_TURNS, takeTurn, type TurnRequest, type Turns } from '../../../shared/decisions/training-turn.ts';

const image = (name: string): string => `sluice/${name}@sha256:${digestOf(name)}`;
const IMAGES = { fit: image('fit'), split: image('split') };
const single = (more: object = {}): Train =>
  Train.parse({ backend: ['kubeflow'], component: 'fit', params: { alpha: 0.03, layers: [64], name: 'a', fast: true }, ...more });
const graph = (more: object = {}): Train =>
  Train.parse({
    backend: ['kubeflow'],
    params: { seed: 1 },
    steps: [
      { name: 'one', component: 'split', inputs: { gold: 'gold' }, params: { share: 0.2, depth: 3 } },
      { name: 'two', component: 'fit', inputs: { rows: 'one' }, params: { depth: 5 } },
    ],
    ...more,
  });

describe('a training specification', () => {
  test('of one component keeps the digest that runs before this had', () => {
    expect(specDigestOf(single({ cpu: 2, memoryGiB: 4 }), IMAGES)).toBe(digestOf(['spec', 'fit', IMAGES.fit, single().params, 2, 4]));
  });

  test.each([
    ['deadline', { deadline: '9h' }],
    ['backend', { backend: ['azureml'] }],
    ['budget', { budget: { costPerHour: 1, perRun: 1 } }],
    ['kept files', { keep: ['roc.png'] }],
    ['experiment', { mlflow: { experiment: 'x' } }],
  ])('is the same whatever the %s', (_what, more) => {
    expect(specDigestOf(single(more), IMAGES)).toBe(specDigestOf(single(), IMAGES));
  });

  test('of a graph changes with everything that changes the model, and with nothing else', () => {
    const base = specDigestOf(graph(), IMAGES);
    const steps = graph().steps ?? [];
    const changed = (index: number, more: object): string =>
      specDigestOf(graph({ steps: steps.map((step, at) => (at === index ? { ...step, ...more } : step)) }), IMAGES);

    const others = [
      changed(0, { params: { share: 0.3, depth: 3 } }),
      changed(0, { component: 'fit' }),
      changed(0, { memoryGiB: 8 }),
      changed(1, { inputs: { rows: 'gold' } }),
      changed(1, { name: 'three' }),
      specDigestOf(graph({ params: { seed: 2 } }), IMAGES),
      specDigestOf(graph({ result: 'one' }), IMAGES),
      specDigestOf(graph(), { ...IMAGES, split: image('other') }),
    ];

    expect(new Set([base, ...others]).size).toBe(others.length + 1);
    expect(changed(0, { keep: ['rows.csv'] })).toBe(base);
    expect(componentsOf(graph())).toEqual(['split', 'fit']);
  });

  test('needs an image for every component', () => {
    expect(() => specDigestOf(graph(), { fit: IMAGES.fit })).toThrow(/no image for component "split"/);
    expect(() => specDigestOf(single({ component: 'constructor' }), IMAGES)).toThrow(/no image for component "constructor"/);
  });
});

describe('other parameters', () => {
  const paramsWith = (train: Train, overrides: Record<string, never> | object) => {
    const result = withOverrides(train, overrides as Parameters<typeof withOverrides>[1]);
    return result.ok ? result.train : result.problems;
  };

  test('replace what is declared, and leave the pipeline’s own as they are', () => {
    const train = single();

    expect(paramsWith(train, { alpha: 1, layers: [8, 8] })).toMatchObject({ params: { alpha: 1, layers: [8, 8], name: 'a', fast: true } });
    expect(train.params).toMatchObject({ alpha: 0.03 });
  });

  test('of a step are named with it, unless one step alone declares them', () => {
    expect(paramsWith(graph(), { share: 0.5, 'two.depth': 9 })).toMatchObject({
      steps: [{ params: { share: 0.5, depth: 3 } }, { params: { depth: 9 } }],
    });
    expect(paramsWith(graph(), { depth: 1 })).toEqual([
      { where: 'depth', problem: '2 steps declare this parameter', mend: 'say which: one.depth or two.depth' },
    ]);
  });

  test.each([
    [{ alhpa: 1 }, 'the pipeline declares no such parameter', 'did you mean "alpha"?'],
    [{ 'one.share': 1 }, 'the pipeline declares no such parameter', 'known here: alpha, layers, name, fast'],
    [{ alpha: 'high' }, 'expected a number as in sluice.yaml, found a string', 'it is 0.03 there'],
    [{ fast: 1 }, 'expected a boolean as in sluice.yaml, found a number', 'it is true there'],
    [{ layers: 8 }, 'expected a list of numbers as in sluice.yaml, found a number', 'it is [64] there'],
    [{ constructor: 1 }, 'the pipeline declares no such parameter', 'known here: alpha, layers, name, fast'],
  ])('that do not fit are refused with a mend: %j', (overrides, problem, mend) => {
    expect(paramsWith(single(), overrides)).toEqual([{ where: Object.keys(overrides)[0], problem, mend }]);
  });
});

test('every training is a graph that can run, and its report is exported last', () => {
  for (const train of [single({ keep: ['roc.png', 'roc.png'] }), graph(), graph({ result: 'one' })]) {
    const steps = trainingSteps({ images: IMAGES }, train);
    const exports = trainingExports('runs/x', train);
    const urls = exports.map((one) => ({ ...one, url: '', readUrl: '' }));
    const parameters = Object.fromEntries(
      steps.flatMap(({ args }) => args.flatMap((one) => (typeof one === 'object' && 'parameter' in one ? [[one.parameter, '{}']] : []))),
    );

    expect(graphProblem({ steps, parameters, inputs: { gold: [] }, exports: urls })).toBeNull();
    expect(new Set(exports.map(({ storePath }) => storePath)).size).toBe(exports.length);
    expect(exports.at(-1)).toMatchObject({ file: 'run-report.json', storePath: 'runs/x/run-report.json', optional: false });
  }
});

describe('the choice of a backend', () => {
  test('is the first that lacks nothing, whatever comes after it', () => {
    const checks = fc.array(
      fc.record({ backend: fc.constantFrom('kubeflow' as const, 'azureml' as const), missing: fc.option(fc.string({ minLength: 1 })) }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(checks, (list) => {
        const first = list.findIndex(({ missing }) => missing === null);
        const choice = chooseBackend(list);
        expect(choice.kind).toBe(first < 0 ? 'none' : 'chosen');
        if (choice.kind === 'chosen')
          expect(choice.choice).toMatchObject({ chosen: list[first]?.backend, passedOver: list.slice(0, first) });
      }),
    );
  });
});

describe('turns', () => {
  const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();
  const ask = (runId: string, minute: number, more: Partial<TurnRequest> = {}): TurnRequest => ({
    runId,
    goldVersion: 1,
    givesWay: false,
    now: at(minute),
    holdUntil: at(minute + 600),
    waitUntil: at(minute + 30),
    ...more,
  });

  /** Runs that come and look again and leave in any order: who holds, and in which order turns were granted. */
  test('at most one holds, every one that goes on asking gets its turn, in the order of coming', () => {
    const moves = fc.array(fc.record({ run: fc.integer({ min: 0, max: 5 }), leaves: fc.boolean() }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(moves, (all) => {
        let turns: Turns = NO_TURNS;
        const came: string[] = [];
        const granted: string[] = [];
        let holder: string | null = null;
        for (const { run, leaves } of all) {
          const runId = `run-${run}`;
          if (leaves && holder === runId) {
            turns = leaveTurn(turns, runId);
            holder = null;
          } else if (!granted.includes(runId)) {
            if (!came.includes(runId)) came.push(runId);
            const result = takeTurn(turns, ask(runId, 0));
            turns = result.turns;
            if (result.answer.kind === 'granted') {
              expect(holder).toBeNull();
              holder = runId;
              granted.push(runId);
            }
          }
        }
        expect(granted).toEqual(came.slice(0, granted.length));
      }),
    );
  });

  test('a look that is repeated by a replay gets the same answer', () => {
    const first = takeTurn(NO_TURNS, ask('a', 0));
    const again = takeTurn(first.turns, ask('a', 0));

    expect(again).toEqual(first);
  });

  test('a place is lost when nobody looks after it, and kept when somebody does', () => {
    let { turns } = takeTurn(NO_TURNS, ask('a', 0));
    turns = takeTurn(turns, ask('b', 1)).turns;
    turns = takeTurn(turns, ask('c', 2)).turns;
    turns = takeTurn(turns, ask('c', 25)).turns;
    turns = leaveTurn(turns, 'a');

    expect(takeTurn(turns, ask('c', 28)).answer).toEqual({ kind: 'wait', holder: 'b', ahead: 1 });
    expect(takeTurn(turns, ask('c', 40)).answer).toEqual({ kind: 'granted' });
  });

  test('of those that give way, the newest gold alone is left, whatever the order of coming and looking', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 2 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
        (versions, order) => {
          let { turns } = takeTurn(NO_TURNS, ask('other', 0));
          const waiting = new Map(versions.map((version) => [`gold-${version}`, version]));
          for (const [runId, goldVersion] of waiting) turns = takeTurn(turns, ask(runId, 1, { goldVersion, givesWay: true })).turns;
          const stays = new Set(waiting.keys());
          for (let look = 0; look < 40; look += 1) {
            const runId = [...waiting.keys()][order.next().value % waiting.size] ?? '';
            if (!stays.has(runId)) continue;
            const result = takeTurn(turns, ask(runId, 2, { goldVersion: waiting.get(runId) ?? 0, givesWay: true }));
            turns = result.turns;
            if (result.answer.kind === 'give-way') stays.delete(runId);
          }
          expect(stays.has(`gold-${Math.max(...versions)}`)).toBe(true);
          expect([...stays].filter((runId) => turns.waiting.some((waiter) => waiter.runId === runId && waiter.to === null))).toEqual([
            `gold-${Math.max(...versions)}`,
          ]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('money', () => {
  const asking = (holder: string, amount: number) => ({ holder, amount, perMonth: 100, at: '2026-01-01T00:00:00.000Z' });

  test('is never promised twice, whatever is reserved, topped up and settled', () => {
    const step = fc.record({
      run: fc.integer({ min: 0, max: 8 }),
      amount: fc.integer({ min: 1, max: 60 }),
      does: fc.constantFrom('reserve', 'settle'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let book = EMPTY_BOOK;
        for (const { run, amount, does } of steps) {
          const holder = `run-${run}`;
          if (does === 'settle') {
            const held = book.reservations.find((one) => one.holder === holder);
            if (held) book = settleIn(book, holder, Math.min(amount, limitOf(held)));
          } else {
            const answer = reserveIn(book, asking(holder, amount));
            if (answer.granted) book = answer.book;
          }
          expect(takenIn(book)).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  test('of a long month stays one row: settled runs are folded, their sum stays', () => {
    let book = EMPTY_BOOK;
    for (let run = 0; run < 1000; run += 1) {
      const answer = reserveIn(book, { ...asking(`run-${run}`, 0.25), perMonth: null });
      if (answer.granted) book = settleIn(answer.book, `run-${run}`, 0.1);
    }

    expect(book.reservations.length).toBeLessThanOrEqual(800);
    expect(takenIn(book)).toBe(100);
  });

  test('that is topped up twice with one id is topped up once', () => {
    const reserved = reserveIn(EMPTY_BOOK, asking('run', 10));
    if (!reserved.granted) throw new Error('not granted');
    const more = { id: 'one', amount: 5, by: 'grace', reason: 'nearly there', at: '2026-01-01T01:00:00.000Z' };

    const book = topUpIn(topUpIn(reserved.book, 'run', more), 'run', more);

    expect(book.reservations.map(limitOf)).toEqual([15]);
  });
});

describe('a job is given up', () => {
  const START = '2026-01-01T00:00:00.000Z';
  const after = (seconds: number): string => new Date(Date.parse(START) + seconds * 1000).toISOString();
  const budget: JobBudget = { month: '2026-01', holder: 'run', costPerHour: 36, limit: 10, spent: 0, share: false, warned: false };
  const watch = (more: Partial<JobWatch> = {}): JobWatch => ({
    submittedAt: START,
    deadline: after(7200),
    queueDeadline: null,
    workingSince: null,
    budget: null,
    ...more,
  });
  const state = (word: JobState['state'], queuedSeconds: number | null = null): JobState => ({
    state: word,
    reason: null,
    queuedSeconds,
    executionSeconds: null,
  });

  test.each([
    ['not before its deadline', watch(), state('running', 5), 7199, undefined],
    ['at its deadline', watch(), state('running', 5), 7200, 'job-late'],
    ['at its deadline also when the backend is away', watch(), null, 7200, 'job-late'],
    ['in the queue after its time', watch({ queueDeadline: after(600) }), state('pending'), 600, 'job-stuck'],
    ['not for the queue when it works', watch({ queueDeadline: after(600) }), state('running', 500), 700, undefined],
    ['not for the queue when the backend is away', watch({ queueDeadline: after(600) }), null, 700, undefined],
    ['when its money is spent: 10 at 36 an hour are 1000 s of work', watch({ budget }), state('running', 100), 1100, 'budget-reached'],
    ['not while it has some', watch({ budget }), state('running', 100), 1099, undefined],
    [
      'by the time it was first seen at work, where the queue is not known',
      watch({ budget, workingSince: after(50) }),
      state('running'),
      1050,
      'budget-reached',
    ],
    ['not for money while it waits', watch({ budget }), state('pending'), 5000, undefined],
    ['earlier where its run has spent some before', watch({ budget: { ...budget, spent: 5 } }), state('running', 0), 500, 'budget-reached'],
  ])('%s', (_case, watched, seen, seconds, code) => {
    expect(limitReached(watched, seen, after(seconds))?.code).toBe(code);
  });

  test('and is looked at again just when a limit is near, never in a rush', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8000 }), (seconds) => {
        const wait = secondsToLimit(watch({ budget, queueDeadline: after(600) }), state('running', 100), after(seconds));
        expect(wait).toBeGreaterThanOrEqual(2);
        if (seconds < 1098) expect(wait).toBeCloseTo(1100 - seconds, 3);
      }),
    );
    expect(isBudgetLow(watch({ budget }), state('running', 100), after(899))).toBe(false);
    expect(isBudgetLow(watch({ budget }), state('running', 100), after(900))).toBe(true);
  });
});

test('waits spread by up to a fifth, and the same seed gives the same', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.2, max: 3600, noNaN: true }), fc.string(), fc.nat(), (wait, seed, poll) => {
      const spread = jittered(wait, seed, poll);
      expect(spread).toBeGreaterThanOrEqual(wait);
      expect(spread).toBeLessThanOrEqual(wait * 1.2000001);
      expect(jittered(wait, seed, poll)).toBe(spread);
    }),
  );
});

test('the instance that waits for a job is known by the name of the job', () => {
  const run = 'train-ble-location-0123456789abcdef-a1';
  expect([waiterOf(run), waiterOf(`${run}-publish`), waiterOf(trialJobName('sweep-x-0123456789abcdef-a1', 3))]).toEqual([
    `${run}-train`,
    `${run}-publish`,
    'sweep-x-0123456789abcdef-a1-t3',
  ]);
});
