// A neutral job → the graph that Kubeflow runs: one fetch step before whatever reads inputs, one export step after each output that leaves.
// Signed addresses become run parameters and never part of the graph, so a fresh signature is the same graph (facts/kubeflow.md §1, §2).
import type { JobExport, JobFile, JobSpec, JobStep, OutputType, StepArgument } from '../../contracts/training.ts';
import { RejectedError } from '../../errors/errors.ts';

/** What is compiled of a job; all that is optional may be left out. */
export type GraphJob = Pick<JobSpec, 'graph' | 'steps' | 'parameters'> &
  Partial<Pick<JobSpec, 'inputs' | 'exports' | 'transferImage' | 'timeoutSeconds' | 'nodes' | 'rowsStay'>>;

/** An argument of a task; `below` is a folder inside the path. */
export type TaskArgument = Exclude<StepArgument, { input: string }> | { from: string; output: string; prefix?: string; below: string };

/** One task. `own`: a step of the job; the others carry data and are ours. */
export interface GraphTask {
  name: string;
  kind: 'own' | 'fetch' | 'export';
  image: string;
  command: readonly string[];
  args: readonly TaskArgument[];
  cpu: number;
  memoryGiB: number;
  outputTypes: Readonly<Record<string, OutputType>>;
  /** Tasks that it waits for besides those whose outputs it reads. */
  after: readonly string[];
  /** Runs although something else of the run has failed. */
  always: boolean;
  /** Reads the site's own data folder. */
  readsSite: boolean;
  /** Parameters that reach the task within Kubeflow's description of it only (`{{$}}`). */
  told: readonly string[];
  /** Sends files away: may have an identity of its own for that. */
  sends: boolean;
}

export interface Graph {
  name: string;
  tasks: readonly GraphTask[];
  parameters: JobSpec['parameters'];
}

const REPORT = 'run-report.json';
/** Data that is at the site already; it is read there and never signed for. */
const SITE = /^(site|file):\/\//;
const TRANSFER = ['python3', '-m', 'sluice_transfer'];
/** One argument of a process may have 131 072 bytes (Linux, MAX_ARG_STRLEN), and parameters are handed over as arguments. */
const MAX_PARAMETER_BYTES = 120_000;

/** Adds the steps that bring inputs and carry exports away. Rejects `graph-invalid` and `parameter-too-large`. */
export function graphOf(job: GraphJob): Graph {
  const names = new Set<string>(job.steps.map((step) => step.name));
  const parameters: JobSpec['parameters'] = { ...job.parameters };
  const add = (name: string, value: string): string => {
    if (Object.hasOwn(parameters, name)) throw invalid(`parameter "${name}" is made by the Kubeflow adapter; choose another name`);
    parameters[name] = value;
    return name;
  };
  const fetchName = freeName('fetch', names);
  const fetch = fetchTask(job, fetchName, add);
  const own = job.steps.map((step) => ownTask(job, step, fetchName, add));
  const exported = exportTasks(job, names, add);
  for (const [name, value] of Object.entries(parameters)) checkSize(name, value);
  return { name: job.graph, tasks: [...(fetch ? [fetch] : []), ...own, ...exported], parameters };
}

function ownTask(job: GraphJob, step: JobStep, fetchName: string, add: (name: string, value: string) => string): GraphTask {
  const args = step.args.map((argument): TaskArgument => {
    if (typeof argument === 'string' || !('input' in argument)) return argument;
    if (!job.inputs || !Object.hasOwn(job.inputs, argument.input)) {
      throw invalid(`step "${step.name}" reads input "${argument.input}", which the job does not have`);
    }
    return {
      from: fetchName,
      output: 'data',
      below: argument.input,
      ...(argument.prefix === undefined ? {} : { prefix: argument.prefix }),
    };
  });
  return {
    ...task(step.name, 'own', step.image, step.command, args),
    cpu: step.cpu,
    memoryGiB: step.memoryGiB,
    outputTypes: step.outputTypes ?? {},
    told: failureReport(job, step).map(({ url }) => add(`failure_report_${step.name.replaceAll('-', '_')}`, url)),
    sends: step.component === 'transfer' || (job.transferImage !== undefined && step.image === job.transferImage),
  };
}

/**
 * Where a step that failed sends its report itself: to the place that the export step would have used. That one never gets it, because
 * the launcher uploads the artifacts of successful steps only (kubeflow/pipelines#12425).
 */
function failureReport(job: GraphJob, { name }: JobStep): JobExport[] {
  const places = (job.exports ?? []).filter(({ step, file, optional }) => step === name && file === REPORT && optional);
  return places.slice(0, 1);
}

/** One step that fetches every input that a step reads, each into a folder of its name; undefined when nothing is read. */
function fetchTask(job: GraphJob, name: string, add: (name: string, value: string) => string): GraphTask | undefined {
  const read = new Set(
    job.steps.flatMap((step) =>
      step.args.flatMap((argument) => (typeof argument === 'object' && 'input' in argument ? [argument.input] : [])),
    ),
  );
  const files: [string, JobFile][] = Object.entries(job.inputs ?? {})
    .filter(([input]) => read.has(input))
    .flatMap(([input, list]) => list.map((file): [string, JobFile] => [input, file]));
  if (files.length === 0) return undefined;
  const manifest = {
    files: files.map(([input, { name: file, url, sha256, bytes }]) => ({ name: `${input}/${file}`, url, sha256, bytes })),
  };
  const parameter = add('fetch_manifest', JSON.stringify(manifest));
  return {
    ...task(name, 'fetch', transferImage(job), TRANSFER, ['fetch', '--manifest', { parameter }, '--out', { output: 'data' }]),
    outputTypes: { data: 'Dataset' },
    readsSite: files.some(([, file]) => SITE.test(file.url)),
  };
}

/**
 * One export step for each output that leaves. The one with the job's last run report waits for all others: who sees it sees the rest.
 * Where a file is optional the step runs although others failed; what the producer itself left when it failed never reaches it, and its
 * report goes another way (`failureReport`).
 */
function exportTasks(job: GraphJob, names: ReadonlySet<string>, add: (name: string, value: string) => string): GraphTask[] {
  const groups = new Map<string, JobExport[]>();
  for (const one of job.exports ?? []) {
    const key = `${one.step}\0${one.output}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const last = (job.exports ?? []).findLast((one) => one.file === REPORT);
  const used = new Set(names);
  const outputsOf = (step: string) => [...groups.values()].filter(([one]) => one?.step === step).length;
  const tasks = [...groups.values()].map((group) => {
    const [first] = group as [JobExport, ...JobExport[]];
    const suffix = outputsOf(first.step) > 1 ? `-${first.output.replaceAll('_', '-')}` : '';
    const name = freeName(groups.size === 1 ? 'export' : `export-${first.step}${suffix}`, used);
    used.add(name);
    const parameter = add(`${name.replaceAll('-', '_')}_targets`, JSON.stringify({ files: group.map(targetOf) }));
    const args: TaskArgument[] = ['export', '--from', { from: first.step, output: first.output }, '--targets', { parameter }];
    return {
      ...task(name, 'export', transferImage(job), TRANSFER, args),
      always: group.some((one) => one.optional),
      sends: true,
      isLast: last !== undefined && group.includes(last),
    };
  });
  return tasks.map(({ isLast, ...one }) => ({
    ...one,
    after: isLast ? tasks.filter((other) => other.name !== one.name).map((other) => other.name) : [],
  }));
}

function targetOf({ file, url, readUrl, optional }: JobExport): object {
  return { name: file, url, readUrl, ...(optional ? { optional: true } : {}) };
}

function task(name: string, kind: GraphTask['kind'], image: string, command: readonly string[], args: readonly TaskArgument[]): GraphTask {
  return {
    ...{ name, kind, image, command, args, cpu: 1, memoryGiB: 1 },
    ...{ outputTypes: {}, after: [], always: false, readsSite: false, told: [], sends: false },
  };
}

function transferImage(job: GraphJob): string {
  if (job.transferImage) return job.transferImage;
  throw invalid('it has inputs or exports but no transferImage; the lock file of images has none for component "transfer"');
}

/** The name, or with a number behind it when a step of the job has it. */
function freeName(wanted: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name)) return name;
  }
}

function checkSize(name: string, value: string | number | boolean): void {
  if (typeof value !== 'string') return;
  const bytes = Buffer.byteLength(value);
  if (bytes <= MAX_PARAMETER_BYTES) return;
  throw new RejectedError(
    'parameter-too-large',
    `Parameter "${name}" of the job has ${bytes} bytes; Kubeflow hands it over as one argument, which may have ${MAX_PARAMETER_BYTES}. ` +
      'Fewer, larger files make it smaller: compact the gold table, or lower the number of files that are exported.',
  );
}

export function invalid(problem: string): RejectedError {
  return new RejectedError('graph-invalid', `The job's graph cannot be compiled: ${problem}.`);
}
