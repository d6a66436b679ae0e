// Steps on runs of data pipelines that somebody else owns (Data Factory).
import { cancelExtraction, readExtraction, startExtraction } from '../../shared/contracts/activities/extraction.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { DataPipelines } from '../../shared/ports/data-pipelines.ts';
import { perform, type Activity } from './kit.ts';

export interface ExtractionPorts {
  /** null: no Data Factory is connected. */
  dataPipelines: DataPipelines | null;
}

export function extractionActivities({ dataPipelines }: ExtractionPorts): Activity[] {
  return [
    perform(startExtraction, async ({ runId, dataPipeline, parameters }) =>
      connected(dataPipelines).start({ pipeline: dataPipeline, runKey: runId, parameters }),
    ),
    perform(readExtraction, async ({ jobId }) => connected(dataPipelines).get(jobId)),
    perform(cancelExtraction, async ({ jobId }) => {
      await connected(dataPipelines).cancel(jobId);
      return {};
    }),
  ];
}

function connected(dataPipelines: DataPipelines | null): DataPipelines {
  if (dataPipelines) return dataPipelines;
  throw new RejectedError(
    'data-pipelines-missing',
    'This deployment has no Data Factory: set DATAFACTORY_SUBSCRIPTION_ID, DATAFACTORY_RESOURCE_GROUP and DATAFACTORY_NAME',
  );
}
