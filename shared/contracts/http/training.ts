// The middle loop over HTTP: train with other parameters, search, compare, top up, and look at what a run left.
import * as z from 'zod';
import { Name, RunId, Sha256 } from '../identifiers.ts';
import { RunReport } from '../run-report.ts';
import { RunStatus } from '../runs.ts';
import { MAX_PARALLEL, MAX_ROUNDS, ParamOverrides } from '../stories.ts';
import { SearchSpace } from '../training.ts';
import { operation, type Operation, reason } from './operation.ts';

const like = RunId.optional().describe('On the gold version of this run; the newest of the pipeline without it');

export const TrainingRequest = z.strictObject({
  params: ParamOverrides.default({}).describe('Other values for declared parameters: NAME or STEP.NAME'),
  like,
  reason,
});

export const SearchRequest = z
  .strictObject({
    space: SearchSpace,
    trials: z.number().int().min(1).max(100),
    parallel: z.number().int().min(1).max(MAX_PARALLEL).default(2),
    metric: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .describe('What is improved; the metric of the pipeline’s gate against the champion without it'),
    direction: z.enum(['higher-is-better', 'lower-is-better']).optional().describe('Of the metric; the gate’s own without it'),
    seed: z
      .number()
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(0),
    params: ParamOverrides.default({}).describe('What all trials have in common'),
    train: z.boolean().default(false).describe('Train on the best parameters afterwards'),
    like,
    reason,
  })
  .refine(({ trials, parallel }) => Math.ceil(trials / parallel) <= MAX_ROUNDS, {
    path: ['parallel'],
    message: `a search has at most ${MAX_ROUNDS} rounds: run more trials at the same time`,
  });

/** A run that does what was asked for: new, or one that did or does it already. */
export const AskedRun = z.strictObject({
  runId: RunId,
  attempt: z.number().int(),
  status: RunStatus,
  state: z.enum(['started', 'exists']),
  gold: z.strictObject({ table: Name, version: z.number().int(), digest: Sha256 }),
});
export type AskedRun = z.infer<typeof AskedRun>;

/** A report without its golden rows: they are data. */
export const ReportView = RunReport.omit({ golden: true });
export type ReportView = z.infer<typeof ReportView>;

export const RunReports = z.strictObject({
  runId: RunId,
  report: ReportView.nullable().describe('Of the step that leaves the model; null when there is none'),
  steps: z.array(z.strictObject({ step: Name, report: ReportView.nullable() })),
  files: z
    .array(z.strictObject({ step: Name, file: z.string(), path: z.string().describe('In the store of runs') }))
    .describe('Files that the pipeline keeps; GET runs/{id}/files/{step}/{file}'),
});

export const RunFile = z.strictObject({ step: Name, file: z.string(), bytes: z.number().int(), base64: z.string() });

const both = <Value extends z.ZodType>(value: Value) => ({ a: value.nullable(), b: value.nullable() });
const compared = { name: z.string(), ...both(z.number()), difference: z.number().nullable().describe('b − a') };
const GoldView = z.strictObject({ table: Name, version: z.number().int(), digest: Sha256, rows: z.number().int().nullable() });

/** Two trainings side by side; what is equal in both is counted, not listed. */
export const Comparison = z.strictObject({
  a: z.strictObject({
    runId: RunId,
    status: RunStatus,
    backend: z.string().nullable(),
    modelDigest: Sha256.nullable(),
    specDigest: Sha256.nullable(),
  }),
  b: z.strictObject({
    runId: RunId,
    status: RunStatus,
    backend: z.string().nullable(),
    modelDigest: Sha256.nullable(),
    specDigest: Sha256.nullable(),
  }),
  params: z.array(z.strictObject({ name: z.string(), a: z.unknown(), b: z.unknown() })),
  equalParams: z.number().int(),
  metrics: z.array(z.strictObject(compared)),
  slices: z.array(z.strictObject({ name: z.string(), rows: z.strictObject(both(z.number())), metrics: z.array(z.strictObject(compared)) })),
  data: z.strictObject({ same: z.boolean(), ...both(GoldView), words: z.string() }),
  curves: z
    .array(z.strictObject({ name: z.string(), kind: z.string(), ...both(z.array(z.array(z.number()))) }))
    .describe('ROC and the like'),
});
export type Comparison = z.infer<typeof Comparison>;

export const ToppedUp = z.strictObject({ runId: RunId, month: z.string(), limit: z.number().describe('Where the run is stopped now') });

const id = z.strictObject({ id: RunId });

export const trainingOperations = {
  startTraining: operation({
    method: 'POST',
    path: 'pipelines/{name}/train',
    access: 'operator',
    summary: 'Train on a gold version that is there, with the pipeline’s parameters or others',
    params: z.strictObject({ name: Name }),
    body: TrainingRequest,
    answer: AskedRun,
    statuses: { 200: 'This very training was done, or is under way', 202: 'Started' },
    durable: true,
  }),
  startSearch: operation({
    method: 'POST',
    path: 'pipelines/{name}/sweep',
    access: 'operator',
    summary: 'Search for better parameters on a gold version that is there',
    params: z.strictObject({ name: Name }),
    body: SearchRequest,
    answer: AskedRun,
    statuses: { 200: 'This very search was done, or is under way', 202: 'Started' },
    durable: true,
  }),
  compareRuns: operation({
    method: 'GET',
    path: 'compare',
    access: 'reader',
    summary: 'Compare two trainings: parameters, metrics, slices, data, curves',
    query: z.strictObject({ a: RunId, b: RunId }),
    answer: Comparison,
  }),
  topUpRun: operation({
    method: 'POST',
    path: 'runs/{id}/top-up',
    access: 'approver',
    summary: 'Allow a run that works to cost more',
    params: id,
    body: z.strictObject({ amount: z.number().positive().max(1e9), reason }),
    answer: ToppedUp,
    idempotencyKey: true,
  }),
  getRunReport: operation({
    method: 'GET',
    path: 'runs/{id}/report',
    access: 'reader',
    summary: 'Read what the components of a training said',
    params: id,
    answer: RunReports,
  }),
  getRunFile: operation({
    method: 'GET',
    path: 'runs/{id}/files/{step}/{file}',
    access: 'reader',
    summary: 'Read a file that a step of a training left: a plot, a table; at most 2 MiB',
    params: z.strictObject({
      id: RunId,
      step: Name,
      file: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/, 'expected a plain file name'),
    }),
    answer: RunFile,
  }),
} satisfies Record<string, Operation>;
