// The training side as a test scripts it: jobs of the memory backend that leave what real components would leave,
// a run report in the store and an archive in the bucket, when they have succeeded.
import {
  createMemoryTrainingBackend,
  type MemoryTrainingBackend,
  type MemoryTrainingOptions,
} from '../../shared/adapters/memory/training-backend.ts';
import type { MemoryServing } from '../../shared/adapters/memory/serving-platform.ts';
import type { InputRow } from '../../shared/contracts/rows.ts';
import type { JobSpec } from '../../shared/contracts/training.ts';
import { digestOfFiles, sha256Hex } from '../../shared/decisions/digest.ts';
import type { Store } from '../../shared/ports/lake.ts';

/** Golden rows, and what the scripted model says to any row. */
export const GOLDEN_ROWS = [
  [1, -60],
  [2, -70],
  [3, -80],
];
export const answerTo = (row: InputRow): { label: string; probability: number } => ({
  label: `cell-${String(Object.values(row)[0])}`,
  probability: 0.75,
});

const METRICS = { leakedRows: 0, top1: 0.4, top5: 0.8, meanErrorCells: 1.5 };

/** What the archive of a model holds here. */
const archiveOf = (modelDigest: string): string => `archive of ${modelDigest}`;

/** The report of a good training run; `more` replaces members. */
export function reportOf(runId: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const files = [{ path: 'weights.json', sha256: sha256Hex(`weights of ${runId}`), bytes: 1024 }];
  const digest = digestOfFiles(files);
  return {
    protocol: 1,
    component: { name: 'ble-train', version: '1.0.0' },
    status: 'succeeded',
    metrics: METRICS,
    model: { digest, files, archive: { path: 'model.tar.gz', sha256: sha256Hex(archiveOf(digest)), bytes: archiveOf(digest).length } },
    golden: { rows: GOLDEN_ROWS, predictions: GOLDEN_ROWS.map(answerTo), tolerance: 1e-6 },
    times: { startedAt: '2026-01-01T00:00:00.000Z', finishedAt: '2026-01-01T00:00:02.000Z', executionSeconds: 2 },
    ...more,
  };
}

export interface TrainingSideOptions extends MemoryTrainingOptions {
  store: Store;
  bucket: MemoryServing;
  /** What a succeeded training job leaves: a report, raw text, or null for nothing. Default: a good report. */
  report?: ((jobName: string, job: JobSpec) => Record<string, unknown> | string | null) | undefined;
  /** What its archive holds; an empty text for none. Default: what the report says. */
  archive?: ((jobName: string) => string) | undefined;
  /** What a succeeded publication puts into the bucket, given what it was told; null for nothing. Default: exactly that. */
  upload?: ((asked: { sha256: string; bytes: number }) => { sha256: string; bytes: number } | null) | undefined;
}

/** The backend, the jobs that it was given, and how often it was asked to cancel one. */
export interface TrainingSide extends MemoryTrainingBackend {
  readonly specs: ReadonlyMap<string, JobSpec>;
  readonly cancels: readonly { jobId: string; reason: string }[];
}

export function createTrainingSide(options: TrainingSideOptions): TrainingSide {
  const inner = createMemoryTrainingBackend(options);
  const specs = new Map<string, JobSpec>();
  const cancels: { jobId: string; reason: string }[] = [];
  const left = new Set<string>();

  async function leave(jobId: string): Promise<void> {
    const spec = specs.get(jobId);
    if (!spec || left.has(jobId)) return;
    left.add(jobId);
    if (spec.name.endsWith('-publish')) return publish(spec);
    const report = options.report ? options.report(spec.name, spec) : reportOf(spec.name);
    if (report === null) return;
    const text = typeof report === 'string' ? report : JSON.stringify(report);
    for (const { storePath, file } of spec.exports) {
      const archive = options.archive?.(spec.name) ?? archiveOf(modelDigestIn(text));
      const content = { 'run-report.json': text, 'model.tar.gz': archive }[file];
      if (content) await options.store.create(storePath, Buffer.from(content), 'application/octet-stream');
    }
  }

  function publish(spec: JobSpec): void {
    const [, region = '', bucket = '', ...key] = new URL(String(spec.parameters['upload'])).pathname.split('/');
    const headers = JSON.parse(String(spec.parameters['headers'])) as Record<string, string>;
    const asked = { sha256: headers['x-amz-meta-sha256'] ?? '', bytes: Number(headers['content-length']) };
    const content = options.upload ? options.upload(asked) : asked;
    if (content) options.bucket.putObject({ region, bucket, key: key.join('/') }, content);
  }

  return {
    ...inner,
    specs,
    cancels,
    async submit(spec) {
      const submitted = await inner.submit(spec);
      specs.set(submitted.jobId, spec);
      return submitted;
    },
    async get(jobId) {
      const state = await inner.get(jobId);
      if (state.state === 'succeeded') await leave(jobId);
      return state;
    },
    async cancel(jobId, reason) {
      cancels.push({ jobId, reason });
      await inner.cancel(jobId, reason);
    },
  };
}

/** The digest that a report names, as far as it can be read. */
function modelDigestIn(report: string): string {
  return /"model":\{"digest":"([0-9a-f]{64})"/.exec(report)?.[1] ?? 'none';
}
