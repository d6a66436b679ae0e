// One step of a local job: where it stands by the marks in its folder, and how its program is started.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { JobSpec, JobStep } from '../../contracts/training.ts';
import { codeOf, isAbsent, type JobFolder, Killed, type StepFolder } from './job-folder.ts';
import { type Group, isLeaderAlive, parseGroup, startGroup } from './processes.ts';

/** Code of a component on this machine. */
export interface LocalComponent {
  /** Its folder; the program runs there. */
  folder: string;
  /** Folders for PYTHONPATH, relative to `folder`. */
  pythonPath?: readonly string[];
}

export type StepState =
  | { kind: 'waiting' }
  /** Taken by some process of ours; its program has not shown yet. */
  | { kind: 'starting'; since: number }
  | { kind: 'working'; group: Group; since: number }
  | { kind: 'ended'; code: number; killed: string | null; from: number; until: number }
  /** Its program is gone without having said how it ended. */
  | { kind: 'vanished'; killed: string | null; from: number };

/** A program shows within this time after its step was taken, or it never will. */
const STARTING_MS = 15_000;

export async function stepState(job: JobFolder, step: string, now: number): Promise<StepState> {
  const folder = job.step(step);
  const ended = await endOf(job, step, folder);
  if (ended) return ended;
  const claimed = await mtime(join(folder.path, 'claim'));
  if (claimed === null) return { kind: 'waiting' };
  const pid = await readFile(join(folder.path, 'pid'), 'utf8').catch(absentIsNull);
  const group = pid === null ? null : parseGroup(pid);
  const killed = await killedOf(job, step);
  if (!group) {
    return now - claimed < STARTING_MS ? { kind: 'starting', since: claimed } : { kind: 'vanished', killed, from: claimed };
  }
  const since = (await mtime(join(folder.path, 'pid'))) ?? claimed;
  if (await isLeaderAlive(group)) return { kind: 'working', group, since };
  // It may have ended between the two looks.
  return (await endOf(job, step, folder)) ?? { kind: 'vanished', killed, from: since };
}

/** The group of a step that was started, dead or alive. */
export async function groupOf(folder: StepFolder): Promise<Group | null> {
  const pid = await readFile(join(folder.path, 'pid'), 'utf8').catch(absentIsNull);
  return pid === null ? null : parseGroup(pid);
}

/** Takes a step and starts its program; false when another process of ours has taken it. */
export async function startStep(
  job: JobFolder,
  spec: JobSpec,
  step: JobStep,
  component: LocalComponent,
  programs: Readonly<Record<string, string>>,
): Promise<boolean> {
  const folder = job.step(step.name);
  await mkdir(folder.path, { recursive: true });
  try {
    await mkdir(join(folder.path, 'claim'));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  const args = step.args.map((argument) => argumentText(job, spec, step, argument));
  await mkdir(join(folder.path, 'out'), { recursive: true });
  await mkdir(join(folder.path, 'tmp'), { recursive: true });
  const [program = '', ...rest] = step.command;
  const command = [Object.hasOwn(programs, program) ? (programs[program] ?? program) : program, ...rest, ...args];
  const environment = environmentOf(folder, step, component, new Date(await job.createdAt()));
  startGroup(folder.path, component.folder, command, environment, (error) => {
    void writeFile(folder.log, `the program could not be started: ${error.message}\n`)
      .then(() => writeFile(join(folder.path, 'exit'), '126'))
      .catch(() => undefined);
  });
  return true;
}

/** The last bytes of a step's log; null when it has none. */
export async function logTail(folder: StepFolder, maxBytes: number): Promise<string | null> {
  const newest = await lastBytes(folder.log, maxBytes);
  if (newest === null) return null;
  const before = newest.length < maxBytes ? await lastBytes(cutOf(folder), maxBytes - newest.length) : null;
  const bytes = before === null ? newest : Buffer.concat([before, newest]);
  let start = 0;
  while (bytes.length === maxBytes && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start).toString('utf8');
}

/**
 * Keeps a log from filling the disk: beyond twice the limit, its end moves to a file beside it, and the program, which appends, goes on in
 * an empty one. Nothing of ours is written into the log itself, so what comes meanwhile stays behind what came before. Read and cut in one
 * go without a turn of the event loop: what a program writes in the microseconds between them is all that may be lost.
 */
export async function boundLog(folder: StepFolder, maxBytes: number): Promise<void> {
  const size = (await stat(folder.log).catch(absentIsNull))?.size ?? 0;
  if (size <= 2 * maxBytes) return;
  const file = openSync(folder.log, 'r+');
  const bytes = Buffer.alloc(maxBytes);
  try {
    const end = fstatSync(file).size;
    const read = readSync(file, bytes, 0, maxBytes, Math.max(0, end - maxBytes));
    ftruncateSync(file, 0);
    await writeFile(cutOf(folder), Buffer.concat([Buffer.from('[the beginning was cut]\n'), bytes.subarray(0, read)]));
  } finally {
    closeSync(file);
  }
}

const cutOf = (folder: StepFolder): string => `${folder.log}.before`;

async function lastBytes(path: string, maxBytes: number): Promise<Buffer | null> {
  const file = await open(path, 'r').catch(absentIsNull);
  if (!file) return null;
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function argumentText(job: JobFolder, spec: JobSpec, step: JobStep, argument: JobStep['args'][number]): string {
  if (typeof argument === 'string') return argument;
  if ('parameter' in argument) return String(spec.parameters[argument.parameter]);
  if ('input' in argument) return `${argument.prefix ?? ''}${job.inputPath(argument.input)}`;
  if ('from' in argument) return `${argument.prefix ?? ''}${job.step(argument.from).output(argument.output)}`;
  return job.step(step.name).output(argument.output);
}

/** What a component needs to know, and nothing of ours: our own environment holds secrets. */
function environmentOf(folder: StepFolder, step: JobStep, component: LocalComponent, queuedAt: Date): Record<string, string> {
  const pythonPath = (component.pythonPath ?? []).map((part) => resolve(component.folder, part));
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: join(folder.path, 'tmp'),
    TMPDIR: join(folder.path, 'tmp'),
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    ...(pythonPath.length > 0 ? { PYTHONPATH: pythonPath.join(delimiter) } : {}),
    SLUICE_CPU_LIMIT: String(Math.min(step.cpu, cpus().length)),
    SLUICE_QUEUED_AT: queuedAt.toISOString(),
  };
}

async function endOf(job: JobFolder, step: string, folder: StepFolder): Promise<Extract<StepState, { kind: 'ended' }> | null> {
  const exit = join(folder.path, 'exit');
  const code = await readFile(exit, 'utf8').catch(absentIsNull);
  if (code === null) return null;
  const until = (await mtime(exit)) ?? 0;
  const from = (await mtime(join(folder.path, 'pid'))) ?? until;
  return { kind: 'ended', code: Number(code.trim()), killed: await killedOf(job, step), from, until };
}

async function killedOf(job: JobFolder, step: string): Promise<string | null> {
  return (await job.read(`steps/${step}/killed.json`, Killed))?.why ?? null;
}

async function mtime(path: string): Promise<number | null> {
  return (await stat(path).catch(absentIsNull))?.mtimeMs ?? null;
}

function absentIsNull(error: unknown): null {
  if (isAbsent(error)) return null;
  throw error;
}
