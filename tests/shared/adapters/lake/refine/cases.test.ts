// Quarantine as cases: rows corrected, accepted or given up, each committed once, whatever is repeated or cut off.
import { describe, expect, it } from 'vitest';
import { createQuarantineCases } from '../../../../../shared/adapters/lake/refine/quarantine-cases.ts';
import { createWorkshop } from '../../../../../shared/adapters/lake/refine/workshop.ts';
import { createMemoryCaseStore } from '../../../../../shared/adapters/memory/quarantine-cases.ts';
import { createMemoryStore } from '../../../../../shared/adapters/memory/store.ts';
import type { PipelineVersion } from '../../../../../shared/contracts/pipeline.ts';
import type { QuarantineCase } from '../../../../../shared/contracts/quarantine.ts';
import { caseOf } from '../../../../../shared/decisions/quarantine.ts';
import type { CaseStore } from '../../../../../shared/ports/quarantine.ts';
import { judgeTable } from '../delta/checker.ts';
import { HEADER, makeRig, pipelineOf, rowsOf, sha256, type Rig } from '../rig.ts';

const PATH = 'bronze/p/input.csv';
const AT = '2026-11-22T10:00:00.000Z';
const deed = { by: 'ada', at: AT, reason: 'typed wrong' };
const tables = (mode = 'append') => ({
  silver: { mode, minRows: 0, expect: [{ name: 'small', check: 'amount < 100', onFail: 'quarantine' }] },
});
const pipelineWith = (mode = 'append', parts: object = {}) =>
  pipelineOf({ source: { badRows: 'quarantine' }, tables: tables(mode), ...parts });
/** Good: 1. Set aside: line 3 (form), line 4 (type), line 5 (rule), in this order as rows 1, 2, 3. */
const CONTENT = `${HEADER}${rowsOf(1)}2,cut short\nx,"a, b",2024-01-01T10:00:00Z,2\n4,large,2024-01-01T10:00:00Z,400\n`;

async function opened(pipeline: PipelineVersion = pipelineWith(), content = CONTENT, cases: CaseStore = createMemoryCaseStore()) {
  const rig = await makeRig();
  const key = sha256('run');
  const files = [await rig.land(PATH, content)];
  const refined = await rig.engine.refine({ pipeline, key, container: rig.name, files });
  const one = caseOf({ pipeline: 'p', contractDigest: pipeline.digest, key, runId: null, refined, at: AT, by: 'sluice' })!;
  await cases.open(one);
  const store = createMemoryStore();
  const quarantine = (state: CaseStore = cases) => {
    const options = { blobService: rig.service, lakeContainer: rig.name, workDir: rig.workDir, memoryLimit: '256MB', threads: 1 };
    return createQuarantineCases({ workshop: createWorkshop(options), cases: state, store });
  };
  return { rig, pipeline, id: one.caseId, cases, quarantine: quarantine(), again: quarantine };
}

const ids = async (rig: Rig, root = 'silver/p/rows/') =>
  (await judgeTable(rig.container, root)).rows.map((row) => Number(row['id'])).sort((a, b) => a - b);

describe('a case', () => {
  it('shows its rows in pages, with values where the row has them', async () => {
    const { quarantine, pipeline, id } = await opened();

    const first = await quarantine.show(pipeline, id, { after: 0, limit: 2 });
    const second = await quarantine.show(pipeline, id, { after: first.next!, limit: 2 });

    expect(first.rows.map(({ row, layer, rule, file, line, values }) => [row, layer, rule, file, line, values])).toEqual([
      [1, 'bronze', 'row-shape', PATH, 3, null],
      [2, 'bronze', 'type:id', PATH, 4, { id: 'x', name: 'a, b', at: '2024-01-01T10:00:00Z', amount: '2' }],
    ]);
    expect(second.rows.map(({ row, layer, rule, reason }) => [row, layer, rule, reason])).toEqual([
      [3, 'silver', 'small', 'not true: amount < 100'],
    ]);
    expect(second.next).toBeNull();
  });

  it('gives its rows as a file that can be corrected and brought back', async () => {
    const { quarantine, pipeline, id } = await opened();

    expect(Buffer.from(await quarantine.download(pipeline, id)).toString()).toBe(
      '_row,id,name,at,amount\n1,2,cut short\n2,x,"a, b",2024-01-01T10:00:00Z,2\n3,4,large,2024-01-01T10:00:00Z,400\n',
    );
  });

  it('has an owner, a deadline and an answer to the question of training again', async () => {
    const { quarantine, pipeline, id } = await opened();
    await quarantine.assign(id, { owner: 'grace' }, deed);
    await quarantine.fix(pipeline, id, Buffer.from('_row,id,name,at,amount\n2,5,b,,2\n'), deed);

    const answered = await quarantine.answerRetrain(id, 'no', deed);

    expect(answered).toMatchObject({ owner: 'grace', retrain: 'no', openRows: 2, state: 'open' });
    expect(await quarantine.list({ limit: 10, pipeline: 'p' })).toEqual([answered]);
    await expect(quarantine.get('q-p-0000000000000000')).rejects.toMatchObject({ code: 'case-unknown' });
  });
});

describe('a fix', () => {
  it('takes the rows that are right now into silver and gold, and leaves the others with new reasons', async () => {
    const { rig, quarantine, pipeline, id } = await opened();
    const file = '_row,id,name,at,amount\n3,4,large,,40\n1,2,"whole\nnow",,2\n2,y,still,,2\n';

    const done = await quarantine.fix(pipeline, id, Buffer.from(file), deed);

    expect(done).toMatchObject({
      resolvedRows: 2,
      merge: { addedRows: 2, silverVersion: 1, goldVersion: 1 },
      case: { openRows: 1, revision: 1, retrain: 'pending' },
    });
    expect(done.stillBad.map(({ row, rule, reason }) => [row, rule, reason])).toEqual([
      [2, 'type:id', expect.stringContaining('holds "y"')],
    ]);
    expect(await ids(rig)).toEqual([1, 2, 4]);
    expect(await ids(rig, 'gold/p/training/')).toEqual([1, 2, 4]);
    const { rows } = await quarantine.show(pipeline, id, { after: 0, limit: 10 });
    expect(rows.map(({ row, file: from, line, raw, reason }) => [row, from, line, raw, reason])).toEqual([
      [2, PATH, 4, 'y,still,,2', expect.stringContaining('holds "y"')],
    ]);
    expect((await judgeTable(rig.container, 'quarantine/p/rows/')).problems).toEqual([]);
  });

  it('closes the case with its last row, also without numbers when all rows are there', async () => {
    const { rig, quarantine, pipeline, id } = await opened();

    const done = await quarantine.fix(pipeline, id, Buffer.from(`${HEADER}2,a,,2\n3,b,,3\n4,c,,4\n`), deed);

    expect(done.case).toMatchObject({ state: 'closed', openRows: 0 });
    expect(await ids(rig)).toEqual([1, 2, 3, 4]);
    await expect(quarantine.fix(pipeline, id, Buffer.from(`${HEADER}9,a,,2\n`), deed)).rejects.toMatchObject({ code: 'case-closed' });
  });

  it.each([
    ['another header', 'id,nome,at,amount\n2,a,,2\n', 'wrong-header'],
    ['a row that is not open', '_row,id,name,at,amount\n7,2,a,,2\n', 'case-row-unknown'],
    ['no number', '_row,id,name,at,amount\nx,2,a,,2\n', 'case-row-unknown'],
    ['a row twice', '_row,id,name,at,amount\n1,2,a,,2\n1,3,b,,2\n', 'case-row-twice'],
    ['too few rows to tell', `${HEADER}2,a,,2\n`, 'case-rows-differ'],
    ['another encoding', Buffer.from([0x93, 0x2c]), 'not-utf8'],
    ['nothing', '', 'no-rows'],
  ])('is refused whole, and leaves the case as it was: %s', async (_, content, code) => {
    const { quarantine, pipeline, id, cases } = await opened();
    const before = await cases.get(id);

    await expect(quarantine.fix(pipeline, id, Buffer.from(content as string), deed)).rejects.toMatchObject({ code });

    expect(await cases.get(id)).toEqual(before);
  });

  it('merges by key where silver merges, and adds where every dataset replaces silver', async () => {
    for (const mode of ['merge(id)', 'overwrite']) {
      const { rig, quarantine, pipeline, id } = await opened(pipelineWith(mode));

      await quarantine.fix(pipeline, id, Buffer.from('_row,id,name,at,amount\n2,1,replaced,,2\n3,7,new,,2\n'), deed);

      expect(await ids(rig)).toEqual(mode === 'overwrite' ? [1, 1, 7] : [1, 7]);
    }
  });

  it('is not done twice when it is asked twice, nor half when it is cut off anywhere', async () => {
    const file = Buffer.from('_row,id,name,at,amount\n2,5,b,,2\n3,6,c,,3\n');
    // The case is written before the commits and after them: cut off at each.
    for (const cut of [1, 2]) {
      const cases = createMemoryCaseStore();
      const { rig, pipeline, id, again } = await opened(pipelineWith(), CONTENT, cases);
      let writes = 0;
      const dying: CaseStore = {
        ...cases,
        change: async (caseId, change) => {
          writes += 1;
          if (writes === cut && cut === 2) throw new Error('killed');
          const changed = await cases.change(caseId, change);
          if (writes === cut) throw new Error('killed');
          return changed;
        },
      };
      await expect(again(dying).fix(pipeline, id, file, deed)).rejects.toThrow('killed');
      const other = Buffer.from('_row,id,name,at,amount\n2,8,x,,2\n');
      await expect(again().fix(pipeline, id, other, deed)).rejects.toMatchObject({ code: 'case-busy' });

      const done = await again().resume(pipeline, id, AT);
      const repeated = await again().fix(pipeline, id, file, deed);

      expect(done).toMatchObject({ resolvedRows: 2, case: { openRows: 1, revision: 1, pending: null } });
      expect(repeated.merge).toEqual(done!.merge);
      expect(await ids(rig)).toEqual([1, 5, 6]);
      expect((await judgeTable(rig.container, 'silver/p/rows/')).versions).toBe(2);
      expect(await again().resume(pipeline, id, AT)).toBeNull();
    }
  });

  it('needs one source and rows that stand for themselves', async () => {
    const grouped = pipelineWith('append', {
      silver: 'SELECT name, count(*) AS id, max(CAST(amount AS DOUBLE)) AS amount FROM bronze GROUP BY name',
      gold: 'SELECT * FROM silver',
    });
    const { quarantine, id } = await opened(grouped);
    const two = {
      ...grouped,
      spec: { ...grouped.spec, sources: [...grouped.spec.sources, { ...grouped.spec.sources[0]!, name: 'other' }] },
    };

    await expect(quarantine.fix(two, id, Buffer.from('x'), deed)).rejects.toMatchObject({ code: 'fix-unsupported' });
    const large = Buffer.from('_row,id,name,at,amount\n1,2,a,,200\n');
    await expect(quarantine.fix(grouped, id, large, deed)).rejects.toMatchObject({ code: 'fix-unsupported' });
  });
});

describe('a release', () => {
  it('takes rows as they are, against the rule that they broke', async () => {
    const { rig, quarantine, pipeline, id } = await opened();

    const done = await quarantine.release(pipeline, id, [3], deed);

    expect(done).toMatchObject({ resolvedRows: 1, merge: { resolution: 'release', addedRows: 1 }, case: { openRows: 2 } });
    expect(await ids(rig)).toEqual([1, 4]);
    expect((await quarantine.show(pipeline, id, { after: 0, limit: 10 })).rows.map(({ row }) => row)).toEqual([1, 2]);
    expect((await quarantine.release(pipeline, id, [3], deed)).merge).toEqual(done.merge);
    expect(await ids(rig)).toEqual([1, 4]);
  });

  it.each([
    ['rows of the wrong form', [1], /row 1 \(bronze, rule row-shape\): it is not of the declared form or type/],
    ['rows of the wrong type', 'all' as const, /row 1 \(bronze/],
  ])('is not for %s', async (_, rows, words) => {
    const { quarantine, pipeline, id } = await opened();

    await expect(quarantine.release(pipeline, id, rows, deed)).rejects.toMatchObject({
      code: 'not-releasable',
      message: expect.stringMatching(words) as string,
    });
    await expect(quarantine.release(pipeline, id, [9], deed)).rejects.toMatchObject({ code: 'case-row-unknown' });
  });

  it('still needs what a merge needs', async () => {
    // Rows that a rule sets aside do not count among the keys of those that stay.
    const twice = `${HEADER}1,a,,400\n1,b,,500\n2,c,,600\n${rowsOf(1, 9)}`;
    const { rig, quarantine, pipeline, id } = await opened(pipelineWith('merge(id)'), twice);

    const done = await quarantine.release(pipeline, id, 'all', deed);

    expect(done).toMatchObject({ resolvedRows: 1, case: { openRows: 2 } });
    expect(done.stillBad.map(({ row, rule }) => [row, rule])).toEqual([
      [1, 'key-unique'],
      [2, 'key-unique'],
    ]);
    expect(await ids(rig)).toEqual([2, 9]);
  });
});

describe('rows that are given up', () => {
  it('leave the case and come nowhere; all of them close it, once', async () => {
    const { rig, quarantine, pipeline, id } = await opened();
    const before = await rig.names('silver/');

    const some = await quarantine.discard(pipeline, id, [1], deed);
    const rest = await quarantine.discard(pipeline, id, 'all', deed);
    const again = await quarantine.discard(pipeline, id, 'all', deed);

    expect(some.case).toMatchObject({ openRows: 2, retrain: 'not-asked' });
    expect(rest.case).toMatchObject({ state: 'closed', openRows: 0, retrain: 'not-asked' } satisfies Partial<QuarantineCase>);
    expect(again.merge).toEqual(rest.merge);
    expect(await rig.names('silver/')).toEqual(before);
  });
});

describe('several cases', () => {
  it('stand in one table and do not see each other', async () => {
    const { rig, quarantine, pipeline, id, cases } = await opened();
    const key = sha256('other run');
    const files = [await rig.land('bronze/p/b.csv', `${HEADER}50,b,,5000\n`)];
    const refined = await rig.engine.refine({ pipeline, key, container: rig.name, files });
    const other = caseOf({ pipeline: 'p', contractDigest: pipeline.digest, key, runId: null, refined, at: AT, by: 'sluice' })!;
    await cases.open(other);

    expect((await quarantine.show(pipeline, other.caseId, { after: 0, limit: 10 })).rows.map(({ row, line }) => [row, line])).toEqual([
      [1, 2],
    ]);
    await quarantine.release(pipeline, other.caseId, 'all', deed);
    expect((await quarantine.show(pipeline, id, { after: 0, limit: 10 })).rows).toHaveLength(3);
    await expect(quarantine.show({ ...pipeline, name: 'q' }, id, { after: 0, limit: 1 })).rejects.toMatchObject({ code: 'case-unknown' });
  });
});
