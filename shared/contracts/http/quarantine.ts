// Quarantine over HTTP: rows that were set aside, as cases that people mend, accept or give up; and a person's rows erased for good.
import * as z from 'zod';
import { EraseRequest, ErasureRecord } from '../erasure.ts';
import { LedgerEntry } from '../events.ts';
import { Name } from '../identifiers.ts';
import {
  AssignRequest,
  CaseId,
  CaseListQuery,
  CaseRows,
  CaseRowsQuery,
  FixRequest,
  MAX_FIX_BYTES,
  QuarantineCase,
  ReleaseRequest,
  Resolved,
  RetrainAnswer,
} from '../quarantine.ts';
import { listOf, operation, type Operation } from './operation.ts';

const id = z.strictObject({ id: CaseId });

/** Open rows of a case as a file to correct: `_row`, then the columns of the source. */
export const CaseFile = z.strictObject({ caseId: CaseId, csv: z.string() });

/** The case, and the event that asked for the training where the answer was yes. */
export const RetrainAnswered = z.strictObject({ case: QuarantineCase, entry: LedgerEntry.nullable() });

export const quarantineOperations = {
  listCases: operation({
    method: 'GET',
    path: 'quarantine',
    access: 'reader',
    summary: 'List quarantine cases: open ones first, the newest first',
    query: CaseListQuery,
    answer: listOf(QuarantineCase),
  }),
  getCase: operation({
    method: 'GET',
    path: 'quarantine/{id}',
    access: 'operator',
    summary: 'Read a case and its open rows; rows are data, so this needs more than a reader',
    params: id,
    query: CaseRowsQuery,
    answer: CaseRows,
  }),
  getCaseFile: operation({
    method: 'GET',
    path: 'quarantine/{id}/file',
    access: 'operator',
    summary: 'Get the open rows of a case as CSV, to be corrected and sent back',
    params: id,
    answer: CaseFile,
  }),
  assignCase: operation({
    method: 'POST',
    path: 'quarantine/{id}/assign',
    access: 'operator',
    summary: 'Give a case an owner, a deadline, or both',
    params: id,
    body: AssignRequest,
    answer: QuarantineCase,
  }),
  fixCase: operation({
    method: 'POST',
    path: 'quarantine/{id}/fix',
    access: 'operator',
    summary: 'Send corrected rows: those that keep the rules now go into silver and gold, the others stay open',
    params: id,
    query: FixRequest,
    upload: { maxBytes: MAX_FIX_BYTES },
    answer: Resolved,
  }),
  releaseCase: operation({
    method: 'POST',
    path: 'quarantine/{id}/release',
    access: 'approver',
    summary: 'Accept rows as they are, against the rules that they broke',
    params: id,
    body: ReleaseRequest,
    answer: Resolved,
  }),
  discardCase: operation({
    method: 'POST',
    path: 'quarantine/{id}/discard',
    access: 'operator',
    summary: 'Give rows up: they stay in the history of quarantine and nowhere else',
    params: id,
    body: ReleaseRequest,
    answer: Resolved,
  }),
  resumeCase: operation({
    method: 'POST',
    path: 'quarantine/{id}/resume',
    access: 'operator',
    summary: 'End work on a case that was cut off',
    params: id,
    answer: z.strictObject({ resolved: Resolved.nullable().describe('null: nothing was cut off') }),
  }),
  answerRetrain: operation({
    method: 'POST',
    path: 'quarantine/{id}/retrain',
    access: 'operator',
    summary: 'Answer whether to train again after rows came into gold; yes starts a training on the gold that is there',
    params: id,
    body: RetrainAnswer,
    answer: RetrainAnswered,
    durable: true,
  }),
  eraseRows: operation({
    method: 'POST',
    path: 'pipelines/{name}/erase',
    access: 'approver',
    summary: 'Remove a person’s rows from silver, gold, quarantine and golden requests for good; a record without the value stays',
    params: z.strictObject({ name: Name }),
    body: EraseRequest,
    answer: ErasureRecord,
    idempotencyKey: true,
  }),
  listErasures: operation({
    method: 'GET',
    path: 'pipelines/{name}/erasures',
    access: 'reader',
    summary: 'List the records of erasures, newest first',
    params: z.strictObject({ name: Name }),
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
    answer: listOf(ErasureRecord),
  }),
} satisfies Record<string, Operation>;
