import { describe, expect, it } from 'vitest';
import { QuarantineCase } from '../../../shared/contracts/quarantine.ts';
import {
  assigned,
  begun,
  caseOf,
  gaveUp,
  isOverdue,
  pipelineOfCase,
  recounted,
  resolved,
  retrainAnswered,
} from '../../../shared/decisions/quarantine.ts';

const KEY = 'ab'.repeat(32);
const AT = '2026-11-22T10:00:00.000Z';
const deed = { by: 'ada', at: AT, reason: 'typo in the file' };
const findings = [
  { rule: 'min:a', action: 'quarantine' as const, rows: 5, lines: [] },
  { rule: 'max:a', action: 'warn' as const, rows: 2, lines: [] },
];
const opening = { pipeline: 'a-b', contractDigest: KEY, key: KEY, runId: null, at: AT, by: 'sluice' };
const open = caseOf({ ...opening, refined: { quarantinedRows: 5, findings } })!;
const work = { key: '1'.repeat(64), resolution: 'fix' as const, rows: null, file: 'f', by: 'ada', note: 'n' };
const merge = (key: string, rows: number, addedRows = rows) => ({
  key: key.repeat(64),
  resolution: 'fix' as const,
  rows,
  addedRows,
  silverVersion: 2,
  goldVersion: 3,
});

describe('a quarantine case', () => {
  it('is opened by a run that set rows aside, with a deadline, and by no other', () => {
    expect(QuarantineCase.parse(open)).toEqual(open);
    expect(open).toMatchObject({ caseId: 'q-a-b-abababababababab', rows: 5, openRows: 5, due: '2026-11-29T10:00:00.000Z' });
    expect(open.rules).toEqual([{ rule: 'min:a', rows: 5 }]);
    expect(pipelineOfCase(open.caseId)).toBe('a-b');
    expect(caseOf({ ...opening, refined: { quarantinedRows: 0, findings } })).toBeNull();
  });

  it('takes one piece of work at a time, and the same one again', () => {
    const busy = begun(open, work, AT);

    expect(begun(busy, work, AT)).toBe(busy);
    expect(() => begun(busy, { ...work, key: '2'.repeat(64) }, AT)).toThrow(/case-busy|a fix by ada has begun/);
    expect(gaveUp(busy, work.key, deed)).toMatchObject({ pending: null, openRows: 5, revision: 0 });
    expect(gaveUp(busy, '2'.repeat(64), deed)).toBe(busy);
  });

  it('has fewer open rows when rows of persons were erased; the last one closes it', () => {
    expect(recounted(open, 5, deed)).toBe(open);
    expect(recounted(open, 3, deed)).toMatchObject({ state: 'open', openRows: 3, revision: 0, retrain: 'not-asked' });
    expect(recounted(open, 3, deed).history.at(-1)).toMatchObject({ what: 'erased', rows: 2, by: 'ada' });
    const none = recounted(open, 0, deed);
    expect(none).toMatchObject({ state: 'closed', openRows: 0 });
    expect(recounted(none, 4, deed)).toBe(none);
    expect(QuarantineCase.parse(none)).toEqual(none);
  });

  it('closes with its last row and asks whether to train again when rows came into gold', () => {
    const half = resolved(begun(open, work, AT), merge('1', 3), 2, deed);
    const again = resolved(half, merge('1', 3), 2, deed);
    const done = resolved(half, merge('2', 2, 0), 0, deed);

    expect(half).toMatchObject({ state: 'open', openRows: 2, revision: 1, pending: null, retrain: 'pending' });
    expect(again).toBe(half);
    expect(done).toMatchObject({ state: 'closed', openRows: 0, revision: 2, retrain: 'pending' });
    expect(done.history.map(({ what, rows }) => [what, rows])).toEqual([
      ['opened', 5],
      ['began', 0],
      ['resolved', 3],
      ['resolved', 2],
    ]);
    expect(() => begun(done, { ...work, key: '9'.repeat(64) }, AT)).toThrow(/is closed/);
    expect(QuarantineCase.parse(done)).toEqual(done);
  });

  it('remembers the answer, and asks again for newer rows', () => {
    const half = resolved(open, merge('1', 3), 2, deed);
    const answered = retrainAnswered(half, 'no', deed);

    expect(answered).toMatchObject({ retrain: 'no' });
    expect(retrainAnswered(answered, 'no', deed)).toBe(answered);
    expect(resolved(answered, merge('2', 1), 1, deed).retrain).toBe('pending');
    expect(() => retrainAnswered(open, 'yes', deed)).toThrow(/nothing to train again/);
  });

  it('has an owner and a deadline that can be changed, and is overdue only while it is open', () => {
    const owned = assigned(open, { owner: 'grace', due: '2026-11-23T00:00:00.000Z' }, deed);

    expect(owned).toMatchObject({ owner: 'grace', due: '2026-11-23T00:00:00.000Z' });
    expect(assigned(owned, { due: null }, deed)).toMatchObject({ owner: 'grace', due: null });
    expect(isOverdue(owned, '2026-11-24T00:00:00.000Z')).toBe(true);
    expect(isOverdue(owned, AT)).toBe(false);
    expect(isOverdue({ ...owned, state: 'closed' }, '2027-01-01T00:00:00.000Z')).toBe(false);
  });

  it('keeps its first event and the newest ones', () => {
    let one = open;
    for (let n = 0; n < 150; n += 1) one = assigned(one, { owner: `o${n}` }, deed);

    expect(QuarantineCase.parse(one).history).toHaveLength(100);
    expect([one.history[0]!.what, one.history.at(-1)!.note.slice(0, 4)]).toEqual(['opened', 'o149']);
  });
});
