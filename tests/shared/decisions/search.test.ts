import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Train } from '../../../shared/contracts/pipeline/train.ts';
import type { Trial } from '../../../shared/contracts/runs.ts';
import { bestTrial, metricOfGates, sampleTrials, spaceProblems, stopReason, wholeParams } from '../../../shared/decisions/search.ts';

const SPACE = {
  alpha: { logUniform: [1e-4, 1] as [number, number] },
  depth: { uniform: [2, 12] as [number, number] },
  kind: { choice: ['a', 'b', true, 3] },
};
const trial = (number: number, metric: number | null, state: Trial['state'] = metric === null ? 'failed' : 'succeeded'): Trial => ({
  trial: number,
  params: { n: number },
  state,
  metric,
  metrics: {},
  jobName: null,
  executionSeconds: null,
  reason: null,
});

describe('trials', () => {
  test('are the same for the same seed, others for another, and a longer search begins like a shorter one', () => {
    const ten = sampleTrials(SPACE, 10, 7);

    expect(sampleTrials(SPACE, 10, 7)).toEqual(ten);
    expect(sampleTrials(SPACE, 10, 8)).not.toEqual(ten);
    expect(sampleTrials(SPACE, 5, 7)).toEqual(ten.slice(0, 5));
  });

  test('lie in the space, whatever the seed, and are whole where they must be', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        for (const { alpha, depth, kind } of sampleTrials(SPACE, 8, seed, ['depth'])) {
          expect(alpha).toBeGreaterThanOrEqual(1e-4);
          expect(alpha).toBeLessThanOrEqual(1);
          expect(Number.isInteger(depth) && Number(depth) >= 2 && Number(depth) <= 12).toBe(true);
          expect(SPACE.kind.choice).toContain(kind);
        }
      }),
    );
  });

  test('are all different, and fewer than asked for where the space has no more', () => {
    const all = sampleTrials({ kind: { choice: [1, 2, 3] } }, 20, 1);

    expect(all.map(({ kind }) => kind).sort()).toEqual([1, 2, 3]);
  });

  test('spread over orders of magnitude by logarithm', () => {
    const small = sampleTrials({ alpha: SPACE.alpha }, 400, 1).filter(({ alpha }) => Number(alpha) < 1e-2).length;

    expect(small).toBeGreaterThan(150);
    expect(small).toBeLessThan(250);
  });

  test('are whole numbers where the pipeline declares one and both bounds are', () => {
    const train = Train.parse({ backend: ['kubeflow'], component: 'x', params: { depth: 3, alpha: 0.1, kind: 1 } });

    expect(wholeParams(train, { depth: { uniform: [2, 12] }, alpha: { uniform: [0, 1] }, kind: { choice: [1, 2] } })).toEqual(['depth']);
    expect(wholeParams(train, { depth: { uniform: [2, 12.5] } })).toEqual([]);
  });

  test.each([
    [{}, 'space', 'name at least one parameter'],
    [{ a: { uniform: [2, 1] } }, 'a', 'the lower bound 2 is not below the upper bound 1'],
  ])('of a space that is none are refused: %j', (space, where, problem) => {
    expect(spaceProblems(space as Parameters<typeof spaceProblems>[0])).toEqual([{ where, problem }]);
  });
});

test('the best is the best that succeeded, in the direction of the metric', () => {
  const trials = [trial(1, 0.3), trial(2, 0.9, 'failed'), trial(3, null), trial(4, 0.5), trial(5, 0.5)];

  expect(bestTrial(trials, 'higher-is-better')).toEqual({ trial: 4, params: { n: 4 }, metric: 0.5 });
  expect(bestTrial(trials, 'lower-is-better')).toMatchObject({ trial: 1 });
  expect(bestTrial([trial(1, null)], 'lower-is-better')).toBeNull();
});

describe('rounds to come', () => {
  const rounds = (...bests: (number | null)[]): Trial[][] => bests.map((best, index) => [trial(index, best)]);

  test.each([
    ['nothing yet', rounds(), null],
    ['three rounds, however bad', rounds(5, 1, 1), null],
    ['one disappointment', rounds(5, 6, 7, 1), null],
    ['two disappointments', rounds(5, 6, 1, 1), /median of those before \(5\.5\)/],
    ['two rounds without a result', rounds(5, 6, null, null), /brought nothing better/],
    ['still better than the median', rounds(5, 6, 7, 8), null],
    ['a first round that failed altogether', rounds(null), /no trial of the rounds so far succeeded/],
  ])('after %s', (_what, before, reason) => {
    const answer = stopReason(before, 'higher-is-better');

    if (reason === null) expect(answer).toBeNull();
    else expect(answer).toMatch(reason);
  });
});

test('the metric of a search without one is that of the gate against the champion, else of the first gate', () => {
  const champion = { metric: 'mse', notWorseThanChampionBy: 0.1, direction: 'lower-is-better' as const };

  expect(metricOfGates([{ metric: 'auc', atLeast: 0.9 }, champion])).toEqual({ metric: 'mse', direction: 'lower-is-better' });
  expect(metricOfGates([{ metric: 'auc', atLeast: 0.9 }])).toEqual({ metric: 'auc', direction: 'higher-is-better' });
  expect(metricOfGates([{ metric: 'mse', atMost: 9 }])).toEqual({ metric: 'mse', direction: 'lower-is-better' });
  expect(metricOfGates([])).toBeNull();
});
