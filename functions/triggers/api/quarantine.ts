// Quarantine over HTTP: cases are read, mended, accepted or given up; every deed is in the audit log, beside the case's own history.
import { isStorageEvent, type SignalEvent } from '../../../shared/contracts/events.ts';
import { type Operations } from '../../../shared/contracts/http-api.ts';
import type { QuarantineCase, Resolved } from '../../../shared/contracts/quarantine.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { Deed } from '../../../shared/ports/quarantine.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';
import { type CaseVersion, versionOfCase } from './case-version.ts';
import { allOf } from './measured.ts';

type Served =
  'listCases' | 'getCase' | 'getCaseFile' | 'assignCase' | 'fixCase' | 'releaseCase' | 'discardCase' | 'resumeCase' | 'answerRetrain';
type OfCase = Pick<ApiCall<Operations['getCase']>, 'params' | 'require' | 'caller'>;

export function quarantineHandlers(deps: ApiDeps): Handlers<Served> {
  const { cases } = deps;

  /** The case and its pipeline: the present rules are those that rows are held to. */
  async function known({ params, require }: OfCase, role: 'operator' | 'approver'): Promise<{ one: QuarantineCase } & CaseVersion> {
    const one = await cases.get(params.id);
    require(role, { pipeline: one.pipeline });
    return { one, ...(await versionOfCase(deps, one)) };
  }

  /** Rows go into the tables that the pipeline makes now, so they must be rows of these. */
  async function mergeable(call: OfCase, role: 'operator' | 'approver'): Promise<{ one: QuarantineCase } & CaseVersion> {
    const found = await known(call, role);
    if (found.formerTable === null) return found;
    const { caseId, pipeline } = found.one;
    const mend = `write them into a file that lands, then: sluice quarantine discard ${caseId} --rows all --reason TEXT`;
    const detail = `${caseId}: its rows are of the silver table "${found.formerTable}", which pipeline ${pipeline} makes no more; ${mend}`;
    throw new UserError(409, 'case-table-former', detail);
  }

  function deedOf({ caller }: OfCase, reason: string): Deed {
    return { by: caller.name.slice(0, 200), at: deps.now().toISOString(), reason };
  }

  async function audit(action: string, caseId: string, { by, at, reason }: Deed, what: string): Promise<void> {
    await deps.audit.record({ at, actor: by, action, subject: caseId, detail: `${what}: ${reason}` });
  }

  async function told(action: string, deed: Deed, work: Promise<Resolved>): Promise<{ body: Resolved }> {
    const done = await work;
    const { case: after, resolvedRows, merge } = done;
    const what = `${resolvedRows} rows, ${merge.addedRows} into silver v${merge.silverVersion ?? '-'}, ${after.openRows} still open`;
    await audit(action, after.caseId, deed, what);
    return { body: done };
  }

  return {
    async listCases({ query, may }) {
      const items = await cases.list(query);
      return { body: { items: items.filter(({ pipeline }) => may('reader', { pipeline })) } };
    },

    async getCase(call) {
      const { one, version } = await known(call, 'operator');
      return { body: await cases.show(version, one.caseId, call.query) };
    },

    async getCaseFile(call) {
      const { one, version } = await known(call, 'operator');
      return { body: { caseId: one.caseId, csv: Buffer.from(await cases.download(version, one.caseId)).toString('utf8') } };
    },

    async assignCase(call) {
      const { one } = await known(call, 'operator');
      const deed = deedOf(call, '');
      const after = await cases.assign(one.caseId, call.body, deed);
      await audit('quarantine.assign', one.caseId, deed, `to ${after.owner ?? 'nobody'}, due ${after.due ?? 'never'}`);
      return { body: after };
    },

    async fixCase(call) {
      const { one, version } = await mergeable(call, 'operator');
      if (call.upload === null)
        throw new UserError(400, 'fix-empty', 'Send the corrected rows as the body of the request: CSV with a header');
      const deed = deedOf(call, call.query.reason);
      return told('quarantine.fix', deed, cases.fix(version, one.caseId, await allOf(call.upload), deed));
    },

    async releaseCase(call) {
      const { one, version } = await mergeable(call, 'approver');
      const deed = deedOf(call, call.body.reason);
      return told('quarantine.release', deed, cases.release(version, one.caseId, call.body.rows, deed));
    },

    async discardCase(call) {
      const { one, version } = await known(call, 'operator');
      const deed = deedOf(call, call.body.reason);
      return told('quarantine.discard', deed, cases.discard(version, one.caseId, call.body.rows, deed));
    },

    async resumeCase(call) {
      const { one, version } = await known(call, 'operator');
      const deed = deedOf(call, 'work that was cut off');
      const resolved = await cases.resume(version, one.caseId, deed.at);
      if (resolved) await audit('quarantine.resume', one.caseId, deed, `${resolved.resolvedRows} rows`);
      return { body: { resolved } };
    },

    async answerRetrain(call) {
      const { one } = await known(call, 'operator');
      const { retrain, reason } = call.body;
      const deed = deedOf(call, reason);
      const after = await cases.answerRetrain(one.caseId, retrain, deed);
      const event = retrain === 'yes' ? wish(after, deed) : null;
      const taken = event && (await deps.intake.takeSignal(event, call.starter(), call.log, { foundBy: 'http', chain: [] }));
      await audit('quarantine.answer', one.caseId, deed, `train again: ${retrain}`);
      return { body: { case: after, entry: taken && (isStorageEvent(taken.entry.event) ? null : taken.entry) } };
    },
  };
}

/** One wish for each revision of the case: yes said twice trains once. */
function wish({ caseId, pipeline, revision }: QuarantineCase, { at, reason }: Deed): SignalEvent {
  const data = { case: caseId, reason: `Rows of ${caseId} came into gold: ${reason}`.slice(0, 1000) };
  return { source: '/sluice/quarantine', id: `${caseId}/${revision}`, kind: 'http', subject: pipeline, time: at, data };
}
