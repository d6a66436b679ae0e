// What a job's steps said: files of the run's artifacts, read through an address that the service signs (facts/azure.md §2, facts/mlflow.md §9).
// The blob endpoint is asked without a token: the signature is enough, and our token is not for it.
import { plainWords, withoutSignatures } from '../../clients/arm/words.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { Mlflow } from './mlflow.ts';
import { wireKey } from './place.ts';
import { stepsOf } from './translate.ts';
import type { JobBody, MlflowRun } from './wire.ts';

export interface LogReader {
  mlflow: Mlflow;
  fetch: typeof fetch;
  timeoutMs: number;
}

/** A step of a job and the run that it is in MLflow. */
export interface StepRun {
  step: string;
  run: MlflowRun;
}

const MAX_STEPS = 100;
/** Where the program's own words are, and where the service says what became of it. */
const USER_LOG = /^user_logs\/std_log[\w.-]*\.txt$/;
const WRAPPER_LOG = 'system_logs/lifecycler/execution-wrapper.log';

/** The runs of a job's steps, in the order of the steps; a Command job is its own step. [] before the service has made them. */
export async function stepRuns(mlflow: Mlflow, job: JobBody): Promise<StepRun[]> {
  const own = await mlflow.run(job.name);
  if (!own) return [];
  const steps = stepsOf(job);
  if (job.properties.jobType?.toLowerCase() !== 'pipeline') return [{ step: steps[0] ?? job.name, run: own }];
  const children = await childRuns(mlflow, own);
  const named = children.map((run) => {
    const name = run.info.run_name ?? run.info.run_id;
    return { step: steps.find((step) => wireKey(step) === wireKey(name)) ?? name, run };
  });
  const place = (step: string) => (steps.includes(step) ? steps.indexOf(step) : steps.length);
  return named.sort((a, b) => place(a.step) - place(b.step));
}

/** The runs that name a run as their parent: steps of a pipeline, trials of a sweep. */
export async function childRuns(mlflow: Mlflow, parent: MlflowRun, limit = MAX_STEPS): Promise<MlflowRun[]> {
  const experiment = String(parent.info.experiment_id ?? '');
  const filter = `tags.mlflow.parentRunId = '${parent.info.run_id.replaceAll("'", '')}'`;
  return mlflow.search(experiment, filter, limit);
}

/** The end of what each step wrote, at most `maxBytes` of each; steps without a log are left out. */
export async function readLogs(reader: LogReader, runs: readonly StepRun[], maxBytes: number): Promise<{ step: string; text: string }[]> {
  const logs: { step: string; text: string }[] = [];
  for (const { step, run } of runs) {
    const runId = run.info.run_id;
    const paths = (await reader.mlflow.artifacts(runId, 'user_logs')).filter((path) => USER_LOG.test(path)).sort();
    const [first] = paths;
    if (first === undefined) continue;
    const text = await tailOf(reader, runId, first, maxBytes);
    if (text !== null) logs.push({ step, text: withoutSignatures(text) });
  }
  return logs;
}

/**
 * Why a step failed, in words: what the service noted, and the last line of the program. ARM's answer about a job has no reason.
 * Null when neither says anything.
 */
export async function failureWords(reader: LogReader, run: MlflowRun): Promise<string | null> {
  const runId = run.info.run_id;
  const noted = lastLine(await tailOf(reader, runId, WRAPPER_LOG, 4_096), /error|fail|exit|kill|cancel|limit/i);
  const [log] = await readLogs(reader, [{ step: '', run }], 2_048);
  const said = lastLine(log?.text ?? null, /\S/);
  const parts = [noted, said !== null && noted?.includes(said) ? null : said].filter((part) => part !== null);
  return parts.length === 0 ? null : plainWords(parts.join('; its log ends: '));
}

function lastLine(text: string | null, pattern: RegExp): string | null {
  const lines = (text ?? '').split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '' && pattern.test(line))?.slice(0, 400) ?? null;
}

/** The last bytes of one artifact; null when it is not there. */
async function tailOf(reader: LogReader, runId: string, path: string, maxBytes: number): Promise<string | null> {
  const uri = await reader.mlflow.contentUri(runId, path);
  if (uri === null || !URL.canParse(uri)) return null;
  const url = new URL(uri);
  if (url.protocol !== 'https:' && !/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)) {
    throw new RejectedError('backend-answer-invalid', `Azure ML says that a log is at ${url.origin}, which is not https.`);
  }
  try {
    const response = await reader.fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(reader.timeoutMs) });
    if (response.status === 404) return null;
    if (!response.ok || !response.body) throw new Error(`it answered ${response.status}`);
    let kept = Buffer.alloc(0);
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      kept = Buffer.concat([kept, chunk]);
      if (kept.byteLength > maxBytes) kept = kept.subarray(kept.byteLength - maxBytes);
    }
    return wholeCharacters(kept);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = plainWords(cause instanceof Error ? cause.message : String(cause), 200);
    throw new TransientError('backend-unreachable', `The log ${path} of run ${runId} could not be read from ${url.origin}: ${why}.`);
  }
}

/** A cut in the middle of a character would show as a replacement sign: drop what is left of it in front. */
function wholeCharacters(bytes: Buffer): string {
  let start = 0;
  while (start < bytes.byteLength && start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}
