// The verdict that a planned file would have in the end: what the way in says, then what its stories would say of the dataset.
import type { Verdict } from '../contracts/events.ts';
import { overBudget } from './breaker.ts';
import type { Admission } from './breaker.ts';
import { dataFailure } from './data-failure.ts';

export interface PlannedFacts {
  /** Of the way in. */
  judged: Verdict;
  taken: boolean;
  dataset: { window: string | null; state: 'complete' | 'later' | 'waiting'; files: number; how: string; rule: string };
  /** Why a manifest cannot be used. */
  problem: string | null;
  /** Sources that keep it waiting. */
  missing: readonly string[];
  admission: Admission;
  /** The run that did this work already. */
  doneBy: string | null;
  /** The rejection that refining would end with. */
  refused: { code: string; message: string } | null;
}

/** `starts`: a refine run would be started, whatever becomes of it. */
export function plannedVerdict(facts: PlannedFacts): { verdict: Verdict; starts: boolean } {
  const { judged, taken, dataset, problem, missing, admission, doneBy, refused } = facts;
  const no = (verdict: Verdict) => ({ verdict, starts: false });
  const of = (kind: Verdict['kind'], rule: string, reason: string, evidence: Verdict['evidence'] = {}): Verdict => ({
    kind,
    rule,
    reason: reason.slice(0, 2000),
    evidence,
  });
  if (!taken) return no(judged);
  if (problem !== null) return no(of('quarantined', 'manifest-invalid', `The manifest cannot be used: ${problem}`));
  if (dataset.state !== 'complete') {
    const evidence = { window: dataset.window, waitingFor: dataset.how.slice(0, 1200) };
    return no(of('incomplete', 'waiting', `It would be collected into ${dataset.window}: ${dataset.how}`, evidence));
  }
  if (missing.length > 0) {
    const reason = `Its own source would be complete (${dataset.how}); the dataset would wait for ${missing.join('; ')}`;
    return no(of('incomplete', 'waiting-for-source', reason, { window: dataset.window }));
  }
  if (doneBy !== null)
    return no(of('duplicate', 'same-content', `The same content landed before: ${doneBy} has this work`, { run: doneBy }));
  if (!admission.admitted) return no(overBudget(admission, null));
  const failed = refused && dataFailure(refused, null);
  if (failed) return { verdict: failed, starts: true };
  if (dataset.window === null) return { verdict: judged, starts: true };
  const evidence = { rule: dataset.rule.slice(0, 200), how: dataset.how.slice(0, 1200), files: dataset.files };
  return { verdict: of('accepted', 'dataset-closed', `The dataset would be complete: ${dataset.how}`, evidence), starts: true };
}
