// Port `CaseStore` in memory, under the same contract suite as the table.
import type { QuarantineCase } from '../../contracts/quarantine.ts';
import { isOverdue } from '../../decisions/quarantine.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { CaseStore } from '../../ports/quarantine.ts';
import { createKept, newestFirst } from './kept.ts';

export function createMemoryCaseStore(): CaseStore {
  const cases = createKept<QuarantineCase>();
  return {
    async open(opened) {
      if (!cases.get(opened.caseId)) cases.set(opened.caseId, opened);
      return cases.get(opened.caseId)!;
    },
    async get(caseId) {
      return cases.get(caseId);
    },
    async list({ pipeline, state, overdueAt, limit }) {
      const wanted = cases
        .all()
        .filter(
          (each) =>
            (pipeline === undefined || each.pipeline === pipeline) &&
            (state === undefined || each.state === state) &&
            (overdueAt === undefined || isOverdue(each, overdueAt)),
        );
      const sorted = newestFirst(
        wanted,
        (each) => each.openedAt,
        (each) => each.caseId,
      );
      return [...sorted.filter((each) => each.state === 'open'), ...sorted.filter((each) => each.state === 'closed')].slice(0, limit);
    },
    async change(caseId, change) {
      const current = cases.get(caseId);
      if (!current) throw new RejectedError('case-unknown', `There is no quarantine case ${caseId}`);
      cases.set(caseId, change(current));
      return cases.get(caseId)!;
    },
  };
}
