// Whether a refine run failed because of the data: then its files are quarantined as a whole, and nothing of them was committed.
import type { Verdict } from '../contracts/events.ts';
import type { Failure } from '../contracts/runs.ts';

/** Codes that speak of what is in the files; the others speak of SQL, tables, storage or machines. */
const OF_THE_DATA: ReadonlySet<string> = new Set([
  'wrong-header',
  'wrong-schema',
  'not-utf8',
  'wrong-encoding',
  'bad-rows',
  'bad-value',
  'no-rows',
  'empty-file',
  'bad-partition-value',
  'line-too-long',
  'bad-gzip',
  'gzip-bomb',
  'bad-parquet',
  'expectation-failed',
  'merge-duplicate-key',
  'merge-null-key',
  'null-not-allowed',
  'too-few-rows',
  'too-many-rows',
  'value-out-of-range',
  'row-too-long',
  'manifest-invalid',
]);

/** null when the data is not at fault: once that is mended, the run can be tried again. */
export function dataFailure(failure: Failure, runId: string | null): Verdict | null {
  if (!OF_THE_DATA.has(failure.code)) return null;
  const reason = `${failure.message.slice(0, 1700).replace(/\.$/, '')}. Nothing of it was committed; correct it and write it again`;
  return { kind: 'quarantined', rule: failure.code, reason, evidence: { run: runId, failure: failure.code } };
}
