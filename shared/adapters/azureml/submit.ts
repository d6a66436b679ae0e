// One job per name: look, create only when absent, and believe nothing about a lost answer but what a look shows (facts/azure.md §1.5).
// A PUT on an existing job is an update that makes no second execution but wipes tags, so it is never sent when the job is known.
import { RejectedError, TransientError } from '../../errors/errors.ts';
import { type AzureMlApi, parsed, workspaceUnknown } from './api.ts';
import { GRAPH_PROPERTY } from './compile.ts';
import { segment } from './place.ts';
import { JobBody } from './wire.ts';

export interface Submission {
  api: AzureMlApi;
  name: string;
  /** What makes this job the same as another (compile.ts: graphDigest). */
  digest: string;
  /** Makes the body; called only when the job is not there yet. */
  body: () => Promise<Record<string, unknown>>;
  /** Values that must not appear in messages. */
  secrets: readonly string[];
  /** How a lost creation is looked for. */
  poll: { intervalMs: number; totalMs: number };
  sleep: (ms: number) => Promise<void>;
}

/** The job, or null when the workspace has none of this name; a workspace that is not there rejects. */
export async function readJob(api: AzureMlApi, name: string): Promise<JobBody | null> {
  const answer = await api.call('GET', `/jobs/${segment(name)}`, { accept: [404] });
  if (answer.status !== 404) return parsed(JobBody, answer.json, `job ${name}`);
  if (isPlaceMissing(answer.error)) throw workspaceUnknown(api.place, answer.error.message);
  return null;
}

/** Looks the job up and creates it only if it is absent. Gives its name: in Azure ML that is its id. */
export async function submitJob(submission: Submission): Promise<{ jobId: string; adopted: boolean }> {
  const { api, name, secrets } = submission;
  const existing = await readJob(api, name);
  if (existing) return adopt(submission, existing);
  const body = { properties: await submission.body() };
  try {
    const answer = await api.call('PUT', `/jobs/${segment(name)}`, { body, secrets, accept: [200, 201, 400, 404, 409, 412] });
    if (answer.status === 201) return { jobId: name, adopted: false };
    if (answer.status === 404 && isPlaceMissing(answer.error)) throw workspaceUnknown(api.place, answer.error.message);
    // 200: somebody else was first, or a service that says 200 for a new one; 400 and 409: it is taken, or the body is wrong.
    const now = await readJob(api, name);
    if (now) return adopt(submission, now);
    throw refused(submission, answer.status, `${answer.error.code} ${answer.error.message}`.trim());
  } catch (error) {
    if (!(error instanceof TransientError) || error.code === 'backend-throttled') throw error;
    return adoptLost(submission, error);
  }
}

function isOurs({ digest }: Submission, job: JobBody): boolean {
  return job.properties.properties?.[GRAPH_PROPERTY] === digest;
}

function adopt(submission: Submission, job: JobBody): { jobId: string; adopted: true } {
  if (isOurs(submission, job)) return { jobId: job.name, adopted: true };
  const theirs = job.properties.properties?.[GRAPH_PROPERTY];
  const whose = theirs
    ? `is of another graph or other data (${theirs.slice(0, 12)}, not ${submission.digest.slice(0, 12)})`
    : 'was not made by Sluice';
  throw new RejectedError(
    'job-conflict',
    `Azure ML has a job "${job.name}" that ${whose}. A job's name is its identity: start a new attempt under a new name, or delete that job if it is not yours.`,
  );
}

function refused({ name, secrets }: Submission, status: number, said: string): RejectedError {
  let words = said.slice(0, 600) || '(no message)';
  for (const secret of secrets) if (secret.length >= 6) words = words.replaceAll(secret, '<parameter value>');
  return new RejectedError('backend-refused', `Azure ML refused the job "${name}" with ${status}: ${words}`);
}

/** The answer of the creation was lost: look until the job shows, and only then give up; the next submission looks first again. */
async function adoptLost(submission: Submission, lost: TransientError): Promise<{ jobId: string; adopted: boolean }> {
  const { api, name, poll, sleep } = submission;
  for (let waited = 0; ; waited += poll.intervalMs) {
    const job = await readJob(api, name).catch((error: unknown) => {
      if (error instanceof TransientError) return null;
      throw error;
    });
    if (job) return adopt(submission, job);
    if (waited >= poll.totalMs) break;
    await sleep(poll.intervalMs);
  }
  throw new TransientError(
    'submission-unknown',
    `The creation of job "${name}" got no clear answer and no such job showed up within ${poll.totalMs / 1000} s. First failure: ${lost.message}`,
    { cause: lost },
  );
}

/** ARM says 404 for a missing subscription, group or workspace too; a missing job is said by the workspace itself. */
export function isPlaceMissing({ code, message }: { code: string; message: string }): boolean {
  if (/^(SubscriptionNotFound|InvalidSubscriptionId|ResourceGroupNotFound|WorkspaceNotFound|ParentResourceNotFound)$/i.test(code))
    return true;
  return /workspaces\/[^/'"\s]+'? (?:under|was not found|could not be found|does not exist)/i.test(message);
}
