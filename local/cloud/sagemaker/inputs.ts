// What the control plane takes: a closed world of members with the limits of facts/sagemaker.md §1.2 and §1.3.
// Stricter than the service: the AWS JSON protocol ignores unknown members; here they are an error, because a typo there is silent (§0.5).
import { z } from 'zod';
import { validation } from './sagemaker-error.ts';

const name = z.string().regex(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/);
const modelName = z
  .string()
  .max(63)
  .regex(/^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/);
const s3Url = z
  .string()
  .max(1_024)
  .regex(/^(https|s3):\/\/([^/]+)\/?(.*)$/);
const roleArn = z
  .string()
  .min(20)
  .max(2_048)
  .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/);
const tags = z
  .array(
    z.strictObject({
      Key: z
        .string()
        .min(1)
        .max(128)
        .regex(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u),
      Value: z
        .string()
        .max(256)
        .regex(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u),
    }),
  )
  .max(50);
const environment = z
  .record(
    z
      .string()
      .max(1_024)
      .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/),
    z.string().max(1_024),
  )
  .refine((map) => Object.keys(map).length <= 100, 'Map must have at most 100 entries')
  .refine(
    (map) => Object.entries(map).reduce((sum, [key, value]) => sum + key.length + value.length, 0) <= 32_768,
    'Map must be at most 32 KB',
  );

const dataSource = z.strictObject({
  S3DataSource: z.strictObject({
    S3Uri: s3Url,
    // Stricter than the service: prefixes and uncompressed data are not unpacked here.
    S3DataType: z.literal('S3Object'),
    CompressionType: z.literal('Gzip'),
  }),
});

const container = z
  .strictObject({
    ContainerHostname: name.optional(),
    // §1.2: ≤ 255, no blank. Stricter than the service: only by digest, because a tag can change under a promotion.
    Image: z
      .string()
      .max(255)
      .regex(/^\S+@sha256:[0-9a-f]{64}$/, 'must name an image by digest (…@sha256:<64 hex>); tags are refused by this stand-in'),
    Mode: z.literal('SingleModel').optional(),
    ModelDataUrl: s3Url.optional(),
    ModelDataSource: dataSource.optional(),
    Environment: environment.optional(),
  })
  .refine((value) => !(value.ModelDataUrl !== undefined && value.ModelDataSource), 'must not hold both ModelDataUrl and ModelDataSource');

const routing = z.array(z.strictObject({ RoutingStrategy: z.enum(['RANDOM', 'LEAST_OUTSTANDING_REQUESTS']) })).length(1);
/** Kept and given back; how long this machine waits is the option `startupMs`. */
const timeout = z.int().min(60).max(3_600);
const variant = z.strictObject({
  VariantName: name,
  ModelName: modelName,
  InitialInstanceCount: z.int().min(1),
  InstanceType: z.string().regex(/^ml\.[a-z0-9-]+\.[a-z0-9]+$/),
  InitialVariantWeight: z.number().min(0).optional(),
  VolumeSizeInGB: z.int().min(1).max(512).optional(),
  ModelDataDownloadTimeoutInSeconds: timeout.optional(),
  ContainerStartupHealthCheckTimeoutInSeconds: timeout.optional(),
  RoutingConfig: routing.optional(),
});

/** Kept and given back; nothing is waited here, because one machine has no fleet to bake. */
const wait = z.int().min(0).max(3_600);
/** Stricter than the service: canary, linear and rolling routing and alarms are refused, because this stand-in would not carry them out. */
const deployment = z.strictObject({
  BlueGreenUpdatePolicy: z.strictObject({
    TrafficRoutingConfiguration: z.strictObject({
      Type: z.literal('ALL_AT_ONCE', 'only ALL_AT_ONCE is carried out by this stand-in'),
      WaitIntervalInSeconds: wait,
    }),
    TerminationWaitInSeconds: wait.optional(),
    MaximumExecutionTimeoutInSeconds: z.int().min(600).max(28_800).optional(),
  }),
});

const retained = z
  .array(z.strictObject({ VariantPropertyType: z.enum(['DesiredInstanceCount', 'DesiredWeight', 'DataCaptureConfig']) }))
  .max(3);
const page = {
  NextToken: z.string().max(8_192).optional(),
  MaxResults: z.int().min(1).max(100).optional(),
  NameContains: z
    .string()
    .max(63)
    .regex(/^[a-zA-Z0-9-]+$/)
    .optional(),
  SortBy: z.enum(['Name', 'CreationTime']).optional(),
  SortOrder: z.enum(['Ascending', 'Descending']).optional(),
};
const arn = z
  .string()
  .max(256)
  .regex(/^arn:aws[a-z-]*:sagemaker:\S+$/);

/** Input shapes by operation. */
export const INPUTS = {
  CreateModel: z
    .strictObject({
      ModelName: modelName,
      PrimaryContainer: container.optional(),
      Containers: z.array(container).min(1).max(1, 'holds an inference pipeline, which this stand-in does not run').optional(),
      ExecutionRoleArn: roleArn,
      EnableNetworkIsolation: z.boolean().optional(),
      VpcConfig: z
        .strictObject({ SecurityGroupIds: z.array(z.string()).min(1).max(5), Subnets: z.array(z.string()).min(1).max(16) })
        .optional(),
      Tags: tags.optional(),
    })
    .refine(
      (value) => (value.PrimaryContainer === undefined) !== (value.Containers === undefined),
      'must hold PrimaryContainer or Containers',
    ),
  DescribeModel: z.strictObject({ ModelName: modelName }),
  DeleteModel: z.strictObject({ ModelName: modelName }),
  ListModels: z.strictObject(page),
  CreateEndpointConfig: z.strictObject({
    EndpointConfigName: name,
    ProductionVariants: z.array(variant).min(1).max(10),
    KmsKeyId: z.string().max(2_048).optional(),
    ExecutionRoleArn: roleArn.optional(),
    Tags: tags.optional(),
  }),
  DescribeEndpointConfig: z.strictObject({ EndpointConfigName: name }),
  DeleteEndpointConfig: z.strictObject({ EndpointConfigName: name }),
  ListEndpointConfigs: z.strictObject(page),
  CreateEndpoint: z.strictObject({
    EndpointName: name,
    EndpointConfigName: name,
    DeploymentConfig: deployment.optional(),
    Tags: tags.optional(),
  }),
  UpdateEndpoint: z.strictObject({
    EndpointName: name,
    EndpointConfigName: name,
    RetainAllVariantProperties: z.boolean().optional(),
    ExcludeRetainedVariantProperties: retained.optional(),
    DeploymentConfig: deployment.optional(),
    RetainDeploymentConfig: z.boolean().optional(),
  }),
  UpdateEndpointWeightsAndCapacities: z.strictObject({
    EndpointName: name,
    DesiredWeightsAndCapacities: z
      .array(
        z.strictObject({ VariantName: name, DesiredWeight: z.number().min(0).optional(), DesiredInstanceCount: z.int().min(0).optional() }),
      )
      .min(1),
  }),
  DescribeEndpoint: z.strictObject({ EndpointName: name }),
  DeleteEndpoint: z.strictObject({ EndpointName: name }),
  ListEndpoints: z.strictObject({ ...page, StatusEquals: z.string().max(30).optional() }),
  AddTags: z.strictObject({ ResourceArn: arn, Tags: tags }),
  ListTags: z.strictObject({
    ResourceArn: arn,
    NextToken: z.string().max(8_192).optional(),
    MaxResults: z.int().min(1).max(50).optional(),
  }),
} as const;

/** Names of the operations. */
export type OperationName = keyof typeof INPUTS;
/** A checked input. */
export type Input<O extends OperationName> = z.infer<(typeof INPUTS)[O]>;

/** Checks an input or refuses it in the service's manner, naming each member. */
export function parseInput<O extends OperationName>(operation: O, body: unknown): Input<O> {
  const result = INPUTS[operation].safeParse(body);
  if (result.success) return result.data as Input<O>;
  const sentences = result.error.issues.map((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      const where = path.length === 0 ? operation : path.join('.');
      return `Unknown member ${issue.keys.join(', ')} in ${where} (stricter than the service, which would ignore it)`;
    }
    const member = path.length === 0 ? 'input' : path.map((part) => part.charAt(0).toLowerCase() + part.slice(1)).join('.');
    return `Value at '${member}' failed to satisfy constraint: ${issue.message}`;
  });
  const count = sentences.length;
  throw validation(`${count} validation error${count === 1 ? '' : 's'} detected: ${sentences.join('; ')}`);
}
