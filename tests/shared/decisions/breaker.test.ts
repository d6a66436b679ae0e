// What holds events back: the breaker with its counts, freezes, and causal chains that come back.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Breaker, Freeze } from '../../../shared/contracts/guards.ts';
import { CausalChain, Verdict } from '../../../shared/contracts/events.ts';
import { breakerVerdict, charge, closeBreaker, openBreaker } from '../../../shared/decisions/breaker.ts';
import { chained, loopVerdict, parseChain } from '../../../shared/decisions/causal-chain.ts';
import { clockVerdict, frozenVerdict, heldBack } from '../../../shared/decisions/guards.ts';

const at = (minutes: number): string => new Date(Date.UTC(2026, 0, 1) + minutes * 60_000).toISOString();
const LIMITS = { datasetsPerHour: 3, trainingsPerDay: 2 };
/** Charges one piece of work after the other; gives the breaker and what was said. */
function charged(works: readonly [kind: 'dataset' | 'training', minute: number][], before: Breaker | null = null) {
  let breaker = before;
  const said = works.map(([kind, minute], index) => {
    const charged = charge(breaker, 'p', { kind, key: `${kind}-${index}`.padEnd(64, '0') }, LIMITS, at(minute));
    breaker = charged.breaker;
    return charged.answer.admitted;
  });
  return { breaker, said };
}

describe('the breaker', () => {
  test('opens at the first dataset beyond the limit of an hour, and stays open', () => {
    const { breaker, said } = charged([
      ...[0, 1, 2, 3].map((minute): ['dataset', number] => ['dataset', minute]),
      ['training', 4],
      ['dataset', 600],
    ]);

    expect(said).toEqual([true, true, true, false, false, false]);
    expect(breaker).toMatchObject({ state: 'open', opened: { at: at(3), cause: 'datasets-per-hour', count: 3, limit: 3 } });
    expect(breakerVerdict(breaker)).toMatchObject({
      kind: 'over-budget',
      rule: 'breaker-open',
      evidence: { cause: 'datasets-per-hour', count: 3, limit: 3, openedAt: at(3) },
    });
  });

  test('lets as many through as an hour takes, again and again', () => {
    expect(charged([0, 20, 40, 61, 81, 101].map((minute) => ['dataset', minute])).said).toEqual(Array(6).fill(true));
    expect(charged([0, 20, 40, 59].map((minute) => ['dataset', minute])).said).toEqual([true, true, true, false]);
  });

  test('counts trainings for a day', () => {
    const { breaker, said } = charged([
      ['training', 0],
      ['training', 600],
      ['training', 1439],
    ]);

    expect(said).toEqual([true, true, false]);
    expect(breaker?.opened?.cause).toBe('trainings-per-day');
  });

  test('counts the same work once, also while it is open', () => {
    const work = { kind: 'dataset' as const, key: 'k'.repeat(64) };
    let breaker: Breaker | null = null;
    for (let n = 0; n < 10; n += 1) ({ breaker } = charge(breaker, 'p', work, LIMITS, at(n)));
    expect(charge(breaker, 'p', work, LIMITS, at(10)).answer).toEqual({ admitted: true });

    const open = openBreaker(breaker, 'p', { cause: 'budget', reason: 'the month is spent', count: 100, limit: 100 }, at(11));
    expect(charge(open, 'p', work, LIMITS, at(12)).answer).toEqual({ admitted: true });
    expect(charge(open, 'p', { ...work, key: 'l'.repeat(64) }, LIMITS, at(12)).answer).toMatchObject({ admitted: false, cause: 'budget' });
  });

  test('is closed by a person, and begins to count anew', () => {
    const { breaker } = charged([0, 1, 2, 3].map((minute) => ['dataset', minute]));

    const closed = closeBreaker(breaker, 'ada', 'backfill is wanted', at(4));

    expect(closed).toMatchObject({
      state: 'closed',
      closed: { at: at(4), by: 'ada', reason: 'backfill is wanted' },
      opened: { at: at(3) },
    });
    expect(breakerVerdict(closed)).toBeNull();
    expect(charge(closed, 'p', { kind: 'dataset', key: 'new'.padEnd(64, '0') }, LIMITS, at(5)).answer).toEqual({ admitted: true });
    expect(closeBreaker(closed, 'bob', 'again', at(6))).toBe(closed);
  });

  test('counts nothing without limits, and holds nothing back', () => {
    expect(charge(null, 'p', { kind: 'dataset', key: 'k' }, undefined, at(0))).toEqual({ breaker: null, answer: { admitted: true } });
  });

  test('never lets more through in any hour than the limit, and stays small', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 200 }), (gaps) => {
        let breaker: Breaker | null = null;
        let minute = 0;
        const through: number[] = [];
        for (const [index, gap] of gaps.entries()) {
          minute += gap;
          const { breaker: next, answer } = charge(breaker, 'p', { kind: 'dataset', key: `${index}`.padEnd(64, 'x') }, LIMITS, at(minute));
          if (answer.admitted) through.push(minute);
          breaker = next?.state === 'open' ? closeBreaker(next, 'ada', 'go on', at(minute)) : next;
          // Closing begins anew: only what went through since counts.
          if (next?.state === 'open') through.length = 0;
          expect(through.filter((one) => one > minute - 60).length).toBeLessThanOrEqual(LIMITS.datasetsPerHour);
        }
        expect(JSON.stringify(breaker ?? {}).length).toBeLessThan(20_000);
      }),
    );
  });
});

describe('freezes', () => {
  const freeze = (more: Partial<Freeze> = {}): Freeze => ({
    pipeline: 'p',
    kind: 'frozen',
    by: 'ada',
    reason: 'audit',
    since: at(0),
    until: null,
    ...more,
  });

  test.each<[string, Freeze[], string | null]>([
    ['of the pipeline', [freeze()], 'frozen'],
    ['of another pipeline', [freeze({ pipeline: 'q' })], null],
    ['of the platform', [freeze({ pipeline: null, kind: 'maintenance' })], 'maintenance'],
    ['that is over', [freeze({ until: at(9) })], null],
    ['that ends later', [freeze({ until: at(11) })], 'frozen'],
    ['of both names the platform', [freeze(), freeze({ pipeline: null, kind: 'maintenance', by: 'bob' })], 'maintenance'],
  ])('%s', (_name, freezes, rule) => {
    const verdict = frozenVerdict('p', { freezes, now: at(10) });

    expect(verdict?.rule ?? null).toBe(rule);
    if (verdict) expect(verdict).toMatchObject({ kind: 'refused', reason: expect.stringContaining('audit') as string });
  });

  test('come before the breaker, and a loop before both', () => {
    const guards = {
      freezes: [freeze()],
      breaker: openBreaker(null, 'p', { cause: 'budget', reason: 'r', count: 1, limit: 1 }, at(0)),
      now: at(1),
    };

    expect(heldBack('p', [], guards)?.rule).toBe('frozen');
    expect(heldBack('p', [], { ...guards, freezes: [] })?.rule).toBe('breaker-open');
    expect(heldBack('p', ['p@run1'], guards)?.rule).toBe('chain-comes-back');
    expect(heldBack('p', [], { freezes: [], breaker: null, now: at(1) })).toBeNull();
  });
});

describe('a causal chain', () => {
  test('that comes back to the pipeline is a loop, through any number of others', () => {
    const chain = ['p', 'q', 'r'].reduce<CausalChain>((links, pipeline) => chained(links, pipeline, `refine-${pipeline}`), []);

    expect(loopVerdict(chain, 'p')).toMatchObject({ kind: 'loop', evidence: { chain: 'p@refine-p → q@refine-q → r@refine-r' } });
    expect(loopVerdict(chain, 's')).toBeNull();
    expect(loopVerdict(['pp@x'], 'p')).toBeNull();
  });

  test('stays within what the ledger keeps, and is a loop when it is that long', () => {
    const chain = Array.from({ length: 100 }, (_, n) => n).reduce<CausalChain>((links, n) => chained(links, `p${n}`, 'x'.repeat(500)), []);

    expect(CausalChain.safeParse(chain).success).toBe(true);
    expect(loopVerdict(chain, 'other')?.rule).toBe('chain-too-long');
    expect(Verdict.safeParse(loopVerdict(chain, 'other')).success).toBe(true);
  });

  test.each<[unknown, string[]]>([
    ['a@1, b@2', ['a@1', 'b@2']],
    [['a@1', 3, null, ''], ['a@1']],
    [{ length: 1 }, []],
    [undefined, []],
    ['x'.repeat(300), []],
  ])('is read from %j', (value, chain) => {
    expect(parseChain(value)).toEqual(chain);
  });
});

test('a clock may be five minutes ahead', () => {
  expect(clockVerdict(at(5), at(0))).toBeNull();
  expect(clockVerdict(at(6), at(0))).toMatchObject({ kind: 'refused', rule: 'future-clock', evidence: { aheadSeconds: 360 } });
});
