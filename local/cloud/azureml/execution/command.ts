// One command on one node: prepare the image, wait for a node, bring the inputs, run the process, take the outputs away.
// Command jobs, trials of sweeps and steps of pipelines are all run by this.
import { chmodSync, closeSync, cpSync, existsSync, fstatSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';
import { startProcess, type ProcessEnd } from '../../kit/process.ts';
import type { Tokens } from '../identity/tokens.ts';
import type { AssetVersion, JobRecord } from '../model.ts';
import type { AzureMlOptions, ImageMapping } from '../options.ts';
import type { Store } from '../store.ts';
import { fill, shellWord } from './bindings.ts';
import { LocationError, StoreError, type Files } from './files.ts';
import { ImageError, resolveImage } from './images.ts';
import type { Journal } from './journal.ts';
import { COMPLETED, failed, type Live, type Outcome } from './live.ts';
import type { Place } from './locations.ts';
import type { Slots } from './slots.ts';
import { filesBelow } from './stores.ts';
import { environment, serviceVariables } from './surroundings.ts';

/** A value of an input, ready to be brought to the process. */
export type PlannedInput =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'data'; readonly type: string; readonly uri: string; readonly mode: string }
  /** A folder or file of an earlier step of the same pipeline. */
  | { readonly kind: 'local'; readonly path: string };

export interface PlannedOutput {
  readonly type: string;
  readonly mode: string;
  /** Long-form address. */
  readonly uri: string;
}

/** A command with everything it needs. */
export interface CommandPlan {
  readonly job: JobRecord;
  readonly command: string;
  readonly environment: AssetVersion;
  readonly codeUri?: string;
  readonly inputs: Readonly<Record<string, PlannedInput>>;
  readonly outputs: Readonly<Record<string, PlannedOutput>>;
  readonly searchSpace: Readonly<Record<string, string>>;
  readonly variables: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Name of the compute, or `serverless`. */
  readonly compute: string;
  readonly maxNodes?: number;
}

/** What commands are run with. */
export interface Machinery {
  readonly options: AzureMlOptions;
  readonly clock: Clock;
  readonly store: Store;
  readonly files: Files;
  readonly journal: Journal;
  readonly slots: Slots;
  readonly tokens: Tokens;
  readonly place: Place;
  readonly workspaceId: string;
  readonly location: string;
  /** Address of the workspace's MLflow for jobs. */
  trackingUri(): string;
  /** Resolves when nobody holds the job in the queue any more, or when it is stopped. */
  released(job: JobRecord, signal: AbortSignal): Promise<void>;
}

const TOKEN_MS = 24 * 3_600_000;
const SHELL = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/** Folder of a named output on this machine; steps of a pipeline read it from here. */
export const outputFolder = (store: Store, job: string, output: string): string => join(store.jobFolder(job), 'node', 'outputs', output);

/** Runs the command to its end; rejects only for faults of the stand-in itself. */
export async function runCommand(machinery: Machinery, plan: CommandPlan, live: Live): Promise<Outcome> {
  const { options, clock, journal, slots } = machinery;
  const { job } = plan;
  let image: ImageMapping;
  journal.status(job, 'Preparing');
  await live.sleep(clock, options.delays?.preparingMs ?? 0);
  try {
    image = resolveImage(options.images, plan.environment);
  } catch (error) {
    if (error instanceof ImageError) return note(machinery, job, failed(error.message));
    throw error;
  }
  if (live.stopped()) return live.stopped() ?? COMPLETED;
  journal.status(job, 'Queued');
  await live.sleep(clock, options.delays?.queuedMs ?? 0);
  await machinery.released(job, live.signal);
  const free = await slots.take(plan.compute, plan.maxNodes, live.signal);
  try {
    if (!free || live.stopped()) return live.stopped() ?? COMPLETED;
    journal.status(job, 'Running');
    return await onNode(machinery, plan, image, live);
  } catch (error) {
    if (live.stopped()) return live.stopped() ?? COMPLETED;
    if (error instanceof LocationError || error instanceof StoreError)
      return note(machinery, job, failed(`DataAccessError: ${error.message}`));
    throw error;
  } finally {
    free?.();
  }
}

async function onNode(machinery: Machinery, plan: CommandPlan, image: ImageMapping, live: Live): Promise<Outcome> {
  const { store, journal, tokens, clock, place } = machinery;
  const { job } = plan;
  const folder = join(store.jobFolder(job.name), 'node');
  const work = join(folder, 'wd');
  mkdirSync(work, { recursive: true });
  if (plan.codeUri !== undefined && (await machinery.files.fetch(machinery.files.open(machinery.files.parse(plan.codeUri)), work)) === 0)
    return note(machinery, job, failed(`SnapshotError: there is no code at ${plan.codeUri}`));

  const inputs = await bringInputs(machinery, plan, folder);
  if (live.stopped()) return live.stopped() ?? COMPLETED;
  const outputs = makeOutputs(machinery, plan);
  // Paths of this machine may hold characters that a shell reads; those of the service never do. Literals go in as text.
  const quoted = (values: Record<string, string>, as = (_: string) => true) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, as(name) ? shellWord(value) : value]));
  const command = fill(plan.command, {
    inputs: quoted(inputs, (name) => plan.inputs[name]?.kind !== 'literal'),
    outputs: quoted(outputs),
    search_space: plan.searchSpace,
  });

  const { token, end } = tokens.issue(place.workspace, job.name);
  const service = {
    ...serviceVariables(job, {
      place,
      workspaceId: machinery.workspaceId,
      location: machinery.location,
      trackingUri: machinery.trackingUri(),
      token,
      tokenExpiry: clock.now() + TOKEN_MS,
    }),
    ...named('AZURE_ML_INPUT_', inputs),
    ...named('AZURE_ML_OUTPUT_', outputs),
  };
  const logFile = join(store.artifactFolder('ExperimentRun', `dcid.${job.name}`), 'user_logs', 'std_log.txt');
  const [first = SHELL, ...rest] = [...(image.command ?? []), SHELL, '-c', command];
  const child = startProcess({
    command: [first, ...rest],
    cwd: plan.codeUri === undefined ? (image.cwd ?? work) : work,
    env: environment(folder, image, plan.variables, service),
    logFile,
  });
  live.attach(child);
  const { timeoutMs } = plan;
  const late = (): void => {
    live.stop({ status: 'Canceled', reason: `The job ran longer than its limit of ${(timeoutMs ?? 0) / 1000} s and was cancelled.` });
  };
  // The machine's time: a clock that is moved does not move while a process is in flight.
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
  let ended: ProcessEnd;
  try {
    ended = await child.ended;
  } finally {
    clearTimeout(timer);
    live.detach();
    end();
  }
  if (!live.stopped()) journal.status(job, 'Finalizing');
  const outcome = live.stopped() ?? judged(ended, logFile);
  keepArtifacts(store, job.name, work);
  await takeOutputs(machinery, plan, outcome);
  return note(machinery, job, outcome);
}

const named = (prefix: string, values: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));

async function bringInputs(machinery: Machinery, plan: CommandPlan, folder: string): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [name, input] of Object.entries(plan.inputs)) {
    if (input.kind === 'literal') values[name] = input.value;
    else if (input.kind === 'local') values[name] = input.path;
    else if (input.mode === 'Direct') values[name] = input.uri;
    else values[name] = await bring(machinery, name, input, join(folder, 'inputs', name));
  }
  return values;
}

async function bring({ files }: Machinery, name: string, input: PlannedInput & { kind: 'data' }, folder: string): Promise<string> {
  const opened = files.open(files.parse(input.uri));
  const found = await opened.store.list(opened.path);
  const single = found.length === 1 && found[0]?.path === opened.path;
  if (found.length === 0 || (input.type === 'uri_file' && !single)) {
    throw new StoreError(`StreamAccess.NotFound: the input '${name}' of type ${input.type} is not at ${input.uri}`);
  }
  const target = single ? join(folder, basename(opened.path)) : folder;
  mkdirSync(folder, { recursive: true });
  await files.fetch(opened, target);
  // A mount that is read only; a superuser can write to it all the same.
  if (input.mode === 'ReadOnlyMount') for (const file of filesBelow(target)) chmodSync(file, 0o444);
  return target;
}

function makeOutputs({ store }: Machinery, plan: CommandPlan): Record<string, string> {
  return Object.fromEntries(
    Object.entries(plan.outputs).map(([name, output]) => {
      if (output.mode === 'Direct') return [name, output.uri];
      const folder = outputFolder(store, plan.job.name, name);
      const path = output.type === 'uri_file' ? join(folder, name) : folder;
      mkdirSync(output.type === 'uri_file' ? dirname(path) : path, { recursive: true });
      return [name, path];
    }),
  );
}

/**
 * What a mount was written to stays, whatever became of the process; what is to be uploaded leaves after success only
 * (perhaps stricter than the service, whose behaviour after a failure is not documented).
 */
async function takeOutputs({ files, store }: Machinery, plan: CommandPlan, outcome: Outcome): Promise<void> {
  if (store.job(plan.job.name) !== plan.job) return; // it vanished
  for (const [name, output] of Object.entries(plan.outputs)) {
    if (output.mode === 'Direct' || (output.mode === 'Upload' && outcome.status !== 'Completed')) continue;
    const folder = outputFolder(store, plan.job.name, name);
    const from = output.type === 'uri_file' ? join(folder, name) : folder;
    if (existsSync(from)) await files.put(from, files.open(files.parse(output.uri)));
  }
}

/** What the job wrote to `./outputs` and `./logs` becomes artifacts of its run. */
function keepArtifacts(store: Store, job: string, work: string): void {
  for (const name of ['outputs', 'logs']) {
    const from = join(work, name);
    if (existsSync(from)) cpSync(from, join(store.artifactFolder('ExperimentRun', `dcid.${job}`), name), { recursive: true });
  }
}

/** The reason also goes to a log of the system's own, since ARM's job has no place for it. */
function note({ store }: Machinery, job: JobRecord, outcome: Outcome): Outcome {
  if (outcome.reason === undefined || store.job(job.name) !== job) return outcome;
  const file = join(store.artifactFolder('ExperimentRun', `dcid.${job.name}`), 'system_logs', 'lifecycler', 'execution-wrapper.log');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${outcome.status}: ${outcome.reason}\n`);
  return outcome;
}

function judged(end: ProcessEnd, logFile: string): Outcome {
  if (end.error !== undefined) return failed(`ExecutionFailed: ${end.error}`);
  const code = end.code ?? (end.signal === 'SIGKILL' ? 137 : 128);
  if (code === 0) return COMPLETED;
  const hint = code === 137 ? ' The process was killed; usually its node ran out of memory.' : '';
  return failed(
    `ExecutionFailed: Process 'worker 0' exited with code ${code} and error message 'Execution failed. Process exited with status code ${code}. Error: ${lastLine(logFile)}'.${hint}`,
  );
}

/** The last thing the process said, which usually is the reason. */
function lastLine(file: string): string {
  const tail = Buffer.alloc(4_096);
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    const read = readSync(handle, tail, 0, tail.length, Math.max(0, size - tail.length));
    return tail.subarray(0, read).toString('utf8').trimEnd().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
  } finally {
    closeSync(handle);
  }
}
