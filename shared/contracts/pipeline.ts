// `sluice.yaml` (apiVersion sluice/v1): one pipeline from the landing path to the endpoints. Unknown keys are refused.
import * as z from 'zod';
import { ImageReference, Name, Sha256 } from './identifiers.ts';
import { Environment } from './pipeline/environment.ts';
import { Gate } from './pipeline/gate.ts';
import { SqlFile } from './pipeline/parts.ts';
import { Freshness, Lateness, Limits, Schedule } from './pipeline/schedule.ts';
import { Complete, Source } from './pipeline/source.ts';
import { Table } from './pipeline/table.ts';
import { sayWhereDataIs } from './pipeline/residence.ts';
import { Train } from './pipeline/train.ts';

export { Duration } from './pipeline/parts.ts';
export * from './pipeline/environment.ts';
export * from './pipeline/gate.ts';
export * from './pipeline/schedule.ts';
export * from './pipeline/source.ts';
export * from './pipeline/table.ts';
export * from './pipeline/target.ts';
export * from './pipeline/train.ts';

export const Pipeline = z
  .strictObject({
    apiVersion: z.literal('sluice/v1'),
    pipeline: Name,
    data: z.enum(['lake', 'on-premises']).describe('on-premises: only manifests enter the lake; refining and training run beside the data'),
    sources: z.array(Source).min(1).max(10),
    complete: Complete.describe('When a dataset of a source is complete; "files 1" makes every file a dataset of its own'),
    lateness: Lateness.optional(),
    tables: z.strictObject({ silver: Table, gold: Table }),
    train: Train,
    schedule: Schedule.optional(),
    freshness: Freshness.optional(),
    limits: Limits.optional(),
    gates: z.array(Gate).min(1, 'a pipeline without a gate would ship anything: state at least one'),
    environments: z.record(Name, Environment).refine((all) => Object.keys(all).length > 0, 'name at least one environment'),
  })
  .superRefine((pipeline, context) => sayWhereDataIs(pipeline, (path, message) => context.addIssue({ code: 'custom', path, message })))
  .describe('One Sluice pipeline');
export type Pipeline = z.infer<typeof Pipeline>;

/** Characters of releasable rows: a few hundred rows are more than validation sends. */
const MAX_RELEASABLE = 500_000;

/** What `sluice apply` sends and Sluice keeps, immutable, by digest. */
export const PipelineBundle = z.strictObject({
  file: z.string().max(100_000).describe('sluice.yaml as written'),
  sql: z.record(SqlFile, z.string().max(200_000)),
  images: z.record(Name, ImageReference).describe('Component name → image by digest, from the lock file'),
  releasable: z.string().min(1).max(MAX_RELEASABLE).optional().describe('Content of the file that train.releasable names'),
});
export type PipelineBundle = z.infer<typeof PipelineBundle>;

/** A registered pipeline version: the parsed file with everything it refers to. */
export const PipelineVersion = z.strictObject({
  name: Name,
  digest: Sha256.describe('SHA-256 of the canonical bundle: the contract digest'),
  spec: Pipeline,
  sql: z.strictObject({ silver: z.string(), gold: z.string() }),
  images: z.record(Name, ImageReference),
  releasable: z.string().optional().describe('Rows that may leave the premises, as text of the file'),
});
export type PipelineVersion = z.infer<typeof PipelineVersion>;
