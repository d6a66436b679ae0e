// A window as the entity keeps it: one winner for each close, nothing counted twice over a close, and what comes too late.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LatePolicy, WindowState } from '../../../shared/contracts/windows.ts';
import { addMember, type AddRequest, closeWindow, emptyWindow, settleWindow, windowIdOf } from '../../../shared/decisions/window.ts';
import { WindowId } from '../../../shared/contracts/events.ts';
import { offerWindow } from '../../../shared/decisions/join.ts';
import type { JoinState } from '../../../shared/contracts/windows.ts';

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
const add = (name: string, second: number, more: Partial<AddRequest> = {}): AddRequest => ({
  entryId: `e-${name}`,
  path: name,
  sha256: 'a'.repeat(64),
  eventTime: at(second),
  now: at(second),
  mark: null,
  expects: null,
  lateness: null,
  ...more,
});
const filled = (...names: string[]): WindowState =>
  names.reduce((state, name, index) => addMember(state, add(name, index)).state, emptyWindow());

describe('a window', () => {
  test('numbers its members, and says who opened it', () => {
    const first = addMember(null, add('a', 5));
    const second = addMember(first.state, add('b', 7, { mark: 'north' }));

    expect(first.answer).toMatchObject({ placed: 'window', opened: true, ordinal: 1 });
    expect(second.answer).toMatchObject({ placed: 'window', opened: false, ordinal: 2 });
    expect(second.state).toMatchObject({ number: 1, count: 2, openedAt: at(5), lastAt: at(7), marks: ['north'] });
  });

  test('has one digest for the same members in any order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 }), fc.nat(), (names, turn) => {
        const turned = names.map((_, index) => names[(index + turn) % names.length] ?? '');

        expect(filled(...turned).digest).toBe(filled(...names).digest);
        expect(filled(...names, 'one more').digest).not.toBe(filled(...names).digest);
      }),
    );
  });

  test('is closed for exactly one asker, whatever the order of adds and closes, and no member is in two windows', () => {
    const step = fc.oneof({ weight: 3, arbitrary: fc.constant('add' as const) }, { weight: 1, arbitrary: fc.constant('close' as const) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, strict) => {
        let state: WindowState = emptyWindow();
        let added = 0;
        let closed = 0;
        let inClosed = 0;
        for (const what of steps) {
          if (what === 'add') {
            const before = state.number;
            state = addMember(state, add(`f${(added += 1)}`, added)).state;
            expect(state.number).toBe(before);
            continue;
          }
          const ask = { number: state.number, ifCount: strict ? state.count : null, at: at(added) };
          const answers = [0, 1, 2].map(() => {
            const { state: after, answer } = closeWindow(state, ask);
            state = after;
            return answer;
          });
          const won = answers.filter((answer) => answer.won);
          expect(won.length).toBeLessThanOrEqual(1);
          if (won[0]) {
            closed += 1;
            inClosed += won[0].window.count;
          }
        }
        expect(state.number).toBe(closed + 1);
        expect(inClosed + state.count).toBe(added);
      }),
    );
  });

  test('is not closed when a member came in between, and never empty', () => {
    const two = filled('a', 'b');

    expect(closeWindow(two, { number: 1, ifCount: 1, at: at(9) })).toMatchObject({ state: two, answer: { won: false } });
    expect(closeWindow(two, { number: 2, ifCount: null, at: at(9) }).answer.won).toBe(false);
    expect(closeWindow(null, { number: 1, ifCount: null, at: at(9) }).answer.won).toBe(false);
  });

  test('knows which one before is settled, and what that left', () => {
    const { state } = closeWindow(filled('a', 'b'), { number: 1, ifCount: null, at: at(9) });

    expect(settleWindow(state, 1, 2)).toMatchObject({ number: 2, settled: 1, carried: 2, count: 0 });
    expect(settleWindow(settleWindow(state, 1, 0), 0, 3)).toMatchObject({ settled: 1, carried: 0 });
  });

  test('has an id that the ledger takes, also with the longest names', () => {
    expect(WindowId.safeParse(windowIdOf('p'.repeat(40), 's'.repeat(40), 999_999_999_999)).success).toBe(true);
  });
});

describe('an event of a dataset that is closed', () => {
  const closed = closeWindow(filled('a'), { number: 1, ifCount: null, at: at(100) }).state;
  const policy = (then: LatePolicy['then'], allowedSeconds = 60): LatePolicy => ({ allowedSeconds, then });

  test.each([
    ['patch', 'alone'],
    ['next', 'window'],
    ['refuse', 'nowhere'],
  ] as const)('with the policy %s goes %s', (then, placed) => {
    const { state, answer } = addMember(closed, add('late', 130, { eventTime: at(90), lateness: policy(then) }));

    expect(answer.placed).toBe(placed);
    expect(answer.late).toEqual({ number: 1, closedAt: at(100), bySeconds: 30 });
    expect(state.count).toBe(placed === 'window' ? 1 : 0);
  });

  test('goes nowhere after the time that is allowed', () => {
    expect(addMember(closed, add('late', 161, { eventTime: at(90), lateness: policy('next') })).answer.placed).toBe('nowhere');
    expect(addMember(closed, add('late', 160, { eventTime: at(90), lateness: policy('next') })).answer.placed).toBe('window');
  });

  test('is not late when it happened after the close, and not without a policy', () => {
    expect(addMember(closed, add('new', 130, { eventTime: at(101), lateness: policy('refuse') })).answer).toMatchObject({
      placed: 'window',
      late: null,
    });
    expect(addMember(closed, add('old', 130, { eventTime: at(90) })).answer).toMatchObject({ placed: 'window', late: null });
  });
});

describe('windows of several sources', () => {
  const sources = [
    { name: 'a', maxLagSeconds: null },
    { name: 'b', maxLagSeconds: 60 },
  ];
  const offer = (state: JoinState | null, source: string, number: number, second: number) =>
    offerWindow(state, { source, number, at: at(second), sources });

  test('wait for each other, and go together once', () => {
    const first = offer(null, 'a', 1, 0);
    const second = offer(first.state, 'b', 1, 1);

    expect(first.answer).toEqual({ go: false, missing: [{ source: 'b', why: 'has no complete dataset yet' }] });
    expect(second.answer).toEqual({
      go: true,
      windows: [
        { source: 'a', from: 1, to: 1 },
        { source: 'b', from: 1, to: 1 },
      ],
    });
    expect(offer(second.state, 'b', 1, 2).answer).toEqual({ go: false, missing: [] });
  });

  test('that another source was too old for go with its next', () => {
    const { state } = offer(offer(null, 'a', 1, 0).state, 'b', 1, 1);
    const waiting = offer(state, 'a', 2, 100);
    const more = offer(waiting.state, 'a', 3, 110);

    expect(waiting.answer).toEqual({ go: false, missing: [{ source: 'b', why: 'is 99 s old; at most 60 s are taken (maxLag)' }] });
    expect(offer(more.state, 'b', 2, 120).answer).toMatchObject({
      go: true,
      windows: [
        { source: 'a', from: 2, to: 3 },
        { source: 'b', from: 2, to: 2 },
      ],
    });
  });

  test('are each used as new exactly once, in whatever order they are closed and offered', () => {
    const closes = fc.array(fc.constantFrom('a', 'b'), { maxLength: 30 });
    fc.assert(
      fc.property(closes, (order) => {
        let state: JoinState | null = null;
        const numbers: Record<string, number> = { a: 0, b: 0 };
        const used: Record<string, number> = { a: 0, b: 0 };
        for (const [second, source] of order.entries()) {
          numbers[source] = (numbers[source] ?? 0) + 1;
          const answered: ReturnType<typeof offerWindow> = offer(state, source, numbers[source], second);
          state = answered.state;
          if (!answered.answer.go) continue;
          for (const { source: one, from, to } of answered.answer.windows) {
            // New ones follow without a gap; a repeated one is the newest.
            expect([(used[one] ?? 0) + 1, used[one]]).toContain(from);
            used[one] = to;
          }
        }
        if (numbers['a'] && numbers['b']) expect(used).toEqual(numbers);
      }),
    );
  });
});
