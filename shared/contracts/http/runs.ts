// Runs over HTTP: read, cancel, try again, logs.
import * as z from 'zod';
import { Name, RunId } from '../identifiers.ts';
import { Run, RunStatus } from '../runs.ts';
import { after, limit, operation, type Operation, pageOf, reason } from './operation.ts';

/** A run without the input of its story. */
export const RunSummary = Run.omit({ input: true });
export type RunSummary = z.infer<typeof RunSummary>;

export const StartedRun = z.strictObject({ runId: RunId, instanceId: z.string(), attempt: z.number().int() });
export const RunLogs = z.strictObject({
  jobs: z.array(
    z.strictObject({ stage: z.string(), jobName: z.string(), steps: z.array(z.strictObject({ step: z.string(), text: z.string() })) }),
  ),
});

export const runOperations = {
  listRuns: operation({
    method: 'GET',
    path: 'runs',
    access: 'reader',
    summary: 'List runs, newest first',
    query: z.strictObject({ pipeline: Name.optional(), status: RunStatus.optional(), limit, after }),
    answer: pageOf(RunSummary),
  }),
  getRun: operation({
    method: 'GET',
    path: 'runs/{id}',
    access: 'reader',
    summary: 'Read a run',
    params: z.strictObject({ id: RunId }),
    answer: Run,
  }),
  cancelRun: operation({
    method: 'POST',
    path: 'runs/{id}/cancel',
    access: 'operator',
    summary: 'Ask a run to end: its job is cancelled, its endpoint is restored',
    params: z.strictObject({ id: RunId }),
    body: z.strictObject({ reason }),
    answer: z.strictObject({ runId: RunId, state: z.literal('cancelling') }),
    statuses: { 202: 'Asked; the run ends at its next wait' },
    durable: true,
  }),
  retryRun: operation({
    method: 'POST',
    path: 'runs/{id}/retry',
    access: 'operator',
    summary: 'Start the next attempt of a failed or cancelled run',
    params: z.strictObject({ id: RunId }),
    body: z.strictObject({ reason }),
    answer: StartedRun,
    statuses: { 202: 'Started' },
    durable: true,
  }),
  getRunLogs: operation({
    method: 'GET',
    path: 'runs/{id}/logs',
    access: 'reader',
    summary: 'Read the end of the logs of a run’s jobs',
    params: z.strictObject({ id: RunId }),
    answer: RunLogs,
  }),
} satisfies Record<string, Operation>;
