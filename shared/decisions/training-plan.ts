// The job graphs of training and publication: which component runs where, with which arguments. Pure; URLs come in as parameters.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import type { JobSpec, JobStep } from '../contracts/training.ts';
import { RejectedError } from '../errors/errors.ts';

/** What a training job exports to `runs/<runId>/`, in this order: the report last, because it says that the rest is there. */
export const TRAIN_FILES = ['model.tar.gz', 'run-report.json'] as const;

/** The component that brings data in and carries results out. */
const TRANSFER = 'transfer';

interface SignedFile {
  path: string;
  sha256: string;
  bytes: number;
  url: string;
}

/** Key of a published model in its bucket. */
export function artifactKey(modelDigest: string): string {
  return `models/${modelDigest}/model.tar.gz`;
}

/** fetch → train → export. The job's name is the run's id, so a repeat finds it. */
export function trainingJob(work: {
  runId: string;
  version: PipelineVersion;
  inputs: readonly SignedFile[];
  outputs: readonly { name: string; url: string; readUrl: string }[];
}): JobSpec {
  const { runId, version } = work;
  const { train } = version.spec;
  const files = work.inputs.map(({ path, url, sha256, bytes }) => ({ name: path.slice(path.lastIndexOf('/') + 1), url, sha256, bytes }));
  const targets = work.outputs.map(({ name, url, readUrl }) => ({
    name,
    url,
    readUrl,
    headers: { 'x-ms-blob-type': 'BlockBlob', 'If-None-Match': '*' },
  }));
  return {
    name: runId,
    graph: `${version.name}-train`,
    steps: [
      transferStep(version, 'fetch', ['fetch', '--manifest', { parameter: 'manifest' }, '--out', { output: 'data' }]),
      {
        name: 'train',
        image: imageOf(version, train.component),
        command: commandOf(train.component),
        args: [
          '--input',
          { from: 'fetch', output: 'data', prefix: 'gold=' },
          '--params-json',
          { parameter: 'params' },
          '--out',
          { output: 'result' },
        ],
        cpu: train.cpu,
        memoryGiB: train.memoryGiB,
      },
      transferStep(version, 'export', ['export', '--from', { from: 'train', output: 'result' }, '--targets', { parameter: 'targets' }]),
    ],
    parameters: { manifest: JSON.stringify({ files }), params: JSON.stringify(train.params), targets: JSON.stringify({ files: targets }) },
    labels: { pipeline: version.name, run: runId },
  };
}

/** One step: archive from the store, checked, to its bucket by one pre-signed PUT. */
export function publicationJob(work: {
  runId: string;
  version: PipelineVersion;
  modelDigest: string;
  archive: { sha256: string };
  source: string;
  upload: { url: string; headers: Record<string, string> };
}): JobSpec {
  const { version } = work;
  return {
    name: `${work.runId}-publish`,
    graph: `${version.name}-publish`,
    steps: [
      transferStep(version, 'publish', [
        'publish',
        '--archive',
        { parameter: 'source' },
        '--url',
        { parameter: 'upload' },
        '--headers',
        { parameter: 'headers' },
        '--sha256',
        { parameter: 'sha256' },
      ]),
    ],
    parameters: { source: work.source, upload: work.upload.url, headers: JSON.stringify(work.upload.headers), sha256: work.archive.sha256 },
    labels: { pipeline: version.name, run: work.runId, model: work.modelDigest.slice(0, 32) },
  };
}

function transferStep(version: PipelineVersion, name: string, args: JobStep['args']): JobStep {
  return { name, image: imageOf(version, TRANSFER), command: commandOf(TRANSFER), args, cpu: 1, memoryGiB: 1 };
}

function imageOf(version: PipelineVersion, component: string): string {
  const image = version.images[component];
  if (!image)
    throw new RejectedError(
      'image-unknown',
      `The lock file has no image for component "${component}"; build it and apply the pipeline again`,
    );
  return image;
}

/** Every component is a Python module named after it. */
function commandOf(component: string): string[] {
  return ['python3', '-m', `sluice_${component.replaceAll('-', '_')}`];
}
