// Activities on runs of data pipelines (Data Factory): starting one, looking at it, ending it.
import * as z from 'zod';
import { RunId } from '../identifiers.ts';
import { JobState } from '../training.ts';
import { activity, PATIENT } from './contract.ts';

/**
 * Starts the run of a data pipeline that carries this run's id as `runKey`, or adopts the one that carries it already. Rejects
 * `data-pipelines-missing` where no Data Factory is connected, `pipeline-run-refused` where pipeline or parameter is not there.
 */
export const startExtraction = activity({
  name: 'start-extraction',
  input: z.strictObject({
    runId: RunId,
    dataPipeline: z.string().min(1).max(140),
    parameters: z.record(z.string().max(100), z.string().max(1000)),
  }),
  output: z.strictObject({ jobId: z.string(), adopted: z.boolean() }),
  retry: PATIENT,
});

export const readExtraction = activity({
  name: 'read-extraction',
  input: z.strictObject({ jobId: z.string() }),
  output: JobState,
  retry: PATIENT,
});

export const cancelExtraction = activity({
  name: 'cancel-extraction',
  input: z.strictObject({ jobId: z.string() }),
  output: z.strictObject({}),
  retry: PATIENT,
});
