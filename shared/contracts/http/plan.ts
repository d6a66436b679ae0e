// `plan` over HTTP: what would happen to a file if it landed now. Nothing is written, started or counted.
import * as z from 'zod';
import { Verdict, WindowId } from '../events.ts';
import { EngineChoice } from '../hand-over.ts';
import { Instant, Name, RunId, Sha256 } from '../identifiers.ts';
import { BackendName } from '../pipeline/train.ts';
import { Preview } from '../tables.ts';
import { operation, type Operation } from './operation.ts';

/** Largest file that is sent with the request; a larger one is put into the lake, outside the landing folders, and named. */
export const MAX_PLAN_BYTES = 64 * 1024 * 1024;

/** Path of a file in the lake, or below the landing folder. */
const LakePath = z
  .string()
  .min(1)
  .max(1024)
  .refine((path) => path.split('/').every((part) => !['', '.', '..'].includes(part)), 'no empty, "." or ".." segments')
  .refine((path) => !/[\u0000-\u001f\\]/.test(path), 'no control characters and no backslashes');

/** When its dataset would be complete. */
export const PlannedDataset = z.strictObject({
  source: Name,
  rule: z.string().describe('`complete` of the source, as written'),
  window: WindowId.nullable().describe('The dataset that it would join; null: it is one of its own'),
  state: z.enum(['complete', 'later', 'waiting']),
  files: z.number().int().min(0).describe('Files of the dataset with this one'),
  how: z.string().describe('How it is complete, or what would still be missing'),
  until: Instant.nullable().describe('When a time completes it'),
});
export type PlannedDataset = z.infer<typeof PlannedDataset>;

/** What a candidate that passes its gates would meet in one environment. */
export const PlannedPromotion = z.strictObject({
  environment: Name,
  start: z.enum(['run', 'manual']),
  approval: z.string(),
  rollout: z.string(),
  parity: z.number(),
  targets: z.array(z.strictObject({ name: Name, platform: z.string(), place: z.string(), component: Name })),
});

export type PlannedPromotion = z.infer<typeof PlannedPromotion>;

/** What would happen, and what it was judged by. */
export const Plan = z.strictObject({
  pipeline: Name,
  contractDigest: Sha256,
  path: z.string().describe('Where it would land'),
  bytes: z.number().int(),
  sha256: Sha256,
  verdict: Verdict.describe('That it would have in the end'),
  doneBy: RunId.nullable().describe('The run that did this very work already'),
  dataset: PlannedDataset.nullable().describe('null: it would not be taken'),
  refine: z
    .strictObject({ of: z.enum(['dataset', 'file']), files: z.number().int(), preview: Preview })
    .nullable()
    .describe(
      'What refining would do with its dataset, or with this file alone where the dataset is not complete; null: nothing is refined here',
    ),
  engine: EngineChoice.optional().describe('Who would refine its dataset, where a larger engine is configured'),
  starts: z.boolean().describe('A refine run would be started now'),
  train: z
    .strictObject({
      backends: z.array(BackendName),
      components: z.array(Name),
      deadline: z.string(),
      whenBusy: z.string(),
      atMost: z.number().nullable().describe('What a run may cost, in the currency of the pipeline file'),
    })
    .describe('After new gold'),
  gates: z.array(z.string()).describe('In words'),
  promotions: z.array(PlannedPromotion),
  notes: z.array(z.string()).describe('What this plan could not look at'),
});
export type Plan = z.infer<typeof Plan>;

export const planOperations = {
  plan: operation({
    method: 'POST',
    path: 'pipelines/{name}/plan',
    access: 'operator',
    summary: 'Say what would happen to a file if it landed now; nothing is written, started or counted',
    params: z.strictObject({ name: Name }),
    query: z.strictObject({
      source: Name.optional().describe('Needed where the pipeline has several sources'),
      path: LakePath.optional().describe('A file of the lake container to look at, instead of one in the body'),
      as: LakePath.optional().describe('Path below the landing folder that it would land under; the file’s name without it'),
    }),
    upload: { maxBytes: MAX_PLAN_BYTES },
    answer: Plan,
    durable: true,
  }),
} satisfies Record<string, Operation>;
