// Steps on what components leave: the run report of a training or a trial, and the words of a component that failed.
import type { z } from 'zod';
import { explainFailure, readReport, readTrial } from '../../shared/contracts/activities/training.ts';
import type { BackendName } from '../../shared/contracts/pipeline/train.ts';
import { trialJobName } from '../../shared/decisions/identity.ts';
import { believableReport, checkArchive, failureIn, readableReport } from '../../shared/decisions/report.ts';
import { stepsOf } from '../../shared/decisions/train-spec.ts';
import { ARCHIVE, REPORT, runFolder, stepReportPath } from '../../shared/decisions/training-plan.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { JobMetrics } from '../../shared/ports/job-metrics.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { PipelineRegistry } from '../../shared/ports/stores.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

/** A run report is a page of JSON; golden rows make it larger, never this large. */
export const MAX_REPORT_BYTES = 8 * 1024 * 1024;
const MAX_SAID = 1500;

export interface ReportPorts {
  store: Store;
  pipelines: PipelineRegistry;
  /** Backends that keep numbers of their jobs beside what components report. */
  jobMetrics?: Readonly<Partial<Record<BackendName, JobMetrics>>>;
}

export function reportActivities(ports: ReportPorts): Activity[] {
  const { store } = ports;
  return [
    perform(readReport, async ({ runId, noGolden, second }) => {
      const folder = runFolder(runId);
      const report = readableReport(runId, await store.read(`${folder}/${REPORT}`, MAX_REPORT_BYTES));
      if (noGolden && report.golden) throw undeclared(runId, `${folder}/${REPORT}`);
      checkArchive(runId, report, await store.digest(`${folder}/${ARCHIVE}`));
      const numbers = await completed(ports, report.metrics, second, runId);
      return { ...numbers, model: report.model, executionSeconds: report.times.executionSeconds };
    }),

    perform(readTrial, async ({ runId, trial, second }) => {
      const name = `${runId}, trial ${trial},`;
      const report = believableReport(name, await store.read(`${runFolder(runId, trial)}/${REPORT}`, MAX_REPORT_BYTES));
      const numbers = await completed(ports, report.metrics, second, trialJobName(runId, trial));
      return { ...numbers, executionSeconds: report.times.executionSeconds };
    }),

    perform(explainFailure, async ({ pipeline, contractDigest, runId }) => {
      const { spec } = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      for (const { name } of stepsOf(spec.train)) {
        const said = failureIn(await store.read(stepReportPath(runFolder(runId), name), MAX_REPORT_BYTES));
        if (said !== null) return { said: said.slice(0, MAX_SAID) };
      }
      return { said: null };
    }),
  ];
}

type Second = z.output<typeof readTrial.input>['second'];

/** The report's numbers come first; what is wanted and not in it may be what the job itself logged. */
async function completed(
  { jobMetrics = {} }: ReportPorts,
  metrics: Record<string, number>,
  second: Second,
  jobName: string,
): Promise<{ metrics: Record<string, number>; fromJob?: string[] }> {
  const missing = second?.wanted.filter((name) => !Object.hasOwn(metrics, name)) ?? [];
  const source = second && jobMetrics[second.backend];
  if (!source || missing.length === 0) return { metrics };
  const logged = await source.read(jobName).catch((error: unknown) => {
    // A refusal there is no reason to lose a good report: the metric stays unknown, and its gate says so.
    if (error instanceof RejectedError) return null;
    throw error;
  });
  const found = missing.flatMap((name) => (logged && Object.hasOwn(logged, name) ? [[name, logged[name] ?? 0] as const] : []));
  if (found.length === 0) return { metrics };
  return { metrics: { ...metrics, ...Object.fromEntries(found) }, fromJob: found.map(([name]) => name) };
}

function undeclared(runId: string, path: string): RejectedError {
  return new RejectedError(
    'golden-undeclared',
    `The run report of ${runId} holds golden rows, and this pipeline declares no row releasable: rows have left the site. Nothing was registered. ` +
      `Remove ${path} from the store, and let the component give golden rows of its input "releasable" only`,
  );
}
