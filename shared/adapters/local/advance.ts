// Brings a local job one turn further, whoever calls: fetch inputs, start what is ready, look at what works, store what was left, write the end.
// Every turn may be the first one after a restart, and another process of ours may take the same turn: all its writes are idempotent.
import type { JobSpec, JobStep } from '../../contracts/training.ts';
import { producersOf } from '../../decisions/job-graph.ts';
import { RejectedError } from '../../errors/errors.ts';
import { exportFile, fetchFile, withoutQueries } from './files.ts';
import { Asked, Cancel, End, type JobFolder, Problem } from './job-folder.ts';
import { isGroupAlive, memoryOf, signalGroup } from './processes.ts';
import { boundLog, groupOf, type LocalComponent, logTail, startStep, type StepState, stepState } from './steps.ts';

export interface AdvanceOptions {
  componentOf: (step: JobStep) => LocalComponent | null;
  programs: Readonly<Record<string, string>>;
  fetch: typeof fetch;
  now: () => number;
  maxLogBytes: number;
  /** From SIGTERM to SIGKILL. */
  graceMs: number;
}

type Steps = ReadonlyMap<string, StepState>;
const GIB = 1024 ** 3;

/** True when the job has ended. Throws what may pass (a store that does not answer); the next turn tries again. */
export async function advance(job: JobFolder, options: AdvanceOptions): Promise<boolean> {
  if (await job.read('end.json', End)) return true;
  const spec = await job.spec();
  if (!spec) return true;
  const cancel = await job.read('cancel.json', Cancel);
  if (cancel) return (await stopAll(job, spec, options)) && end(job, spec, 'cancelled', cancel.reason, options);
  try {
    return await turn(job, spec, options);
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return (await stopAll(job, spec, options)) && end(job, spec, 'failed', error.message, options);
  }
}

async function turn(job: JobFolder, spec: JobSpec, options: AdvanceOptions): Promise<boolean> {
  const steps = await statesOf(job, spec, options);
  // The first problem is the reason: the steps that are stopped because of it have problems of their own then.
  const problem = (await job.read('problem.json', Problem))?.problem ?? (await problemIn(job, spec, steps, options));
  if (problem !== null) {
    await job.once('problem.json', { problem });
    if (!(await stopAll(job, spec, options))) return false;
    await exportAll(job, spec, 'failed', options);
    return end(job, spec, 'failed', problem, options);
  }
  if (spec.steps.every(({ name }) => steps.get(name)?.kind === 'ended')) {
    await exportAll(job, spec, 'succeeded', options);
    return end(job, spec, 'succeeded', null, options);
  }
  await fetchInputs(job, spec, options);
  for (const step of spec.steps) {
    const state = steps.get(step.name);
    if (state?.kind === 'working') await boundLog(job.step(step.name), options.maxLogBytes);
    const ready = state?.kind === 'waiting' && producersOf(step).every((producer) => steps.get(producer)?.kind === 'ended');
    if (ready) await startStep(job, spec, step, componentFor(step, options), options.programs);
  }
  return false;
}

export async function statesOf(job: JobFolder, spec: JobSpec, { now }: Pick<AdvanceOptions, 'now'>): Promise<Steps> {
  return new Map(await Promise.all(spec.steps.map(async ({ name }) => [name, await stepState(job, name, now())] as const)));
}

/** Why the job cannot succeed any more; null while it can. Ends what is beyond its memory or its time. */
async function problemIn(job: JobFolder, spec: JobSpec, steps: Steps, options: AdvanceOptions): Promise<string | null> {
  for (const step of spec.steps) {
    const state = steps.get(step.name);
    if (state?.kind === 'ended' && (state.code !== 0 || state.killed !== null)) return exitWords(job, step.name, state);
    if (state?.kind === 'vanished') {
      return state.killed === null
        ? `step ${step.name}: its process vanished without a trace; the machine was restarted, or somebody killed it`
        : `step ${step.name}: ${state.killed}`;
    }
    if (state?.kind !== 'working') continue;
    const used = await memoryOf(state.group);
    if (used > step.memoryGiB * GIB) {
      await kill(
        job,
        step.name,
        `it used ${(used / GIB).toFixed(2)} GiB of memory, ${step.memoryGiB} are allowed, and was killed (SIGKILL)`,
      );
    } else if (spec.timeoutSeconds !== undefined && options.now() - state.since > spec.timeoutSeconds * 1000) {
      await kill(job, step.name, `it worked longer than ${spec.timeoutSeconds} seconds and was killed (SIGKILL)`);
    }
  }
  return null;
}

/** Notes why, then kills: the next turn finds the note beside the dead process. */
async function kill(job: JobFolder, step: string, why: string): Promise<void> {
  await job.once(`steps/${step}/killed.json`, { why });
  const group = await groupOf(job.step(step));
  if (group) signalGroup(group, 'SIGKILL');
}

async function exitWords(job: JobFolder, step: string, state: Extract<StepState, { kind: 'ended' }>): Promise<string> {
  if (state.killed !== null) return `step ${step}: ${state.killed}`;
  const last = withoutQueries((await logTail(job.step(step), 4000)) ?? '')
    .split('\n')
    .findLast((line) => line.trim() !== '');
  const said = last === undefined ? '' : `; its last line: ${last.trim().slice(0, 300)}`;
  if (state.code === 137) return `step ${step} was killed by signal 9: the system does that when memory runs out${said}`;
  if (state.code > 128) return `step ${step} was ended by signal ${state.code - 128}${said}`;
  return `step ${step} ended with exit code ${state.code}${said}`;
}

/** Asks every process of the job to end, and after a while makes it; true when none is left. */
async function stopAll(job: JobFolder, spec: JobSpec, options: AdvanceOptions): Promise<boolean> {
  const steps = await statesOf(job, spec, options);
  let left = false;
  for (const [name, state] of steps) {
    if (state.kind === 'starting') left = true;
    const group = state.kind === 'waiting' ? null : await groupOf(job.step(name));
    if (!group || !(await isGroupAlive(group))) continue;
    left = true;
    // The mark's own time says when it was asked, so that a restart does not begin the grace anew.
    if (await job.once(`steps/${name}/asked.json`, { at: options.now() })) signalGroup(group, 'SIGTERM');
    else if (options.now() - (await askedAt(job, name)) >= options.graceMs) signalGroup(group, 'SIGKILL');
  }
  return !left;
}

async function askedAt(job: JobFolder, step: string): Promise<number> {
  return (await job.read(`steps/${step}/asked.json`, Asked))?.at ?? 0;
}

async function fetchInputs(job: JobFolder, spec: JobSpec, options: AdvanceOptions): Promise<void> {
  for (const [input, files] of Object.entries(spec.inputs)) {
    for (const file of files) await fetchFile(file, job.inputPath(input), options);
  }
}

/** Stores what the steps left, in the order of the job; of a failed one only what is optional, so that its report can be read. */
async function exportAll(job: JobFolder, spec: JobSpec, state: 'succeeded' | 'failed', options: AdvanceOptions): Promise<void> {
  for (const file of spec.exports) {
    if (state === 'failed' && !file.optional) continue;
    const stored = await exportFile(file, job.step(file.step).output(file.output), options);
    if (!stored && !file.optional) {
      throw new RejectedError('export-missing', `step ${file.step} ended well and left no ${file.file} in its output "${file.output}"`);
    }
  }
}

async function end(job: JobFolder, spec: JobSpec, state: End['state'], reason: string | null, options: AdvanceOptions): Promise<true> {
  const times = timesOf(await statesOf(job, spec, options), await job.createdAt(), options.now());
  await job.once('end.json', { state, reason: reason?.slice(0, 2000) ?? null, ...times } satisfies End);
  await job.forgetSecrets();
  return true;
}

/** Waiting = first start − creation; working = last end − first start. */
export function timesOf(steps: Steps, createdAt: number, now: number): Pick<End, 'queuedSeconds' | 'executionSeconds'> {
  const starts = [...steps.values()].flatMap((step) => ('from' in step ? [step.from] : step.kind === 'working' ? [step.since] : []));
  if (starts.length === 0) return { queuedSeconds: null, executionSeconds: null };
  const first = Math.min(...starts);
  const ends = [...steps.values()].map((step) => (step.kind === 'ended' ? step.until : step.kind === 'waiting' ? 0 : now));
  const seconds = (ms: number): number => Math.max(0, Math.round(ms)) / 1000;
  return { queuedSeconds: seconds(first - createdAt), executionSeconds: Math.max(0.001, seconds(Math.max(...ends) - first)) };
}

function componentFor(step: JobStep, options: AdvanceOptions): LocalComponent {
  const component = options.componentOf(step);
  if (component) return component;
  throw new RejectedError('component-missing', `The code of ${step.image} (step ${step.name}) is not on this machine`);
}
