// What every implementation of the port BudgetStore must do; run against memory and against tables.
import { expect, it } from 'vitest';
import type { BudgetStore } from '../../shared/ports/budget-store.ts';
import { minute } from './samples.ts';

const NOVEMBER = { pipeline: 'ble-location', month: '2026-11' };
const asking = (holder: string, amount: number, perMonth: number | null = 10) => ({ holder, amount, perMonth, at: minute(0) });
const more = (id: string, amount: number) => ({ id, amount, by: 'grace', reason: 'nearly there', at: minute(1) });

/** `make` gives a store over an empty place. */
export function budgetStoreSuite(make: () => Promise<BudgetStore>): void {
  it('reserves until the month has nothing left, and says what it has', async () => {
    const store = await make();

    const first = await store.reserve(NOVEMBER, asking('run-a', 6));
    const second = await store.reserve(NOVEMBER, asking('run-b', 5));
    const third = await store.reserve(NOVEMBER, asking('run-b', 4));

    expect(first).toEqual({ granted: true, reservation: { holder: 'run-a', amount: 6, toppedUp: [], spent: null, at: minute(0) } });
    expect(second).toEqual({ granted: false, left: 4 });
    expect(third).toMatchObject({ granted: true });
    expect(await store.taken(NOVEMBER)).toBe(10);
    expect(await store.find(NOVEMBER, 'run-c')).toBeNull();
  });

  it('keeps months and pipelines apart', async () => {
    const store = await make();
    await store.reserve(NOVEMBER, asking('run-a', 10));

    expect(await store.reserve({ ...NOVEMBER, month: '2026-12' }, asking('run-b', 10))).toMatchObject({ granted: true });
    expect(await store.reserve({ ...NOVEMBER, pipeline: 'diabetes' }, asking('run-c', 10))).toMatchObject({ granted: true });
  });

  it('gives a run that repeats its call what it has, and no more', async () => {
    const store = await make();
    const first = await store.reserve(NOVEMBER, asking('run-a', 6));

    expect(await store.reserve(NOVEMBER, asking('run-a', 6))).toEqual(first);
    expect(await store.taken(NOVEMBER)).toBe(6);
  });

  it('frees at the end what was not spent', async () => {
    const store = await make();
    await store.reserve(NOVEMBER, asking('run-a', 6));

    await store.settle(NOVEMBER, 'run-a', 1.5);
    await store.settle(NOVEMBER, 'run-a', 5);
    await store.settle(NOVEMBER, 'nobody', 5);

    expect(await store.taken(NOVEMBER)).toBe(1.5);
    expect(await store.find(NOVEMBER, 'run-a')).toMatchObject({ spent: 1.5 });
    expect(await store.reserve(NOVEMBER, asking('run-b', 8.5))).toMatchObject({ granted: true });
  });

  it('takes a top-up once for each id, also beyond the month, and none after the end', async () => {
    const store = await make();
    await store.reserve(NOVEMBER, asking('run-a', 10));

    await store.topUp(NOVEMBER, 'run-a', more('one', 3));
    const raised = await store.topUp(NOVEMBER, 'run-a', more('one', 3));

    expect(raised).toMatchObject({ amount: 10, toppedUp: [{ id: 'one', amount: 3, by: 'grace' }] });
    expect(await store.taken(NOVEMBER)).toBe(13);
    await expect(store.topUp(NOVEMBER, 'run-b', more('two', 1))).rejects.toMatchObject({ code: 'reservation-unknown' });
    await store.settle(NOVEMBER, 'run-a', 2);
    await expect(store.topUp(NOVEMBER, 'run-a', more('three', 1))).rejects.toMatchObject({ code: 'reservation-settled' });
  });

  it('lets runs that ask at the same time have no more than there is', async () => {
    const store = await make();

    const answers = await Promise.all(Array.from({ length: 12 }, (_, run) => store.reserve(NOVEMBER, asking(`run-${run}`, 2))));

    expect(answers.filter(({ granted }) => granted)).toHaveLength(5);
    expect(await store.taken(NOVEMBER)).toBe(10);
  });

  it('knows no limit where the pipeline states none', async () => {
    const store = await make();

    expect(await store.reserve(NOVEMBER, asking('run-a', 1_000_000, null))).toMatchObject({ granted: true });
  });
}
