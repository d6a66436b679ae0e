// Steps on a training backend's jobs, the report they leave, and the artifact they publish.
import {
  cancelJob,
  readJob,
  readReport,
  submitPublication,
  submitTraining,
  verifyArtifact,
} from '../../shared/contracts/activities/training.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { readableReport } from '../../shared/decisions/report.ts';
import { artifactKey, publicationJob, trainingJob, TRAIN_FILES } from '../../shared/decisions/training-plan.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { ArtifactStore } from '../../shared/ports/serving-platform.ts';
import type { PipelineRegistry } from '../../shared/ports/stores.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

export interface TrainingPorts {
  backends: Readonly<Record<string, TrainingBackend>>;
  store: Store;
  artifacts: ArtifactStore;
  pipelines: PipelineRegistry;
}

/** A run report is a page of JSON; golden rows make it larger, never this large. */
export const MAX_REPORT_BYTES = 8 * 1024 * 1024;

/** What storage signs at most: the 7 days of a user delegation key, less the time by which clocks may differ. */
const MAX_URL_SECONDS = 7 * 86_400 - 600;

export function trainingActivities(ports: TrainingPorts): Activity[] {
  return [
    perform(submitTraining, async ({ backend, runId, pipeline, contractDigest, files }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const seconds = urlSeconds(version.spec.train.deadline);
      const inputs = await Promise.all(files.map(async (file) => ({ ...file, url: await ports.store.signRead(file.path, seconds) })));
      const outputs = await Promise.all(
        TRAIN_FILES.map(async (name) => ({
          name,
          url: await ports.store.signCreate(`runs/${runId}/${name}`, seconds),
          readUrl: await ports.store.signRead(`runs/${runId}/${name}`, seconds),
        })),
      );
      const job = trainingJob({ runId, version, inputs, outputs });
      return { ...(await backendOf(ports, backend).submit(job)), jobName: job.name };
    }),

    perform(submitPublication, async (request) => {
      const { region, bucket, modelDigest, archive, runId } = request;
      const key = artifactKey(modelDigest);
      const artifactUri = `s3://${bucket}/${key}`;
      const there = await ports.artifacts.head({ region, bucket, key });
      if (there) return { job: null, artifactUri };
      const version = await pipelineVersion(ports.pipelines, request.pipeline, request.contractDigest);
      const upload = await ports.artifacts.presignPut({
        region,
        bucket,
        key,
        sha256: archive.sha256,
        bytes: archive.bytes,
        expiresSeconds: request.signedUrlSeconds,
      });
      const source = await ports.store.signRead(archive.storePath, request.signedUrlSeconds);
      const job = publicationJob({ runId, version, modelDigest, archive, source, upload });
      return { job: { ...(await backendOf(ports, request.backend).submit(job)), jobName: job.name }, artifactUri };
    }),

    perform(readJob, ({ backend, jobId }) => backendOf(ports, backend).get(jobId)),

    perform(cancelJob, async ({ backend, jobId, reason }) => {
      await backendOf(ports, backend).cancel(jobId, reason);
      return {};
    }),

    perform(readReport, async ({ runId }) => {
      const report = readableReport(runId, await ports.store.read(`runs/${runId}/run-report.json`, MAX_REPORT_BYTES));
      return { metrics: report.metrics, model: report.model, executionSeconds: report.times.executionSeconds };
    }),

    perform(verifyArtifact, async ({ region, bucket, modelDigest, archive }) => {
      const key = artifactKey(modelDigest);
      const found = await ports.artifacts.head({ region, bucket, key });
      if (!found)
        throw new RejectedError(
          'artifact-missing',
          `s3://${bucket}/${key} is not there although its publication ended; look at the publish job's log`,
        );
      if (found.sha256 !== archive.sha256 || found.bytes !== archive.bytes) {
        throw new RejectedError(
          'artifact-mismatch',
          `s3://${bucket}/${key} has SHA-256 ${found.sha256 ?? 'unknown'} and ${found.bytes} bytes, the training side reported ${archive.sha256} and ${archive.bytes}; nothing was deployed. Remove the object and promote again, or find out who wrote it`,
        );
      }
      return { artifactUri: `s3://${bucket}/${key}` };
    }),
  ];
}

/** Life of the URLs that a job gets: it may begin late and end at its deadline. */
function urlSeconds(deadline: string): number {
  const seconds = durationSeconds(deadline) + 3600;
  if (seconds <= MAX_URL_SECONDS) return seconds;
  throw new RejectedError(
    'deadline-too-long',
    `train.deadline ${deadline} is too long: the URLs by which the job fetches and leaves its files live less than 7 days. Make it 6d or less and apply the pipeline again`,
  );
}

function backendOf(ports: TrainingPorts, name: string): TrainingBackend {
  const backend = ports.backends[name];
  if (!backend) throw new RejectedError('backend-unknown', `This deployment has no training backend "${name}"; its settings are missing`);
  return backend;
}
