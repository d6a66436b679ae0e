// The jobs of training and publication: which component runs where, with which arguments, what goes in and what comes out.
// Pure and neutral: how files reach a step and leave it is the backend's business. URLs come in as values.
import { isSiteInput, type SiteInput, type Train, type TrainStep } from '../contracts/pipeline/train.ts';
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { JobExport, JobFile, JobSpec, JobStep } from '../contracts/training.ts';
import { RejectedError } from '../errors/errors.ts';
import { durationSeconds } from './durations.ts';
import { paramsOf, resultStepOf, stepsOf } from './train-spec.ts';

export const REPORT = 'run-report.json';
export const ARCHIVE = 'model.tar.gz';
/** The component that brings files in and carries results out where a backend mounts nothing; it also publishes archives. */
const TRANSFER = 'transfer';
/** The folder that every step writes into. */
const OUTPUT = 'result';
/** The backend gives a job up later than we do. */
const MARGIN_SECONDS = 600;

/** Key of a published model in its bucket. */
export function artifactKey(modelDigest: string): string {
  return `models/${modelDigest}/${ARCHIVE}`;
}

/** Where a run, or one trial of it, leaves its files. */
export function runFolder(runId: string, trial?: number): string {
  return trial === undefined ? `runs/${runId}` : `runs/${runId}/trials/${trial}`;
}

/** The store's path of a step's own report. */
export function stepReportPath(folder: string, step: string): string {
  return `${folder}/steps/${step}/${REPORT}`;
}

/** The store's path of a file that a step was told to keep. */
export function keptFilePath(folder: string, step: string, file: string): string {
  return `${folder}/files/${step}/${file}`;
}

/** A file that a job leaves, before its URLs are signed. */
export type PlannedExport = Omit<JobExport, 'url' | 'readUrl'>;

/**
 * What a training leaves in the store, in this order: kept files, the report of each step (also of one that failed, so that it can
 * say why), the archive, and last the run report, because it says that the rest is there.
 */
export function trainingExports(folder: string, train: Train): PlannedExport[] {
  const steps = stepsOf(train);
  const result = resultStepOf(train);
  const of = (step: string, file: string, storePath: string, optional: boolean): PlannedExport => ({
    step,
    output: OUTPUT,
    file,
    storePath,
    optional,
  });
  return [
    ...steps.flatMap(({ name, keep }) => [...new Set(keep)].map((file) => of(name, file, keptFilePath(folder, name, file), true))),
    ...steps.map(({ name }) => of(name, REPORT, stepReportPath(folder, name), true)),
    of(result, ARCHIVE, `${folder}/${ARCHIVE}`, false),
    of(result, REPORT, `${folder}/${REPORT}`, false),
  ];
}

/** A trial of a search leaves its numbers, and no model: the best parameters are trained once more as a run of its own. */
export function trialExports(folder: string, train: Train): PlannedExport[] {
  return trainingExports(folder, train).filter(({ file }) => file === REPORT);
}

export interface TrainingWork {
  /** The job's name: the run's id, or a trial's own name. */
  name: string;
  runId: string;
  version: Pick<PipelineVersion, 'name' | 'images' | 'spec'>;
  /** The pipeline's, with the parameters of this run. */
  train: Train;
  gold: { table: string; version: number; digest: string };
  specDigest: string;
  files: JobFile[];
  /** With `data: on-premises`: what else the steps read. */
  beside?: Partial<Record<SiteInput, JobFile[]>>;
  exports: JobExport[];
}

/** The job of a training. Its name is its identity, so a repeat finds it. */
export function trainingJob(work: TrainingWork): JobSpec {
  const { name, runId, version, train, gold, specDigest } = work;
  const { transfer } = version.images;
  return {
    name,
    graph: `${version.name}-train`,
    steps: trainingSteps(version, train),
    parameters: Object.fromEntries(stepsOf(train).map((step) => [paramKey(train, step), JSON.stringify(paramsOf(train, step))])),
    labels: { pipeline: version.name, run: runId },
    inputs: { gold: work.files, ...work.beside },
    exports: work.exports,
    ...(transfer === undefined ? {} : { transferImage: transfer }),
    timeoutSeconds: durationSeconds(train.deadline) + MARGIN_SECONDS,
    ...(train.nodes === undefined ? {} : { nodes: train.nodes }),
    ...(version.spec.data === 'on-premises' ? { rowsStay: true } : {}),
    lineage: { pipeline: version.name, runId, goldDigest: gold.digest, specDigest, goldTable: gold.table, goldVersion: gold.version },
    experiment: train.mlflow?.experiment ?? version.name,
  };
}

/** The steps of a training as a backend sees them: enough to ask whether it could run them. */
export function trainingSteps(version: Pick<PipelineVersion, 'images'>, train: Train): JobStep[] {
  return stepsOf(train).map((step) => ({
    name: step.name,
    image: imageOf(version, step.component),
    command: commandOf(step.component),
    args: [...inputsOf(train, step), '--params-json', { parameter: paramKey(train, step) }, '--out', { output: OUTPUT }],
    cpu: step.cpu,
    memoryGiB: step.memoryGiB,
    component: step.component,
  }));
}

function inputsOf(train: Train, step: TrainStep): JobStep['args'] {
  const ofJob = (from: string): boolean => from === 'gold' || (isSiteInput(from) && !train.steps?.some(({ name }) => name === from));
  return Object.entries(step.inputs).flatMap(([input, from]) => [
    '--input',
    ofJob(from) ? { input: from, prefix: `${input}=` } : { from, output: OUTPUT, prefix: `${input}=` },
  ]);
}

/** Run parameter that carries a step's parameters as JSON text. Step names have hyphens only, so no two keys meet. */
function paramKey(train: Train, step: TrainStep): string {
  return train.steps === undefined ? 'params' : `params_${step.name.replaceAll('-', '_')}`;
}

/** One step: archive from the store, checked, to its bucket by one pre-signed PUT. */
export function publicationJob(work: {
  runId: string;
  version: Pick<PipelineVersion, 'name' | 'images'>;
  modelDigest: string;
  archive: { sha256: string };
  source: string;
  upload: { url: string; headers: Record<string, string> };
}): JobSpec {
  const { version } = work;
  const args: JobStep['args'] = [
    'publish',
    '--archive',
    { parameter: 'source' },
    '--url',
    { parameter: 'upload' },
    '--headers',
    { parameter: 'headers' },
    '--sha256',
    { parameter: 'sha256' },
  ];
  return {
    name: `${work.runId}-publish`,
    graph: `${version.name}-publish`,
    steps: [
      { name: 'publish', image: imageOf(version, TRANSFER), command: commandOf(TRANSFER), args, cpu: 1, memoryGiB: 1, component: TRANSFER },
    ],
    parameters: { source: work.source, upload: work.upload.url, headers: JSON.stringify(work.upload.headers), sha256: work.archive.sha256 },
    labels: { pipeline: version.name, run: work.runId, model: work.modelDigest.slice(0, 32) },
    inputs: {},
    exports: [],
  };
}

function imageOf({ images }: Pick<PipelineVersion, 'images'>, component: string): string {
  const image = Object.hasOwn(images, component) ? images[component] : undefined;
  if (image !== undefined) return image;
  const mend = 'build it and apply the pipeline again';
  throw new RejectedError('image-unknown', `The lock file has no image for component "${component}"; ${mend}`);
}

/** Every component is a Python module named after it. */
function commandOf(component: string): string[] {
  return ['python3', '-m', `sluice_${component.replaceAll('-', '_')}`];
}
