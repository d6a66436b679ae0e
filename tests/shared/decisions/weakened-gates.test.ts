// When does a new version of a pipeline let through what the one before would have stopped?
import { expect, it } from 'vitest';
import type { Gate } from '../../../shared/contracts/pipeline.ts';
import { weakenedGates } from '../../../shared/decisions/weakened-gates.ts';

const floor = (atLeast: number, metric = 'top1'): Gate => ({ metric, atLeast });
const ceiling = (atMost: number): Gate => ({ metric: 'error', atMost });
const champion = (by: number, direction: 'higher-is-better' | 'lower-is-better' = 'higher-is-better'): Gate => ({
  metric: 'top1',
  notWorseThanChampionBy: by,
  direction,
});

it.each<[string, Gate[], Gate[], string[]]>([
  ['the same gates', [floor(0.1), ceiling(3)], [ceiling(3), floor(0.1)], []],
  ['stricter gates', [floor(0.1), ceiling(3), champion(0.1)], [floor(0.2), ceiling(2), champion(0)], []],
  ['one gate more', [floor(0.1)], [floor(0.1), ceiling(3)], []],
  ['a lower floor', [floor(0.1)], [floor(0.05)], ['top1 >= 0.1']],
  ['a higher ceiling', [ceiling(3)], [ceiling(4)], ['error <= 3']],
  ['a gate left out', [floor(0.1), ceiling(3)], [floor(0.1)], ['error <= 3']],
  ['another metric', [floor(0.1)], [floor(0.1, 'top5')], ['top1 >= 0.1']],
  ['more room below the champion', [champion(0.1)], [champion(0.2)], ['top1 not worse than the champion by more than 0.1']],
  ['the other direction', [champion(0.1)], [champion(0.1, 'lower-is-better')], ['top1 not worse than the champion by more than 0.1']],
  ['a floor instead of the champion', [champion(0.1)], [floor(0.9)], ['top1 not worse than the champion by more than 0.1']],
  ['a weak gate beside the strict one', [floor(0.1)], [floor(0), floor(0.1)], []],
])('%s', (_, before, now, weakened) => {
  expect(weakenedGates(before, now)).toEqual(weakened);
});
