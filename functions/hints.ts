// Which jobs an event will tell of: whoever waits for such a job looks at it seldom (facts/azure.md §3, decisions/pace.ts).
// The truth is always read from the backend; an event that never comes costs time and nothing else.
import type { JobSpec } from '../shared/contracts/training.ts';
import { REPORT } from '../shared/decisions/training-plan.ts';

/** A job whose run report lands in the store at its end. */
export function leavesReport({ exports }: Pick<JobSpec, 'exports'>): boolean {
  return exports.some(({ file, optional }) => file === REPORT && !optional);
}

/** A job whose end the workspace's events tell of: those that infra/azure lets through (workspace-events.bicep). */
export function isWorkspaceTelling(jobName: string): boolean {
  return /^(train|sweep)-/.test(jobName);
}

/** The same backend, whose submissions say that an event will tell of the job's end. Works on a port that is loaded late, too. */
export function hinting<Work, Backend extends { submit(work: Work): Promise<{ jobId: string; adopted: boolean }> }>(
  backend: Backend,
  tells: (work: Work) => boolean,
): Backend {
  const submit = async (work: Work): Promise<{ jobId: string; adopted: boolean; hinted?: boolean }> => {
    const submitted = await backend.submit(work);
    return tells(work) ? { ...submitted, hinted: true } : submitted;
  };
  return new Proxy(backend, {
    get: (target, member) => (member === 'submit' ? submit : (target[member as keyof Backend] as unknown)),
  });
}
