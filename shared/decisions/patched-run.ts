// How a run's record changes: what a patch does to it, and when it may not change any more.
import type { Run, RunPatch } from '../contracts/runs.ts';
import { RejectedError } from '../errors/errors.ts';
import { canonicalJson } from './digest.ts';

const MAX_WARNINGS = 50;

/**
 * Merges a patch: `jobs` by jobName, `next` and `warnings` as sets, `seconds` and `tracked` by key, the rest replaced. A finished run changes no more,
 * except that `next` may grow: what follows a run starts after its end. A patch that says what the record says already is no change,
 * so that a retried write is harmless. Throws RejectedError `run-finished`.
 */
export function patchedRun(run: Run, patch: RunPatch): Run {
  const { jobs = [], next = [], seconds = {}, warnings = [], tracked = {}, ...rest } = patch;
  const fresh = new Map(jobs.map((job) => [job.jobName, job]));
  const kept = run.jobs.map((job) => fresh.get(job.jobName) ?? job);
  const known = new Set(run.jobs.map((job) => job.jobName));
  const merged: Run = {
    ...run,
    ...defined(rest),
    jobs: [...kept, ...[...fresh.values()].filter((job) => !known.has(job.jobName))],
    next: [...new Set([...run.next, ...next])],
    seconds: { ...run.seconds, ...seconds },
    ...(warnings.length > 0 ? { warnings: [...new Set([...(run.warnings ?? []), ...warnings])].slice(0, MAX_WARNINGS) } : {}),
    ...(Object.keys(tracked).length > 0 ? { tracked: { ...run.tracked, ...tracked } } : {}),
  };
  if (run.status !== 'running' && !isSameRecord({ ...run, next: [] }, { ...merged, next: [] })) {
    throw new RejectedError('run-finished', `Run ${run.runId} is ${run.status} and changes no more`);
  }
  return merged;
}

/** True when two records say the same, whatever the order of their members. */
export function isSameRecord(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** An absent key and an undefined one both mean: stays as it is. */
function defined(patch: RunPatch): Partial<Run> {
  return Object.fromEntries(Object.entries(patch).filter(([, member]) => member !== undefined));
}
