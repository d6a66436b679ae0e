// What every implementation of the port `CaseStore` must do; run against memory and against tables.
import { expect, it } from 'vitest';
import type { QuarantineCase } from '../../shared/contracts/quarantine.ts';
import { assigned, caseOf, resolved } from '../../shared/decisions/quarantine.ts';
import type { CaseStore } from '../../shared/ports/quarantine.ts';
import { digest, minute } from './samples.ts';

export function caseFor(pipeline: string, key: string, openedAt = minute(0), parts: Partial<QuarantineCase> = {}): QuarantineCase {
  const findings = [{ rule: 'min:a', action: 'quarantine' as const, rows: 3, lines: [2] }];
  const refined = { quarantinedRows: 3, findings };
  const opened = caseOf({ pipeline, contractDigest: digest('c'), key: digest(key), runId: null, refined, at: openedAt, by: 'sluice' })!;
  return { ...opened, ...parts };
}

/** `make` gives an empty store. */
export function caseStoreSuite(make: () => Promise<CaseStore>): void {
  const list = async (cases: CaseStore, query: object = {}) =>
    (await cases.list({ limit: 100, ...query })).map(({ pipeline, openedAt, state }) => [pipeline, openedAt, state]);

  it('opens a case once: the stored one wins', async () => {
    const cases = await make();
    const first = caseFor('p', 'k');

    expect(await cases.open(first)).toEqual(first);
    expect(await cases.open({ ...first, owner: 'second' })).toEqual(first);

    expect(await cases.get(first.caseId)).toEqual(first);
  });

  it('knows nothing of ids that name no case', async () => {
    const cases = await make();
    await cases.open(caseFor('p', 'k'));

    for (const id of ['', 'x', "q-a'b-0123456789abcdef", caseFor('p', 'other').caseId, caseFor('q', 'k').caseId])
      expect(await cases.get(id)).toBeNull();
    await expect(cases.change(caseFor('p', 'other').caseId, (each) => each)).rejects.toMatchObject({ code: 'case-unknown' });
  });

  it('lists open cases first, in each state the newest first', async () => {
    const cases = await make();
    const merge = { key: digest('m'), resolution: 'discard' as const, rows: 3, addedRows: 0, silverVersion: null, goldVersion: null };
    for (const [pipeline, at] of [
      ['p', 1],
      ['q', 2],
      ['p', 3],
      ['p', 4],
    ] as const)
      await cases.open(caseFor(pipeline, `${pipeline}${at}`, minute(at)));
    await cases.change(caseFor('p', 'p4').caseId, (each) => resolved(each, merge, 0, { by: 'a', at: minute(5), reason: '' }));

    expect(await list(cases)).toEqual([
      ['p', minute(3), 'open'],
      ['q', minute(2), 'open'],
      ['p', minute(1), 'open'],
      ['p', minute(4), 'closed'],
    ]);
    expect(await list(cases, { pipeline: 'p', state: 'open' })).toEqual([
      ['p', minute(3), 'open'],
      ['p', minute(1), 'open'],
    ]);
    expect(await list(cases, { limit: 1 })).toHaveLength(1);
    expect(await list(cases, { state: 'closed' })).toEqual([['p', minute(4), 'closed']]);
  });

  it('lists what is overdue', async () => {
    const cases = await make();
    await cases.open(caseFor('p', 'a', minute(0), { due: minute(10) }));
    await cases.open(caseFor('p', 'b', minute(1), { due: null }));
    await cases.open(caseFor('p', 'c', minute(2), { due: minute(30) }));

    expect(await list(cases, { overdueAt: minute(20) })).toEqual([['p', minute(0), 'open']]);
  });

  it('loses no change of many at one time', async () => {
    const cases = await make();
    const { caseId } = await cases.open(caseFor('p', 'k'));

    await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        cases.change(caseId, (each) => assigned(each, { owner: `owner-${n}` }, { by: `by-${n}`, at: minute(n), reason: 'turn' })),
      ),
    );

    const { history } = (await cases.get(caseId))!;
    expect(history.map(({ by }) => by).sort()).toEqual(['sluice', ...Array.from({ length: 10 }, (_, n) => `by-${n}`)].sort());
  });
}
