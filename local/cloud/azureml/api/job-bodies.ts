// The bodies of jobs, property by property: what `PUT jobs/{name}` may hold (facts/azure.md §1.3-1.4, api-version 2025-12-01).
// A property that is not listed is refused; the service is known to name missing ones, for unknown ones this is perhaps stricter.
import { z } from 'zod';
import { durationMs } from '../durations.ts';

const text = z.string().nullish();
const strings = z.record(z.string(), z.string());
/** `P…T…`, whole seconds. */
const duration = z.string().refine((value) => durationMs(value) !== undefined, 'Expected an ISO 8601 duration such as PT2H.');
const whole = z.number().int();
/** Numbers as the service takes them: positive, of 32 bits. */
const count = whole.min(1).max(2_147_483_647);

const DATA_TYPES = ['uri_file', 'uri_folder', 'mltable', 'custom_model', 'mlflow_model', 'triton_model'] as const;
const INPUT_MODES = ['ReadOnlyMount', 'ReadWriteMount', 'Download', 'Direct', 'EvalMount', 'EvalDownload'] as const;
const OUTPUT_MODES = ['ReadWriteMount', 'Upload', 'Direct'] as const;

/** An asset input without `uri` is what the npm SDK 2.1.1 sends (facts/azure.md §1.1). */
const jobInput = z.discriminatedUnion('jobInputType', [
  z.strictObject({ jobInputType: z.literal('literal'), value: z.string().min(1), description: text }),
  z.strictObject({
    jobInputType: z.enum(DATA_TYPES),
    uri: z.string().min(1),
    mode: z.enum(INPUT_MODES).nullish(),
    description: text,
  }),
]);
export type JobInput = z.infer<typeof jobInput>;

const jobOutput = z.strictObject({
  jobOutputType: z.enum(DATA_TYPES),
  uri: text,
  mode: z.enum(OUTPUT_MODES).nullish(),
  description: text,
});
export type JobOutput = z.infer<typeof jobOutput>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const inputs = z.record(z.string().regex(NAME), jobInput).nullish();
const outputs = z.record(z.string().regex(NAME), jobOutput).nullish();

const identity = z
  .discriminatedUnion('identityType', [
    z.strictObject({ identityType: z.literal('AMLToken') }),
    z.strictObject({ identityType: z.literal('Managed'), clientId: z.guid().nullish(), objectId: z.guid().nullish(), resourceId: text }),
    z.strictObject({ identityType: z.literal('UserIdentity') }),
  ])
  .nullish();

const distribution = z
  .discriminatedUnion('distributionType', [
    z.strictObject({ distributionType: z.literal('PyTorch'), processCountPerInstance: count.nullish() }),
    z.strictObject({ distributionType: z.literal('Mpi'), processCountPerInstance: count.nullish() }),
    z.strictObject({
      distributionType: z.literal('TensorFlow'),
      parameterServerCount: whole.min(0).nullish(),
      workerCount: count.nullish(),
    }),
  ])
  .nullish();

const resources = z
  .strictObject({
    instanceCount: count.nullish(),
    instanceType: text,
    locations: z.array(z.string()).nullish(),
    maxInstanceCount: count.nullish(),
    properties: z.record(z.string(), z.unknown()).nullish(),
    dockerArgs: text,
    shmSize: z
      .string()
      .regex(/^\d+[bBkKmMgG]$/)
      .nullish(),
  })
  .nullish();

/** What every kind of job has. `status` and the like are read only: taken and ignored, so that what was read can be put back. */
const common = {
  description: text,
  tags: strings.nullish(),
  properties: strings.nullish(),
  displayName: text,
  experimentName: z
    .string()
    .max(256)
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'Expected letters, digits, "-" and "_", beginning with a letter or digit.')
    .nullish(),
  componentId: text,
  computeId: text,
  identity,
  isArchived: z.boolean().nullish(),
  services: z
    .record(
      z.string(),
      z.strictObject({
        jobServiceType: text,
        endpoint: text,
        port: whole.nullish(),
        properties: strings.nullish(),
        nodes: z.unknown().optional(),
        status: text,
        errorMessage: text,
      }),
    )
    .nullish(),
  notificationSetting: z
    .strictObject({
      emailOn: z.array(z.enum(['JobCompleted', 'JobFailed', 'JobCancelled'])).nullish(),
      emails: z.array(z.string()).nullish(),
      webhooks: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
  status: text,
};

const queueSettings = z.strictObject({ jobTier: z.enum(['Null', 'Spot', 'Basic', 'Standard', 'Premium']).nullish() }).nullish();

const program = {
  codeId: text,
  command: z.string().min(1).regex(/\S/),
  environmentId: z.string().min(1),
  environmentVariables: strings.nullish(),
  distribution,
  resources,
};

const commandJob = z.strictObject({
  ...common,
  ...program,
  jobType: z.literal('Command'),
  inputs,
  outputs,
  limits: z.strictObject({ jobLimitsType: z.literal('Command'), timeout: duration.nullish() }).nullish(),
  queueSettings,
  parameters: z.unknown().optional(),
});
export type CommandJob = z.infer<typeof commandJob>;

const policy = { evaluationInterval: whole.min(0).nullish(), delayEvaluation: whole.min(0).nullish() };

const sweepJob = z.strictObject({
  ...common,
  jobType: z.literal('Sweep'),
  inputs,
  outputs,
  objective: z.strictObject({ goal: z.enum(['Minimize', 'Maximize']), primaryMetric: z.string().regex(/[a-zA-Z0-9_]/) }),
  samplingAlgorithm: z.discriminatedUnion('samplingAlgorithmType', [
    z.strictObject({
      samplingAlgorithmType: z.literal('Random'),
      seed: whole.nullish(),
      rule: z.enum(['Random', 'Sobol']).nullish(),
      logbase: text,
    }),
    z.strictObject({ samplingAlgorithmType: z.literal('Grid') }),
    z.strictObject({ samplingAlgorithmType: z.literal('Bayesian') }),
  ]),
  searchSpace: z.record(z.string().regex(NAME), z.unknown()).refine((space) => Object.keys(space).length > 0, 'Expected a parameter.'),
  limits: z
    .strictObject({
      jobLimitsType: z.literal('Sweep'),
      maxTotalTrials: whole.min(1).max(1000).nullish(),
      maxConcurrentTrials: whole.min(1).max(1000).nullish(),
      timeout: duration.nullish(),
      trialTimeout: duration.nullish(),
    })
    .nullish(),
  earlyTermination: z
    .discriminatedUnion('policyType', [
      z.strictObject({ policyType: z.literal('MedianStopping'), ...policy }),
      z.strictObject({ policyType: z.literal('Bandit'), ...policy, slackAmount: z.number().nullish(), slackFactor: z.number().nullish() }),
      z.strictObject({ policyType: z.literal('TruncationSelection'), ...policy, truncationPercentage: whole.min(1).max(99) }),
    ])
    .nullish(),
  trial: z.strictObject(program),
  queueSettings,
});
export type SweepJob = z.infer<typeof sweepJob>;

/** Nodes of a pipeline are free-form in the specification; this is what Azure's own SDK for Python sends. Its inner keys have underscores. */
const nodeInput = z.union([
  z.strictObject({ job_input_type: z.literal('literal'), value: z.string() }),
  z.strictObject({ job_input_type: z.enum(DATA_TYPES), uri: z.string().min(1), mode: z.enum(INPUT_MODES).nullish() }),
  z.strictObject({ jobInputType: z.literal('literal'), value: z.string() }),
  z.strictObject({ jobInputType: z.enum(DATA_TYPES), uri: z.string().min(1), mode: z.enum(INPUT_MODES).nullish() }),
]);
export type NodeInput = z.infer<typeof nodeInput>;

const nodeOutput = z.union([
  z.strictObject({ type: z.literal('literal'), value: z.string() }),
  z.strictObject({ job_output_type: z.enum(DATA_TYPES), uri: text, mode: z.enum(OUTPUT_MODES).nullish() }),
  z.strictObject({ jobOutputType: z.enum(DATA_TYPES), uri: text, mode: z.enum(OUTPUT_MODES).nullish() }),
]);
export type NodeOutput = z.infer<typeof nodeOutput>;

const node = z.strictObject({
  type: z.literal('command'),
  name: text,
  /** A step is a version of a component; the SDK registers an anonymous one for a step that is written inline. */
  componentId: z.string().min(1),
  computeId: text,
  display_name: text,
  inputs: z.record(z.string(), nodeInput).nullish(),
  outputs: z.record(z.string(), nodeOutput).nullish(),
  environment_variables: strings.nullish(),
  resources: z
    .strictObject({ instance_count: count.nullish(), instance_type: text, shm_size: text, properties: z.unknown().optional() })
    .nullish(),
  limits: z.strictObject({ job_limits_type: z.literal('Command').nullish(), timeout: duration.nullish() }).nullish(),
  distribution: z.unknown().optional(),
  identity: z.unknown().optional(),
  tags: strings.nullish(),
  properties: strings.nullish(),
  _source: text,
});
export type PipelineNode = z.infer<typeof node>;

const pipelineJob = z.strictObject({
  ...common,
  jobType: z.literal('Pipeline'),
  inputs,
  outputs,
  jobs: z.record(z.string().regex(NAME), node).refine((jobs) => Object.keys(jobs).length > 0, 'Expected a step.'),
  settings: z
    .strictObject({
      default_compute: text,
      default_datastore: text,
      continue_on_step_failure: z.boolean().nullish(),
      force_rerun: z.boolean().nullish(),
      _source: text,
    })
    .nullish(),
  sourceJobId: text,
});
export type PipelineJob = z.infer<typeof pipelineJob>;

/** The body of `PUT jobs/{name}`. */
export const JobBody = z.strictObject({
  id: text,
  name: text,
  type: text,
  systemData: z.unknown().optional(),
  properties: z.discriminatedUnion('jobType', [commandJob, sweepJob, pipelineJob]),
});
export type JobBody = z.infer<typeof JobBody>;
export type JobProperties = JobBody['properties'];
