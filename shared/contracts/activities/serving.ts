// Activities on a serving platform's models, configurations and endpoints.
import * as z from 'zod';
import { RunId } from '../identifiers.ts';
import { ParityResult } from '../runs.ts';
import { EndpointState, ServingRequest } from '../serving.ts';
import { activity, PATIENT } from './contract.ts';

const place = { region: z.string(), endpoint: z.string() };

/** Creates model and endpoint configuration (describe-and-compare). Touches no traffic. */
export const stageServing = activity({
  name: 'stage-serving',
  input: ServingRequest,
  output: z.strictObject({ modelName: z.string(), configName: z.string() }),
  retry: PATIENT,
});

/** Points the endpoint to a configuration; creates the endpoint when absent. Rejects `endpoint-busy` never: that is transient. */
export const applyServing = activity({
  name: 'apply-serving',
  input: z.strictObject({ ...place, configName: z.string(), tags: z.record(z.string(), z.string()) }),
  output: z.strictObject({ action: z.enum(['created', 'updated', 'unchanged']) }),
  retry: PATIENT,
});

export const readEndpoint = activity({ name: 'read-endpoint', input: z.strictObject(place), output: EndpointState, retry: PATIENT });

/** Back to the configuration before, or no endpoint when there was none. */
export const restoreServing = activity({
  name: 'restore-serving',
  input: z.strictObject({ ...place, configName: z.string().nullable() }),
  output: z.strictObject({ action: z.enum(['restored', 'deleted', 'unchanged']) }),
  retry: PATIENT,
});

/**
 * Sends the golden rows of a train run to the live endpoint and compares with the training side's own predictions. Where the rows of the
 * data must stay and none was declared releasable, a made-up row of the report is sent and its answer looked at. Rejects `golden-missing`,
 * `shape-failed`.
 */
export const checkParity = activity({
  name: 'check-parity',
  input: z.strictObject({ ...place, trainRunId: RunId, rowsStay: z.boolean().optional() }),
  output: ParityResult,
  retry: PATIENT,
});
