// `sluice.yaml` (apiVersion sluice/v1): one pipeline from the landing path to the endpoints. Unknown keys are refused.
import * as z from 'zod';
import { ImageReference, Name, Sha256 } from './identifiers.ts';

/** Duration with a unit: `30s`, `15m`, `2h`, `7d`. */
export const Duration = z.string().regex(/^[1-9][0-9]{0,5}(s|m|h|d)$/, 'expected a whole number with a unit: 30s, 15m, 2h, 7d');

/** Path below the lake's container, with a trailing slash. */
const FolderPath = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._=-]+(\/[A-Za-z0-9._=-]+)*\/$/, 'expected a folder path that ends with "/" (letters, digits, . _ = -)')
  .refine((path) => !path.split('/').includes('..'), '".." is not allowed');

/** Name of a file beside sluice.yaml. */
const SqlFile = z.string().regex(/^[A-Za-z0-9._-]+\.sql$/, 'expected the name of an .sql file beside sluice.yaml');

/** Column of the landing file and the type its text must parse as. */
const ColumnType = z.enum(['string', 'integer', 'number', 'boolean', 'date', 'timestamp']);

export const Source = z.strictObject({
  name: Name,
  path: FolderPath.describe('Landing folder below the lake container; its first segment is normally "bronze"'),
  format: z.literal('csv'),
  columns: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), ColumnType)
    .refine((columns) => Object.keys(columns).length > 0, 'name at least one column')
    .describe('Header of the file, in order, with the type that each value must parse as'),
  timestampFormat: z
    .string()
    .max(40)
    .optional()
    .describe("strptime format of 'timestamp' columns, e.g. %m-%d-%Y %H:%M:%S; ISO 8601 without it"),
  badRows: z.enum(['fail', 'quarantine']).default('fail').describe('What happens to rows of the wrong shape or type'),
});
export type Source = z.infer<typeof Source>;

export const Expectation = z.strictObject({
  name: Name,
  check: z.string().min(1).max(2000).describe('SQL expression over the output row that must be true'),
  onFail: z.enum(['warn', 'quarantine', 'fail']),
});
export type Expectation = z.infer<typeof Expectation>;

export const Table = z.strictObject({
  name: Name,
  sql: SqlFile,
  mode: z.enum(['append', 'overwrite']),
  expect: z.array(Expectation).max(50).default([]),
  minRows: z.number().int().min(0).default(1).describe('Fewer rows than this after expectations fail the run'),
});
export type Table = z.infer<typeof Table>;

/** Scalar parameters of a component; reach it as one JSON file. */
const Params = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/),
  z.union([z.string().max(1000), z.number(), z.boolean(), z.array(z.number()).max(20)]),
);

export const Train = z.strictObject({
  backend: z
    .array(z.enum(['kubeflow']))
    .min(1)
    .describe('Where training may run, in order of preference'),
  component: Name.describe('Folder under components/; its image comes from the lock file'),
  params: Params.default({}),
  deadline: Duration.default('2h').describe('From submission to a terminal state; then the job is cancelled'),
  cpu: z.number().int().min(1).max(64).default(1),
  memoryGiB: z.number().min(0.5).max(512).default(2),
});
export type Train = z.infer<typeof Train>;

/** A gate compares one metric of the run report with a bound or with the champion; a metric that is absent fails it. */
export const Gate = z.union([
  z.strictObject({ metric: z.string().min(1), atLeast: z.number() }),
  z.strictObject({ metric: z.string().min(1), atMost: z.number() }),
  z.strictObject({
    metric: z.string().min(1),
    notWorseThanChampionBy: z.number().min(0),
    direction: z.enum(['higher-is-better', 'lower-is-better']),
  }),
]);
export type Gate = z.infer<typeof Gate>;

/** AWS names: facts/sagemaker.md §1.2 (lower case, because endpoint names are case-insensitive at creation). */
const EndpointName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](-*[a-z0-9]){0,62}$/, 'expected lower-case letters, digits and hyphens, at most 63');

export const SagemakerTarget = z.strictObject({
  name: Name,
  platform: z.literal('sagemaker'),
  endpoint: EndpointName,
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, 'expected an AWS region such as eu-central-1'),
  roleArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::[0-9]{12}:role\/.+$/, 'expected the ARN of the execution role')
    .max(2048),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected an S3 bucket name in the same region'),
  component: Name.default('serve').describe('Serving component; its image comes from the lock file'),
  instanceType: z.string().regex(/^ml\.[a-z0-9]+\.[a-z0-9]+$/, 'expected an instance type such as ml.m5.large'),
  instanceCount: z.number().int().min(1).max(100).default(1),
  healthyWithin: Duration.default('30m').describe('From the request to InService with the new configuration; then the promotion is undone'),
});
export type SagemakerTarget = z.infer<typeof SagemakerTarget>;
export const Target = z.discriminatedUnion('platform', [SagemakerTarget]);
export type Target = z.infer<typeof Target>;

export const Environment = z
  .strictObject({
    development: z.boolean().default(false),
    targets: z.array(Target).min(1).max(1, 'one target for now: promotion to several targets as one saga is not there yet'),
    approval: z.literal('none').describe('Only in an environment that is named as development'),
    start: z
      .enum(['run', 'manual'])
      .default('manual')
      .describe('run: a candidate that passes its gates is promoted at once; manual: over HTTP'),
    rollout: z.literal('all-at-once').default('all-at-once'),
    parity: z.number().min(0).max(1).default(1).describe('Share of golden rows on which the endpoint must agree with the training side'),
  })
  .refine((environment) => environment.development || environment.approval !== 'none', {
    path: ['approval'],
    message: 'approval: none is allowed only where development: true',
  });
export type Environment = z.infer<typeof Environment>;

export const Pipeline = z
  .strictObject({
    apiVersion: z.literal('sluice/v1'),
    pipeline: Name,
    data: z.literal('lake'),
    sources: z.array(Source).length(1, 'one source for now'),
    complete: z.literal('files 1').describe('Every file is a dataset of its own'),
    tables: z.strictObject({ silver: Table, gold: Table }),
    train: Train,
    gates: z.array(Gate).min(1, 'a pipeline without a gate would ship anything: state at least one'),
    environments: z.record(Name, Environment).refine((all) => Object.keys(all).length > 0, 'name at least one environment'),
  })
  .describe('One Sluice pipeline');
export type Pipeline = z.infer<typeof Pipeline>;

/** What `sluice apply` sends and Sluice keeps, immutable, by digest. */
export const PipelineBundle = z.strictObject({
  file: z.string().max(100_000).describe('sluice.yaml as written'),
  sql: z.record(SqlFile, z.string().max(200_000)),
  images: z.record(Name, ImageReference).describe('Component name → image by digest, from the lock file'),
});
export type PipelineBundle = z.infer<typeof PipelineBundle>;

/** A registered pipeline version: the parsed file with everything it refers to. */
export const PipelineVersion = z.strictObject({
  name: Name,
  digest: Sha256.describe('SHA-256 of the canonical bundle: the contract digest'),
  spec: Pipeline,
  sql: z.strictObject({ silver: z.string(), gold: z.string() }),
  images: z.record(Name, ImageReference),
});
export type PipelineVersion = z.infer<typeof PipelineVersion>;
