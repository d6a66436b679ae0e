// Rows that were set aside, as cases that people work on.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { CaseListQuery, CaseRows, CaseRowsQuery, QuarantineCase, Resolved } from '../contracts/quarantine.ts';

/** The state of cases. */
export interface CaseStore {
  /** Insert-if-absent: the first stays, and is given back. */
  open(opened: QuarantineCase): Promise<QuarantineCase>;
  get(caseId: string): Promise<QuarantineCase | null>;
  /** Open cases first, then closed ones; in both the newest first. */
  list(query: CaseListQuery): Promise<QuarantineCase[]>;
  /**
   * Replaces a case by what `change` makes of it; again on the newer state when somebody else changed it meanwhile, so `change` must
   * be pure. Unknown: RejectedError `case-unknown`.
   */
  change(caseId: string, change: (current: QuarantineCase) => QuarantineCase): Promise<QuarantineCase>;
}

/** Who does something to a case, when, and why. */
export interface Deed {
  by: string;
  at: string;
  reason: string;
}

/**
 * Work on the rows of cases. Every resolution commits silver and gold at most once, whatever is repeated, and leaves each row either
 * resolved or open with its reasons. Unknown case: RejectedError `case-unknown`; closed: `case-closed`; other work has begun: `case-busy`.
 */
export interface QuarantineCases {
  list(query: CaseListQuery): Promise<QuarantineCase[]>;
  get(caseId: string): Promise<QuarantineCase>;
  /** Open rows of a case, by their numbers. */
  show(pipeline: PipelineVersion, caseId: string, query: CaseRowsQuery): Promise<CaseRows>;
  /** Open rows as a CSV file to correct: `_row`, then the columns of the source. Rows that cannot be told apart into columns are left out. */
  download(pipeline: PipelineVersion, caseId: string): Promise<Uint8Array>;
  /**
   * Takes corrected rows: CSV with the source's header and `_row` before it; without `_row` it must hold as many rows as are open, in
   * their order. They go through the same rules; the good ones into silver and gold, the others stay open with their new reasons.
   * Rejects `wrong-header`, `case-row-unknown`, `case-row-twice`, `case-rows-differ`, `fix-unsupported`.
   */
  fix(pipeline: PipelineVersion, caseId: string, content: Uint8Array, deed: Deed): Promise<Resolved>;
  /** Accepts rows as they are, against the rules that they broke. Rows of the wrong form or type cannot be: `not-releasable`. */
  release(pipeline: PipelineVersion, caseId: string, rows: 'all' | readonly number[], deed: Deed): Promise<Resolved>;
  /** Gives rows up: they stay in quarantine's history and nowhere else. */
  discard(pipeline: PipelineVersion, caseId: string, rows: 'all' | readonly number[], deed: Deed): Promise<Resolved>;
  /** Ends work that was cut off. null: there was none. */
  resume(pipeline: PipelineVersion, caseId: string, at: string): Promise<Resolved | null>;
  assign(
    caseId: string,
    change: { owner?: string | null | undefined; due?: string | null | undefined },
    deed: Deed,
  ): Promise<QuarantineCase>;
  /** Counts the open rows anew after rows of persons were erased; a case without any is closed. */
  recount(pipeline: PipelineVersion, caseId: string, deed: Deed): Promise<QuarantineCase>;
  answerRetrain(caseId: string, retrain: 'yes' | 'no', deed: Deed): Promise<QuarantineCase>;
}
