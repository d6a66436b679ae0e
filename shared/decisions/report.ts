// Is a run report one that may be believed? Everything that is wrong with it is said; nothing is guessed.
import { RunReport, type ModelDescription } from '../contracts/run-report.ts';
import { RejectedError } from '../errors/errors.ts';
import { digestOfFiles } from './digest.ts';

/** Checks the bytes of a run report: there, JSON without NaN, protocol 1, succeeded, with a model whose digest is that of its files. */
export function readableReport(runId: string, bytes: Uint8Array | null): RunReport & { model: ModelDescription } {
  if (!bytes)
    throw new RejectedError(
      'report-missing',
      `The job of ${runId} ended without leaving run-report.json; its component must write one, last`,
    );
  const parsed = RunReport.safeParse(parseJson(runId, bytes));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RejectedError(
      'report-invalid',
      `The run report of ${runId} is not protocol 1: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unreadable'}`,
    );
  }
  const report = parsed.data;
  if (report.status === 'failed') {
    const error = report.error;
    throw new RejectedError(
      'component-failed',
      `The component ${report.component.name} of ${runId} failed: ${error ? `${error.code}: ${error.message}` : 'it gave no reason'}`,
    );
  }
  const model = report.model;
  if (!model) throw new RejectedError('model-missing', `The run report of ${runId} names no model`);
  if (digestOfFiles(model.files) !== model.digest) {
    throw new RejectedError(
      'model-digest-wrong',
      `The run report of ${runId} gives model digest ${model.digest.slice(0, 12)}, its file list gives another; nothing was registered`,
    );
  }
  const golden = report.golden;
  if (golden && golden.rows.length !== golden.predictions.length) {
    throw new RejectedError(
      'report-invalid',
      `The golden set of ${runId} has ${golden.rows.length} rows and ${golden.predictions.length} predictions`,
    );
  }
  return { ...report, model };
}

function parseJson(runId: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RejectedError('report-invalid', `The run report of ${runId} is not JSON in UTF-8 (JSON has no NaN or Infinity)`, { cause });
  }
}
