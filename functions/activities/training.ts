// Steps on a training backend's jobs, and the artifact that one of them publishes.
import type { z } from 'zod';
import {
  cancelJob,
  checkBackends,
  readJob,
  submitPublication,
  submitTraining,
  verifyArtifact,
} from '../../shared/contracts/activities/training.ts';
import type { ParamOverrides } from '../../shared/contracts/stories.ts';
import type { JobExport, JobSpec } from '../../shared/contracts/training.ts';
import { residencyProblem, type BackendCheck, type Residency } from '../../shared/decisions/choose-backend.ts';
import { durationSeconds } from '../../shared/decisions/durations.ts';
import { trialJobName } from '../../shared/decisions/identity.ts';
import { siteProblem } from '../../shared/decisions/site-files.ts';
import { overridden } from '../../shared/decisions/train-spec.ts';
import {
  artifactKey,
  type PlannedExport,
  publicationJob,
  runFolder,
  trainingExports,
  trainingJob,
  trainingSteps,
  trialExports,
} from '../../shared/decisions/training-plan.ts';
import { RejectedError, TransientError } from '../../shared/errors/errors.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { ArtifactStore } from '../../shared/ports/serving-platform.ts';
import type { PipelineRegistry } from '../../shared/ports/stores.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { pipelineVersion } from './data.ts';
import { filesBeside, jobFiles } from './job-inputs.ts';
import { perform, type Activity } from './kit.ts';
import { moneyActivities, type MoneyPorts } from './money.ts';
import { reportActivities, type ReportPorts } from './reports.ts';
import { searchOf, searchState, sweepActivities, type SweepPorts } from './sweeps.ts';
import { trackingActivities, type TrackingPorts } from './tracking.ts';

export { MAX_REPORT_BYTES } from './reports.ts';

export interface TrainingPorts extends MoneyPorts, TrackingPorts, SweepPorts, ReportPorts {
  backends: Readonly<Record<string, TrainingBackend>>;
  store: Store;
  artifacts: ArtifactStore;
  pipelines: PipelineRegistry;
  /** Where each backend keeps data, by its settings; without it a pipeline with `choose: residency` trains nowhere. */
  residency?: Residency;
  /** Region of AWS, by the name of the backend whose sending steps have an identity of their own there. */
  awsRegions?: Readonly<Record<string, string>>;
}

/** What storage signs at most: the 7 days of a user delegation key, less the time by which clocks may differ. */
const MAX_URL_SECONDS = 7 * 86_400 - 600;

/** Everything that trainings and searches ask for: jobs, reports, money, tracking. */
export function trainingActivities(ports: TrainingPorts): Activity[] {
  return [
    ...jobActivities(ports),
    ...reportActivities(ports),
    ...moneyActivities(ports),
    ...trackingActivities(ports),
    ...sweepActivities(ports, { jobOf: (asked) => jobOf(ports, asked), backendOf: (name) => backendOf(ports, name) }),
  ];
}

function jobActivities(ports: TrainingPorts): Activity[] {
  return [
    perform(checkBackends, async ({ pipeline, contractDigest, overrides }) => ({
      checks: await checkInOrder(ports, pipeline, contractDigest, overrides),
    })),

    perform(submitTraining, async ({ backend, ...work }) => {
      const job = await jobOf(ports, work);
      return { ...(await backendOf(ports, backend).submit(job)), jobName: job.name };
    }),

    perform(submitPublication, async (request) => {
      const { region, bucket, modelDigest, archive, runId } = request;
      const key = artifactKey(modelDigest);
      const artifactUri = `s3://${bucket}/${key}`;
      const there = await ports.artifacts.head({ region, bucket, key });
      if (there) return { job: null, artifactUri };
      const version = await pipelineVersion(ports.pipelines, request.pipeline, request.contractDigest);
      const { sha256, bytes } = archive;
      const expiresSeconds = request.signedUrlSeconds;
      // Where the step has an identity of its own in AWS, nothing is signed for it.
      const upload =
        ports.awsRegions?.[request.backend] === region
          ? { url: artifactUri, headers: {} }
          : await ports.artifacts.presignPut({ region, bucket, key, sha256, bytes, expiresSeconds });
      const source = await ports.store.signRead(archive.storePath, request.signedUrlSeconds);
      const job = publicationJob({ runId, version, modelDigest, archive, source, upload });
      return { job: { ...(await backendOf(ports, request.backend).submit(job)), jobName: job.name }, artifactUri };
    }),

    perform(readJob, ({ backend, jobId, search }) =>
      search ? searchState(ports, backend, jobId, search) : backendOf(ports, backend).get(jobId),
    ),

    perform(cancelJob, async ({ backend, jobId, reason, search }) => {
      await (search ? searchOf(ports, backend) : backendOf(ports, backend)).cancel(jobId, reason);
      return {};
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

type Work = Omit<z.output<typeof submitTraining.input>, 'backend'>;

/** The job of a training, or of one trial: signed in and out, so that it needs no identity of its own. */
async function jobOf(
  ports: TrainingPorts,
  { runId, pipeline, contractDigest, overrides, gold, specDigest, files, trial }: Work,
): Promise<JobSpec> {
  const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
  const train = overridden(version.spec.train, overrides);
  const seconds = urlSeconds(train.deadline);
  const folder = runFolder(runId, trial);
  const planned = trial === undefined ? trainingExports(folder, train) : trialExports(folder, train);
  return trainingJob({
    name: trial === undefined ? runId : trialJobName(runId, trial),
    runId,
    version,
    train,
    gold,
    specDigest,
    files: await jobFiles(ports.store, files, seconds),
    beside: await filesBeside(ports.store, version, train, seconds),
    exports: await signedExports(ports.store, planned, seconds),
  });
}

/**
 * One backend after the other, until one can. A backend that does not answer is passed over where another can train; where none can,
 * the silence is thrown on, so that the engine asks again: an outage is no reason to give a training up.
 */
async function checkInOrder(
  ports: TrainingPorts,
  pipeline: string,
  contractDigest: string,
  overrides: ParamOverrides | undefined,
): Promise<BackendCheck[]> {
  const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
  const train = overridden(version.spec.train, overrides);
  const { data } = version.spec;
  const job = {
    steps: trainingSteps(version, train),
    ...(train.nodes === undefined ? {} : { nodes: train.nodes }),
    ...(data === 'on-premises' ? { rowsStay: true } : {}),
  };
  const checks: BackendCheck[] = [];
  let silence: TransientError | null = null;
  for (const backend of train.backend) {
    let missing = siteProblem(data, backend) ?? residencyProblem(train, backend, ports.residency ?? {});
    try {
      missing ??= await lackOf(ports, backend, job);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      silence ??= error;
      missing = `it gave no answer: ${error.message}`;
    }
    checks.push({ backend, missing });
    if (missing === null) return checks;
  }
  if (silence) throw silence;
  return checks;
}

/** What keeps a backend from taking the job; a refusal (a role that is missing) is such a lack, too. */
async function lackOf(ports: TrainingPorts, name: string, job: Parameters<TrainingBackend['check']>[0]): Promise<string | null> {
  const backend = Object.hasOwn(ports.backends, name) ? ports.backends[name] : undefined;
  if (!backend) return 'this deployment has no settings for it';
  try {
    const answer = await backend.check(job);
    return answer.available ? null : answer.missing;
  } catch (error) {
    if (error instanceof RejectedError) return error.message;
    throw error;
  }
}

async function signedExports(store: Store, planned: readonly PlannedExport[], seconds: number): Promise<JobExport[]> {
  return Promise.all(
    planned.map(async (one) => ({
      ...one,
      url: await store.signCreate(one.storePath, seconds),
      readUrl: await store.signRead(one.storePath, seconds),
    })),
  );
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

function backendOf(ports: Pick<TrainingPorts, 'backends'>, name: string): TrainingBackend {
  const backend = Object.hasOwn(ports.backends, name) ? ports.backends[name] : undefined;
  if (!backend) throw new RejectedError('backend-unknown', `This deployment has no training backend "${name}"; its settings are missing`);
  return backend;
}
