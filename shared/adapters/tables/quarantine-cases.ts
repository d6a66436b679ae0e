// Quarantine cases in table `quarantine`.
//   PK pipeline, RK case id      the record; `state` and `openedAt` stand beside it for queries
// A pipeline has few cases and most are closed, so a list reads its partition (or the table) by state and sorts what it finds.
import { QuarantineCase } from '../../contracts/quarantine.ts';
import { isOverdue, pipelineOfCase } from '../../decisions/quarantine.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { CaseStore } from '../../ports/quarantine.ts';
import { untilUncontended } from './contention.ts';
import { pack, unpack } from './row.ts';
import type { NewRow, Table } from './table.ts';

/** Cases of one state that a list looks at; beyond it the oldest are not shown. */
const MOST = 5000;
const EVERY = { from: 'a', to: '~' };

export function createCaseStore(table: Table): CaseStore {
  async function ofState(state: 'open' | 'closed', pipeline: string | undefined): Promise<QuarantineCase[]> {
    const rows = await table.range(pipeline ?? EVERY, null, MOST, { state });
    const cases = rows.map((row) => unpack(row, QuarantineCase));
    return cases.sort((a, b) => Date.parse(b.openedAt) - Date.parse(a.openedAt) || (a.caseId < b.caseId ? -1 : 1));
  }

  return {
    async open(opened) {
      if ((await table.insert(rowOf(opened))) === 'inserted') return opened;
      const row = await table.get(opened.pipeline, opened.caseId);
      return row ? unpack(row, QuarantineCase) : opened;
    },

    async get(caseId) {
      const pipeline = pipelineOfCase(caseId);
      const row = pipeline === null ? null : await table.get(pipeline, caseId);
      return row && unpack(row, QuarantineCase);
    },

    async list({ pipeline, state, overdueAt, limit }) {
      const found: QuarantineCase[] = [];
      for (const each of state === undefined ? (['open', 'closed'] as const) : [state]) {
        if (found.length >= limit || (overdueAt !== undefined && each === 'closed')) break;
        const cases = await ofState(each, pipeline);
        found.push(...cases.filter((one) => overdueAt === undefined || isOverdue(one, overdueAt)));
      }
      return found.slice(0, limit);
    },

    async change(caseId, change) {
      return untilUncontended(`Case ${caseId}`, async () => {
        const pipeline = pipelineOfCase(caseId);
        const row = pipeline === null ? null : await table.get(pipeline, caseId);
        if (!row) throw new RejectedError('case-unknown', `There is no quarantine case ${caseId}`);
        const changed = change(unpack(row, QuarantineCase));
        return (await table.replace(rowOf(changed), row.etag)) === 'replaced' ? changed : 'contended';
      });
    },
  };
}

function rowOf(one: QuarantineCase): NewRow {
  return { partitionKey: one.pipeline, rowKey: one.caseId, state: one.state, ...pack(one, `Case ${one.caseId}`) };
}
