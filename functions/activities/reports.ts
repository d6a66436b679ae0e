// Steps on what components leave: the run report of a training or a trial, and the words of a component that failed.
import { explainFailure, readReport, readTrial } from '../../shared/contracts/activities/training.ts';
import { believableReport, checkArchive, failureIn, readableReport } from '../../shared/decisions/report.ts';
import { stepsOf } from '../../shared/decisions/train-spec.ts';
import { ARCHIVE, REPORT, runFolder, stepReportPath } from '../../shared/decisions/training-plan.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Store } from '../../shared/ports/lake.ts';
import type { PipelineRegistry } from '../../shared/ports/stores.ts';
import { pipelineVersion } from './data.ts';
import { perform, type Activity } from './kit.ts';

/** A run report is a page of JSON; golden rows make it larger, never this large. */
export const MAX_REPORT_BYTES = 8 * 1024 * 1024;
const MAX_SAID = 1500;

export function reportActivities(ports: { store: Store; pipelines: PipelineRegistry }): Activity[] {
  const { store } = ports;
  return [
    perform(readReport, async ({ runId, noGolden }) => {
      const folder = runFolder(runId);
      const report = readableReport(runId, await store.read(`${folder}/${REPORT}`, MAX_REPORT_BYTES));
      if (noGolden && report.golden) throw undeclared(runId, `${folder}/${REPORT}`);
      checkArchive(runId, report, await store.digest(`${folder}/${ARCHIVE}`));
      return { metrics: report.metrics, model: report.model, executionSeconds: report.times.executionSeconds };
    }),

    perform(readTrial, async ({ runId, trial }) => {
      const name = `${runId}, trial ${trial},`;
      const report = believableReport(name, await store.read(`${runFolder(runId, trial)}/${REPORT}`, MAX_REPORT_BYTES));
      return { metrics: report.metrics, executionSeconds: report.times.executionSeconds };
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

function undeclared(runId: string, path: string): RejectedError {
  return new RejectedError(
    'golden-undeclared',
    `The run report of ${runId} holds golden rows, and this pipeline declares no row releasable: rows have left the site. Nothing was registered. ` +
      `Remove ${path} from the store, and let the component give golden rows of its input "releasable" only`,
  );
}
