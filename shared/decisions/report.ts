// Is a run report one that may be believed? Everything that is wrong with it is said; nothing is guessed.
import { type GoldenSet, type ModelDescription, RunReport } from '../contracts/run-report.ts';
import { RejectedError } from '../errors/errors.ts';
import { digestOfFiles } from './digest.ts';

/** A report of success, with or without a model: there, JSON without NaN, protocol 1, succeeded. */
export function believableReport(runId: string, bytes: Uint8Array | null): RunReport {
  const report = parsedReport(runId, bytes);
  if (report.status === 'failed') {
    throw new RejectedError('component-failed', `The component ${report.component.name} of ${runId} failed: ${errorOf(report)}`);
  }
  const problem = report.golden && problemOf(report.golden);
  if (problem) throw new RejectedError('report-invalid', `The golden set of ${runId} ${problem}`);
  return report;
}

/** What keeps a golden set from being compared row by row, or null. */
function problemOf({ columns, rows, predictions }: GoldenSet): string | null {
  if (rows.length !== predictions.length) return `has ${rows.length} rows and ${predictions.length} predictions`;
  const kinds = new Set(predictions.map((one) => ('value' in one ? 'numbers' : 'classes')));
  if (kinds.size > 1) return 'expects numbers for some rows and classes for others; a model answers with one of the two';
  const odd = columns ? rows.findIndex((row) => row.length !== columns.length) : -1;
  return columns && odd >= 0 ? `names ${columns.length} columns, its row ${odd} has ${rows[odd]?.length ?? 0} values` : null;
}

/** Checks the bytes of a run report, and that it describes a model whose digest is that of its files. */
export function readableReport(runId: string, bytes: Uint8Array | null): RunReport & { model: ModelDescription } {
  const report = believableReport(runId, bytes);
  const model = report.model;
  if (!model) throw new RejectedError('model-missing', `The run report of ${runId} names no model`);
  if (digestOfFiles(model.files) !== model.digest) {
    throw new RejectedError(
      'model-digest-wrong',
      `The run report of ${runId} gives model digest ${model.digest.slice(0, 12)}, its file list gives another; nothing was registered`,
    );
  }
  return { ...report, model };
}

/** The archive in the store must be the one that the report describes, and the report must describe one. */
export function checkArchive(
  runId: string,
  report: Pick<RunReport, 'artifacts'> & { model: ModelDescription },
  found: { sha256: string; bytes: number } | null,
): void {
  const { archive } = report.model;
  const listed = report.artifacts.find(({ path }) => path === archive.path);
  if (listed && (listed.sha256 !== archive.sha256 || listed.bytes !== archive.bytes)) {
    throw new RejectedError(
      'archive-digest-wrong',
      `The run report of ${runId} describes ${archive.path} twice, with different digests; nothing was registered`,
    );
  }
  if (!found) {
    throw new RejectedError(
      'archive-missing',
      `The job of ${runId} left a report, but no model archive in the store; look whether its export ended`,
    );
  }
  if (found.sha256 === archive.sha256 && found.bytes === archive.bytes) return;
  throw new RejectedError(
    'archive-digest-wrong',
    `The archive of ${runId} in the store has SHA-256 ${found.sha256.slice(0, 12)} and ${found.bytes} bytes, its report says ${archive.sha256.slice(0, 12)} and ${archive.bytes}; ` +
      'nothing was registered. Find out who wrote it, then try the run again',
  );
}

/** What a component that failed says about it; null when the bytes are no report of a failure. */
export function failureIn(bytes: Uint8Array | null): string | null {
  try {
    const report = parsedReport('any', bytes);
    return report.status === 'failed' ? `${report.component.name}: ${errorOf(report)}` : null;
  } catch (error) {
    if (error instanceof RejectedError) return null;
    throw error;
  }
}

function errorOf(report: RunReport): string {
  return report.error ? `${report.error.code}: ${report.error.message}` : 'it gave no reason';
}

function parsedReport(runId: string, bytes: Uint8Array | null): RunReport {
  if (!bytes)
    throw new RejectedError(
      'report-missing',
      `The job of ${runId} ended without leaving run-report.json; its component must write one, last`,
    );
  const value = parseJson(runId, bytes);
  refuseOtherProtocol(runId, value);
  if (hasNonFinite(value)) throw notFinite(runId);
  const parsed = RunReport.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RejectedError(
    'report-invalid',
    `The run report of ${runId} is not what protocol 1 says: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unreadable'}`,
  );
}

function parseJson(runId: string, bytes: Uint8Array): unknown {
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text);
  } catch (cause) {
    if (/[:[,]\s*-?(NaN|Infinity)\b/.test(text)) throw notFinite(runId);
    throw new RejectedError('report-invalid', `The run report of ${runId} is not JSON in UTF-8`, { cause });
  }
}

function refuseOtherProtocol(runId: string, value: unknown): void {
  const protocol = typeof value === 'object' && value !== null && 'protocol' in value ? value.protocol : undefined;
  if (protocol === undefined || protocol === 1) return;
  const mend = 'use the protocol package that came with this Sluice, or update Sluice';
  throw new RejectedError(
    'report-protocol',
    `The run report of ${runId} is of protocol ${JSON.stringify(protocol)?.slice(0, 40)}, this is protocol 1; ${mend}`,
  );
}

/** JSON has no word for NaN, but `1e999` is read as infinity. */
function hasNonFinite(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasNonFinite);
}

function notFinite(runId: string): RejectedError {
  return new RejectedError('report-not-finite', `The run report of ${runId} holds NaN or an infinite number; a gate must never see one`);
}
