// What becomes of a quarantine case: opened by a run, changed by deeds, closed with its last row. Pure: the clock is the caller's.
import { caseIdOf, type CaseEvent, type Merge, type PendingWork, type QuarantineCase } from '../contracts/quarantine.ts';
import type { Refined } from '../contracts/tables.ts';
import { RejectedError } from '../errors/errors.ts';

/** Days until a case is due, when nobody says otherwise. */
const DUE_DAYS = 7;
const DAY_MS = 24 * 3600 * 1000;
/** History that is kept: the first event and the newest ones. */
const MAX_HISTORY = 100;
const MAX_MERGES = 100;

interface Deed {
  by: string;
  at: string;
  reason: string;
}

/** The pipeline that a case id names; null when it is no case id. */
export function pipelineOfCase(caseId: string): string | null {
  return /^q-([a-z][a-z0-9-]*)-[0-9a-f]{16}$/.exec(caseId)?.[1] ?? null;
}

/** The case that a run opens; null when it set no row aside. */
export function caseOf(run: {
  pipeline: string;
  contractDigest: string;
  key: string;
  runId: string | null;
  refined: Pick<Refined, 'quarantinedRows' | 'findings'>;
  at: string;
  by: string;
  owner?: string | null;
  dueDays?: number;
}): QuarantineCase | null {
  const { refined, at } = run;
  if (refined.quarantinedRows === 0) return null;
  return {
    caseId: caseIdOf(run.pipeline, run.key),
    pipeline: run.pipeline,
    contractDigest: run.contractDigest,
    key: run.key,
    runId: run.runId,
    state: 'open',
    openedAt: at,
    owner: run.owner ?? null,
    due: new Date(Date.parse(at) + (run.dueDays ?? DUE_DAYS) * DAY_MS).toISOString(),
    rows: refined.quarantinedRows,
    openRows: refined.quarantinedRows,
    revision: 0,
    rules: refined.findings
      .filter(({ action }) => action === 'quarantine')
      .map(({ rule, rows }) => ({ rule, rows }))
      .slice(0, 200),
    pending: null,
    merges: [],
    retrain: 'not-asked',
    history: [{ at, by: run.by, what: 'opened', resolution: null, rows: refined.quarantinedRows, note: '' }],
  };
}

function told(current: QuarantineCase, event: CaseEvent): CaseEvent[] {
  const [first, ...rest] = current.history;
  return [...(first ? [first] : []), ...[...rest, event].slice(1 - MAX_HISTORY)];
}

/** Begins a resolution. The same work again changes nothing; other work meanwhile is `case-busy`. */
export function begun(current: QuarantineCase, work: PendingWork, at: string): QuarantineCase {
  if (current.pending?.key === work.key || current.merges.some(({ key }) => key === work.key)) return current;
  if (current.pending !== null)
    throw new RejectedError(
      'case-busy',
      `${current.caseId}: a ${current.pending.resolution} by ${current.pending.by} has begun and is not through. Mend: wait for it, or resume it.`,
    );
  if (current.state === 'closed')
    throw new RejectedError('case-closed', `${current.caseId}: the case is closed; none of its rows is open.`);
  const event = { at, by: work.by, what: 'began' as const, resolution: work.resolution, rows: 0, note: work.note };
  return { ...current, pending: work, history: told(current, event) };
}

/** Gives up work that turned out to be impossible before anything was committed. */
export function gaveUp(current: QuarantineCase, key: string, deed: Deed): QuarantineCase {
  if (current.pending?.key !== key) return current;
  const event = {
    at: deed.at,
    by: deed.by,
    what: 'gave-up' as const,
    resolution: current.pending.resolution,
    rows: 0,
    note: deed.reason.slice(0, 1000),
  };
  return { ...current, pending: null, history: told(current, event) };
}

/** Ends a resolution: `openRows` are left. The same again changes nothing. */
export function resolved(current: QuarantineCase, merge: Merge, openRows: number, deed: Deed): QuarantineCase {
  if (current.merges.some(({ key }) => key === merge.key)) return current;
  const event = {
    at: deed.at,
    by: deed.by,
    what: 'resolved' as const,
    resolution: merge.resolution,
    rows: merge.rows,
    note: deed.reason.slice(0, 1000),
  };
  const added = merge.addedRows > 0;
  return {
    ...current,
    state: openRows === 0 ? 'closed' : 'open',
    openRows,
    revision: current.revision + 1,
    pending: null,
    merges: [...current.merges, merge].slice(-MAX_MERGES),
    // New rows in gold ask again, whatever was answered for older ones.
    retrain: added ? 'pending' : current.retrain,
    history: told(current, event),
  };
}

export function assigned(
  current: QuarantineCase,
  change: { owner?: string | null | undefined; due?: string | null | undefined },
  deed: Deed,
): QuarantineCase {
  const owner = change.owner === undefined ? current.owner : change.owner;
  const due = change.due === undefined ? current.due : change.due;
  const what = change.owner === undefined ? ('due-changed' as const) : ('assigned' as const);
  const note = [owner === null ? 'nobody' : owner, due === null ? 'no deadline' : `due ${due}`, deed.reason]
    .filter((text) => text !== '')
    .join('; ');
  return {
    ...current,
    owner,
    due,
    history: told(current, { at: deed.at, by: deed.by, what, resolution: null, rows: 0, note: note.slice(0, 1000) }),
  };
}

/** Records the answer to "retrain?". Not asked: RejectedError `retrain-not-asked`; a yes has begun: `retrain-answered`. */
export function retrainAnswered(current: QuarantineCase, retrain: 'yes' | 'no', deed: Deed): QuarantineCase {
  if (current.retrain === retrain) return current;
  if (current.retrain === 'not-asked')
    throw new RejectedError(
      'retrain-not-asked',
      `${current.caseId}: no row of this case came into gold, so there is nothing to train again for.`,
    );
  if (current.retrain === 'yes')
    throw new RejectedError(
      'retrain-answered',
      `${current.caseId}: the answer was yes, and a training was asked for. Mend: look at it with "sluice runs", and cancel it there.`,
    );
  const event = {
    at: deed.at,
    by: deed.by,
    what: 'retrain-answered' as const,
    resolution: null,
    rows: 0,
    note: `${retrain}: ${deed.reason}`.slice(0, 1000),
  };
  return { ...current, retrain, history: told(current, event) };
}

/** Rows left the table without being resolved: a person's rows were erased. The last one closes the case. */
export function recounted(current: QuarantineCase, openRows: number, deed: Deed): QuarantineCase {
  const gone = current.openRows - openRows;
  if (current.state === 'closed' || gone <= 0) return current;
  const event = { at: deed.at, by: deed.by, what: 'erased' as const, resolution: null, rows: gone, note: deed.reason.slice(0, 1000) };
  return { ...current, openRows, state: openRows === 0 ? 'closed' : 'open', history: told(current, event) };
}

/** Open after its deadline. */
export function isOverdue(current: Pick<QuarantineCase, 'state' | 'due'>, now: string): boolean {
  return current.state === 'open' && current.due !== null && Date.parse(current.due) < Date.parse(now);
}
