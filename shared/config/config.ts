// The only place that reads the environment. Every setting says who owns it, whether it is secret, and its name in infra.
import * as z from 'zod';
import { LargeEngine } from '../contracts/hand-over.ts';
import { ImageReference, Name } from '../contracts/identifiers.ts';
import { Duration } from '../contracts/pipeline/parts.ts';
import { BackendName } from '../contracts/pipeline/train.ts';
import { ConfigError } from '../errors/errors.ts';

/** One setting, for people and for infra: `npm run schema` writes them to docs/settings.md. */
export interface Setting {
  name: string;
  owner: 'platform' | 'data' | 'training' | 'serving' | 'identity' | 'operations';
  secret: boolean;
  required: boolean;
  meaning: string;
}

const setting = (name: string, owner: Setting['owner'], meaning: string, more: Partial<Setting> = {}): Setting => ({
  name,
  owner,
  meaning,
  secret: false,
  required: true,
  ...more,
});

/** All settings, in the order of their groups. A group is configured wholly or not at all. */
export const SETTINGS: readonly Setting[] = [
  setting('Lake', 'data', 'Connection string of the lake account (development only)', { secret: true, required: false }),
  setting('Lake__blobServiceUri', 'data', 'Blob endpoint of the lake account, reached by managed identity', { required: false }),
  setting('LandingEvents', 'data', 'Connection string of the account with the landing queue (development only)', {
    secret: true,
    required: false,
  }),
  setting('LandingEvents__queueServiceUri', 'data', 'Queue endpoint of the account with the landing queue', { required: false }),
  setting('State', 'platform', 'Connection string of the account for tables and store (development only)', {
    secret: true,
    required: false,
  }),
  setting('State__blobServiceUri', 'platform', 'Blob endpoint of the state account', { required: false }),
  setting('State__tableServiceUri', 'platform', 'Table endpoint of the state account', { required: false }),
  setting('SLUICE_LAKE_ACCOUNT', 'data', 'Name of the account that events must speak of'),
  setting('SLUICE_LAKE_CONTAINER', 'data', 'Container of the lake'),
  setting('SLUICE_STORE_CONTAINER', 'platform', 'Container of bundles, staged data, models and reports', { required: false }),
  setting('SLUICE_WORK_DIR', 'platform', 'Folder for temporary files; the system one without it', { required: false }),
  setting('SLUICE_MEMORY_LIMIT_MB', 'platform', 'Memory that refining may use (default 512)', { required: false }),
  setting(
    'SLUICE_HANDOVER_MB',
    'data',
    'Unpacked megabytes above which a dataset is refined outside this app; all are refined here without it',
    {
      required: false,
    },
  ),
  setting('SLUICE_HANDOVER_TO', 'data', 'Who refines datasets above that size: data-factory or databricks', { required: false }),
  setting('SLUICE_HANDOVER_PIPELINE', 'data', 'Pipeline of the Data Factory that refines, with data-factory', { required: false }),
  setting('SLUICE_HANDOVER_IMAGE', 'data', 'Image by digest of the component refine, whose wheel refines, with databricks', {
    required: false,
  }),
  setting('SLUICE_HANDOVER_DEADLINE', 'data', 'How long such a refining may take before it is cancelled (default 6h)', { required: false }),
  setting('SLUICE_POLL_FIRST_SECONDS', 'operations', 'First wait between polls of a job or endpoint (default 5)', { required: false }),
  setting('SLUICE_POLL_MAX_SECONDS', 'operations', 'Longest wait between polls (default 60; for a job of whose end an event tells, 600)', {
    required: false,
  }),
  setting('SLUICE_STORE_EVENTS', 'operations', 'true: run reports that land in the store are told to the landing queue (default false)', {
    required: false,
  }),
  setting('SLUICE_TOKEN_ISSUER', 'identity', 'Issuer of the tokens that the API accepts'),
  setting('SLUICE_TOKEN_AUDIENCE', 'identity', 'Audience of the tokens that the API accepts'),
  setting('SLUICE_JWKS_URI', 'identity', "The issuer's signing keys"),
  setting('SLUICE_CLIENT_ID', 'identity', 'Client id of the user-assigned managed identity', { required: false }),
  setting('KUBEFLOW_URL', 'training', 'Base address of Kubeflow Pipelines, up to /pipeline or the API host', { required: false }),
  setting('KUBEFLOW_NAMESPACE', 'training', 'Profile namespace of runs', { required: false }),
  setting('KUBEFLOW_TOKEN_AUDIENCE', 'training', 'Audience of the bearer token for Kubeflow; none without it', { required: false }),
  setting('KUBEFLOW_CA_FILE', 'training', "PEM file of the gateway's own certificate authority", { required: false }),
  setting('KUBEFLOW_SERVICE_ACCOUNT', 'training', 'NAMESPACE/NAME whose tokens (by TokenRequest) Kubeflow takes instead of Entra’s', {
    required: false,
  }),
  setting('KUBEFLOW_PULL_SECRETS', 'training', 'Names of image pull secrets of the namespace, with commas', { required: false }),
  setting('KUBEFLOW_PIPELINE_ROOT', 'training', 'Where artifacts are kept (s3://, minio://, gs://); the namespace’s default without it', {
    required: false,
  }),
  setting('KUBEFLOW_SITE_CLAIM', 'training', 'Volume claim with the data of the site, for pipelines with data: on-premises', {
    required: false,
  }),
  setting('KUBEFLOW_RUNTIME_CLASS_LABEL', 'training', 'Label of pods that a policy of the cluster turns into their runtimeClassName', {
    required: false,
  }),
  setting(
    'KUBEFLOW_ENCLAVE_RESOURCE',
    'training',
    'What a pod must have to be in an enclave: NAME=QUANTITY, e.g. sgx.intel.com/epc=512Mi',
    {
      required: false,
    },
  ),
  setting('KUBEFLOW_AWS_ROLE_ARN', 'training', 'Role that the pods of Kubeflow which send models assume by their projected token', {
    required: false,
  }),
  setting('KUBEFLOW_AWS_REGION', 'training', 'Region of that role’s buckets (default AWS_REGION)', { required: false }),
  setting('KUBEFLOW_AWS_AUDIENCE', 'training', 'Audience of the projected token (default sts.amazonaws.com)', { required: false }),
  setting('KUBERNETES_URL', 'training', 'API server of the cluster that Kubeflow runs on: machines are looked at there', {
    required: false,
  }),
  setting('KUBERNETES_TOKEN_AUDIENCE', 'training', 'Audience of the bearer token for the API server; none without it', { required: false }),
  setting('KUBERNETES_CA_FILE', 'training', "PEM file of the cluster's certificate authority", { required: false }),
  setting('DATABRICKS_URL', 'training', 'Address of the Databricks workspace', { required: false }),
  setting('DATABRICKS_CLUSTER_ID', 'training', 'Cluster that runs attach to', { required: false }),
  setting('DATABRICKS_STORE_VOLUME', 'training', 'Volume over the store’s container: /Volumes/CATALOG/SCHEMA/NAME', { required: false }),
  setting('DATABRICKS_WHEELS', 'training', 'Folder of pinned wheels in a volume', { required: false }),
  setting('DATABRICKS_AUDIENCE', 'training', 'Audience of tokens for Databricks (default its Azure application)', { required: false }),
  setting('SLUICE_LOCAL_JOBS', 'training', 'Folder of jobs that run on this machine; no local backend without it (development only)', {
    required: false,
  }),
  setting('SLUICE_LOCAL_COMPONENTS', 'training', 'Folder of the components that the local backend runs', { required: false }),
  setting('SLUICE_LOCAL_PYTHON', 'training', 'Python that the local backend runs them with', { required: false }),
  setting('SLUICE_RESIDENCY', 'training', 'Where backends keep data, for choose: residency, e.g. kubeflow=plant-3,azureml=eu', {
    required: false,
  }),
  setting('AWS_REGION', 'serving', 'Region of the security token service', { required: false }),
  setting('SLUICE_AWS_ROLE_ARN', 'serving', 'Role that Sluice assumes by its Entra token', { required: false }),
  setting('SLUICE_AWS_AUDIENCE', 'serving', 'Audience that the AWS identity provider expects (api://aws-sagemaker)', { required: false }),
  setting('SLUICE_ARM_ENDPOINT', 'training', 'Azure Resource Manager; the public cloud without it', { required: false }),
  setting('AZUREML_SUBSCRIPTION_ID', 'training', 'Subscription of the Azure ML workspace', { required: false }),
  setting('AZUREML_RESOURCE_GROUP', 'training', 'Resource group of the workspace', { required: false }),
  setting('AZUREML_WORKSPACE', 'training', 'Name of the workspace', { required: false }),
  setting('AZUREML_DATASTORE', 'training', 'Datastore of the workspace on the store’s container; without it the workspace does not train', {
    required: false,
  }),
  setting('AZUREML_COMPUTE', 'training', 'Compute of the workspace that trains (default serverless)', { required: false }),
  setting('AZUREML_JOB_CLIENT_ID', 'training', 'Client id of the user-assigned identity that jobs run as', { required: false }),
  setting('AZUREML_API_VERSION', 'training', 'api-version of Azure ML (default 2025-12-01)', { required: false }),
  setting('AZUREML_EVENTS', 'training', 'true: the workspace’s events about jobs are told to the landing queue (default false)', {
    required: false,
  }),
  setting('AZUREML_REGISTRY', 'training', 'Azure ML registry that models go to prod by', { required: false }),
  setting('DATAFACTORY_SUBSCRIPTION_ID', 'data', 'Subscription of the Data Factory that brings data in from the premises', {
    required: false,
  }),
  setting('DATAFACTORY_RESOURCE_GROUP', 'data', 'Resource group of the Data Factory', { required: false }),
  setting('DATAFACTORY_NAME', 'data', 'Name of the Data Factory', { required: false }),
  setting('SLUICE_LINEAGE_URL', 'operations', 'Address that takes OpenLineage events', { required: false }),
  setting('SLUICE_LINEAGE_AUDIENCE', 'operations', 'Audience of the bearer token for the lineage address; none without it', {
    required: false,
  }),
  setting('SLUICE_LINEAGE_FILE', 'operations', 'File to which OpenLineage events are appended, one JSON object a line', {
    required: false,
  }),
  setting('SLUICE_TOPIC_ENDPOINT', 'operations', 'Event Grid topic for our own transitions; none are published without it', {
    required: false,
  }),
];

const url = z.url({ protocol: /^https?$/ });
const text = z.string().min(1).nullable();
const volume = z.string().regex(/^\/Volumes(\/[A-Za-z0-9_.-]+){3,}$/, 'expected /Volumes/CATALOG/SCHEMA/NAME');
const flag = z.enum(['true', 'false'], 'expected true or false').transform((value) => value === 'true');
const endpoint = z.union([z.strictObject({ connectionString: z.string().min(1) }), z.strictObject({ uri: url })]);

const Config = z.strictObject({
  lake: z.strictObject({ blob: endpoint, account: z.string().regex(/^[a-z0-9]{3,24}$/), container: z.string().min(3) }),
  events: z.strictObject({ queue: endpoint, store: flag }),
  state: z.strictObject({ blob: endpoint, table: endpoint, container: z.string().min(3) }),
  refine: z.strictObject({ workDir: z.string().nullable(), memoryLimitMb: z.coerce.number().int().min(128).max(16_384) }),
  handOver: z
    .strictObject({
      aboveMb: z.coerce.number().min(0),
      to: LargeEngine,
      pipeline: text,
      image: ImageReference.nullable(),
      deadline: Duration,
    })
    .nullable(),
  poll: z.strictObject({
    firstSeconds: z.coerce.number().min(0.2),
    maxSeconds: z.coerce.number().min(0.2),
    /** Of a job of whose end an event tells. */
    maxHintedSeconds: z.coerce.number().min(0.2),
  }),
  api: z.strictObject({ issuer: z.string().min(1), audience: z.string().min(1), jwksUri: url }),
  identity: z.strictObject({ clientId: z.uuid().nullable() }),
  kubeflow: z
    .strictObject({
      url,
      namespace: z.string().min(1),
      audience: text,
      caFile: text,
      serviceAccount: z
        .string()
        .regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, 'expected NAMESPACE/NAME')
        .nullable(),
      pullSecrets: text,
      pipelineRoot: text,
      siteClaim: text,
      runtimeClassLabel: z
        .string()
        .regex(/^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'expected the key of a label')
        .nullable(),
      enclaveResource: z
        .strictObject({ name: z.string(), quantity: z.string() }, 'expected NAME=QUANTITY, e.g. sgx.intel.com/epc=512Mi')
        .nullable(),
      aws: z.strictObject({ roleArn: z.string().startsWith('arn:'), region: z.string().min(1), audience: z.string().min(1) }).nullable(),
    })
    .nullable(),
  kubernetes: z.strictObject({ url, audience: text, caFile: text }).nullable(),
  databricks: z
    .strictObject({ url, cluster: z.string().min(1), storeVolume: volume, wheels: volume, audience: z.string().min(1) })
    .nullable(),
  local: z.strictObject({ jobs: z.string().min(1), components: z.string().min(1), python: text }).nullable(),
  residency: z.partialRecord(BackendName, z.array(Name)),
  aws: z.strictObject({ region: z.string().min(1), roleArn: z.string().startsWith('arn:'), audience: z.string().min(1) }).nullable(),
  azureml: z
    .strictObject({
      armEndpoint: url,
      subscriptionId: z.uuid(),
      resourceGroup: z.string().min(1),
      workspace: z.string().min(1),
      datastore: text,
      compute: z.string().min(1),
      jobClientId: z.uuid().nullable(),
      apiVersion: z.iso.date(),
      registry: text,
      events: flag,
    })
    .nullable(),
  datafactory: z
    .strictObject({
      armEndpoint: url,
      subscriptionId: z.uuid(),
      resourceGroup: z.string().min(1),
      factory: z.string().regex(/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/),
    })
    .nullable(),
  topic: url.nullable(),
  lineage: z.strictObject({ url: url.nullable(), audience: z.string().nullable(), file: z.string().nullable() }),
});
export type Config = z.infer<typeof Config>;

const PUBLIC_ARM = 'https://management.azure.com';
/** Azure Databricks in Entra (facts/azure.md §6). */
const DATABRICKS_APPLICATION = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads and checks the environment; every problem is reported, not only the first. An empty string counts as unset. */
export function loadConfig(environment: Environment = process.env): Config {
  const get = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const or = (name: string, fallback: string): string => get(name) ?? fallback;
  const orNull = (name: string): string | null => get(name) ?? null;
  const problems: string[] = [];
  const group = <Keys extends string>(
    names: Record<Keys, string>,
    optional: readonly string[] = [],
  ): Record<Keys, string | null> | null => {
    const entries = Object.entries<string>(names);
    const needed = entries.filter(([, name]) => !optional.includes(name));
    const missing = needed.filter(([, name]) => get(name) === undefined).map(([, name]) => name);
    if (missing.length === needed.length) return null;
    if (missing.length > 0)
      problems.push(`${missing.join(', ')} missing: the group ${needed.map(([, name]) => name).join(', ')} is set wholly or not at all`);
    return Object.fromEntries(entries.map(([key, name]) => [key, get(name) ?? null])) as Record<Keys, string | null>;
  };
  const service = (name: string, suffix: string): unknown => {
    const uri = get(`${name}__${suffix}`);
    if (uri) return { uri };
    const connectionString = get(name);
    if (!connectionString) problems.push(`${name}__${suffix} missing (or ${name}, a connection string, in development)`);
    return { connectionString };
  };
  const azureml = group(
    {
      subscriptionId: 'AZUREML_SUBSCRIPTION_ID',
      resourceGroup: 'AZUREML_RESOURCE_GROUP',
      workspace: 'AZUREML_WORKSPACE',
      armEndpoint: 'SLUICE_ARM_ENDPOINT',
      datastore: 'AZUREML_DATASTORE',
      compute: 'AZUREML_COMPUTE',
      jobClientId: 'AZUREML_JOB_CLIENT_ID',
      apiVersion: 'AZUREML_API_VERSION',
      registry: 'AZUREML_REGISTRY',
      events: 'AZUREML_EVENTS',
    },
    [
      'SLUICE_ARM_ENDPOINT',
      'AZUREML_DATASTORE',
      'AZUREML_COMPUTE',
      'AZUREML_JOB_CLIENT_ID',
      'AZUREML_API_VERSION',
      'AZUREML_REGISTRY',
      'AZUREML_EVENTS',
    ],
  );
  const datafactory = group(
    {
      subscriptionId: 'DATAFACTORY_SUBSCRIPTION_ID',
      resourceGroup: 'DATAFACTORY_RESOURCE_GROUP',
      factory: 'DATAFACTORY_NAME',
      armEndpoint: 'SLUICE_ARM_ENDPOINT',
    },
    ['SLUICE_ARM_ENDPOINT'],
  );
  const databricks = group(
    {
      url: 'DATABRICKS_URL',
      cluster: 'DATABRICKS_CLUSTER_ID',
      storeVolume: 'DATABRICKS_STORE_VOLUME',
      wheels: 'DATABRICKS_WHEELS',
      audience: 'DATABRICKS_AUDIENCE',
    },
    ['DATABRICKS_AUDIENCE'],
  );
  const kubeflow = group(
    {
      url: 'KUBEFLOW_URL',
      namespace: 'KUBEFLOW_NAMESPACE',
      audience: 'KUBEFLOW_TOKEN_AUDIENCE',
      caFile: 'KUBEFLOW_CA_FILE',
      serviceAccount: 'KUBEFLOW_SERVICE_ACCOUNT',
      pullSecrets: 'KUBEFLOW_PULL_SECRETS',
      pipelineRoot: 'KUBEFLOW_PIPELINE_ROOT',
      siteClaim: 'KUBEFLOW_SITE_CLAIM',
      runtimeClassLabel: 'KUBEFLOW_RUNTIME_CLASS_LABEL',
    },
    [
      'KUBEFLOW_TOKEN_AUDIENCE',
      'KUBEFLOW_CA_FILE',
      'KUBEFLOW_SERVICE_ACCOUNT',
      'KUBEFLOW_PULL_SECRETS',
      'KUBEFLOW_PIPELINE_ROOT',
      'KUBEFLOW_SITE_CLAIM',
      'KUBEFLOW_RUNTIME_CLASS_LABEL',
    ],
  );
  const podAws = group({ roleArn: 'KUBEFLOW_AWS_ROLE_ARN', region: 'KUBEFLOW_AWS_REGION', audience: 'KUBEFLOW_AWS_AUDIENCE' }, [
    'KUBEFLOW_AWS_REGION',
    'KUBEFLOW_AWS_AUDIENCE',
  ]);
  const handOver = group(
    {
      aboveMb: 'SLUICE_HANDOVER_MB',
      to: 'SLUICE_HANDOVER_TO',
      pipeline: 'SLUICE_HANDOVER_PIPELINE',
      image: 'SLUICE_HANDOVER_IMAGE',
      deadline: 'SLUICE_HANDOVER_DEADLINE',
    },
    ['SLUICE_HANDOVER_PIPELINE', 'SLUICE_HANDOVER_IMAGE', 'SLUICE_HANDOVER_DEADLINE'],
  );
  const raw = {
    lake: { blob: service('Lake', 'blobServiceUri'), account: get('SLUICE_LAKE_ACCOUNT'), container: get('SLUICE_LAKE_CONTAINER') },
    events: { queue: service('LandingEvents', 'queueServiceUri'), store: or('SLUICE_STORE_EVENTS', 'false') },
    state: {
      blob: service('State', 'blobServiceUri'),
      table: service('State', 'tableServiceUri'),
      container: or('SLUICE_STORE_CONTAINER', 'sluice'),
    },
    refine: { workDir: orNull('SLUICE_WORK_DIR'), memoryLimitMb: or('SLUICE_MEMORY_LIMIT_MB', '512') },
    handOver: handOver && { ...handOver, deadline: handOver.deadline ?? '6h' },
    poll: {
      firstSeconds: or('SLUICE_POLL_FIRST_SECONDS', '5'),
      maxSeconds: or('SLUICE_POLL_MAX_SECONDS', '60'),
      maxHintedSeconds: or('SLUICE_POLL_MAX_SECONDS', '600'),
    },
    api: { issuer: get('SLUICE_TOKEN_ISSUER'), audience: get('SLUICE_TOKEN_AUDIENCE'), jwksUri: get('SLUICE_JWKS_URI') },
    identity: { clientId: orNull('SLUICE_CLIENT_ID') },
    kubeflow: kubeflow && {
      ...kubeflow,
      enclaveResource: enclaveResourceOf(orNull('KUBEFLOW_ENCLAVE_RESOURCE')),
      aws: podAws && { ...podAws, region: podAws.region ?? get('AWS_REGION'), audience: podAws.audience ?? 'sts.amazonaws.com' },
    },
    kubernetes: group({ url: 'KUBERNETES_URL', audience: 'KUBERNETES_TOKEN_AUDIENCE', caFile: 'KUBERNETES_CA_FILE' }, [
      'KUBERNETES_TOKEN_AUDIENCE',
      'KUBERNETES_CA_FILE',
    ]),
    databricks: databricks && { ...databricks, audience: databricks.audience ?? DATABRICKS_APPLICATION },
    local: group({ jobs: 'SLUICE_LOCAL_JOBS', components: 'SLUICE_LOCAL_COMPONENTS', python: 'SLUICE_LOCAL_PYTHON' }, [
      'SLUICE_LOCAL_PYTHON',
    ]),
    residency: residencyOf(or('SLUICE_RESIDENCY', '')),
    aws: group({ region: 'AWS_REGION', roleArn: 'SLUICE_AWS_ROLE_ARN', audience: 'SLUICE_AWS_AUDIENCE' }),
    azureml: azureml && {
      ...azureml,
      armEndpoint: azureml.armEndpoint ?? PUBLIC_ARM,
      compute: azureml.compute ?? 'serverless',
      apiVersion: azureml.apiVersion ?? '2025-12-01',
      events: azureml.events ?? 'false',
    },
    datafactory: datafactory && { ...datafactory, armEndpoint: datafactory.armEndpoint ?? PUBLIC_ARM },
    topic: orNull('SLUICE_TOPIC_ENDPOINT'),
    lineage: {
      url: orNull('SLUICE_LINEAGE_URL'),
      audience: orNull('SLUICE_LINEAGE_AUDIENCE'),
      file: orNull('SLUICE_LINEAGE_FILE'),
    },
  };
  const parsed = Config.safeParse(raw);
  if (!parsed.success) {
    const all = parsed.error.issues.map((issue) => ({ name: nameOf(issue.path), message: issue.message }));
    // One setting may be two values here.
    const found = all.filter(({ name }, index) => all.findIndex((other) => other.name === name) === index);
    // What is missing has its sentence already.
    const told = problems.join(' ');
    problems.push(...found.filter(({ name }) => !told.includes(name)).map(({ name, message }) => `${name}: ${message}`));
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}

/** `kubeflow=plant-3,azureml=eu,azureml=us` → places by backend; what is not of this form fails the check of the schema. */
function residencyOf(text: string): Record<string, string[]> {
  const places: Record<string, string[]> = {};
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const [backend = '', place = ''] = part.split('=').map((one) => one.trim());
    (places[backend] ??= []).push(place);
  }
  return places;
}

/** `sgx.intel.com/epc=512Mi` → the resource and how much of it; Kubernetes counts extended resources in whole numbers. */
function enclaveResourceOf(text: string | null): unknown {
  if (text === null) return null;
  const [, name, quantity] = /^([a-z0-9][a-z0-9.-]{0,200}\/[A-Za-z0-9][A-Za-z0-9._-]{0,62})=([1-9][0-9]*([kMGT]i?|Ki)?)$/.exec(text) ?? [];
  return name === undefined || quantity === undefined ? text : { name, quantity };
}

/** The setting's name for a place in the configuration, so that the message names what a person can set. Values are never shown. */
function nameOf(path: readonly PropertyKey[]): string {
  const names: Record<string, string> = {
    'lake.blob': 'Lake__blobServiceUri',
    'events.queue': 'LandingEvents__queueServiceUri',
    'events.store': 'SLUICE_STORE_EVENTS',
    'azureml.events': 'AZUREML_EVENTS',
    'state.blob': 'State__blobServiceUri',
    'state.table': 'State__tableServiceUri',
    'state.container': 'SLUICE_STORE_CONTAINER',
    'lake.account': 'SLUICE_LAKE_ACCOUNT',
    'lake.container': 'SLUICE_LAKE_CONTAINER',
    'api.issuer': 'SLUICE_TOKEN_ISSUER',
    'api.audience': 'SLUICE_TOKEN_AUDIENCE',
    'api.jwksUri': 'SLUICE_JWKS_URI',
    'identity.clientId': 'SLUICE_CLIENT_ID',
    'refine.memoryLimitMb': 'SLUICE_MEMORY_LIMIT_MB',
    'handOver.aboveMb': 'SLUICE_HANDOVER_MB',
    'handOver.to': 'SLUICE_HANDOVER_TO',
    'handOver.image': 'SLUICE_HANDOVER_IMAGE',
    'handOver.deadline': 'SLUICE_HANDOVER_DEADLINE',
    'poll.firstSeconds': 'SLUICE_POLL_FIRST_SECONDS',
    'poll.maxSeconds': 'SLUICE_POLL_MAX_SECONDS',
    'poll.maxHintedSeconds': 'SLUICE_POLL_MAX_SECONDS',
    'kubeflow.serviceAccount': 'KUBEFLOW_SERVICE_ACCOUNT',
    'kubeflow.runtimeClassLabel': 'KUBEFLOW_RUNTIME_CLASS_LABEL',
    'kubeflow.enclaveResource': 'KUBEFLOW_ENCLAVE_RESOURCE',
    'kubeflow.aws.roleArn': 'KUBEFLOW_AWS_ROLE_ARN',
    'kubeflow.aws.region': 'KUBEFLOW_AWS_REGION',
    'kubernetes.url': 'KUBERNETES_URL',
    'databricks.url': 'DATABRICKS_URL',
    'databricks.storeVolume': 'DATABRICKS_STORE_VOLUME',
    'databricks.wheels': 'DATABRICKS_WHEELS',
    'azureml.jobClientId': 'AZUREML_JOB_CLIENT_ID',
    'azureml.apiVersion': 'AZUREML_API_VERSION',
    'datafactory.subscriptionId': 'DATAFACTORY_SUBSCRIPTION_ID',
    'datafactory.factory': 'DATAFACTORY_NAME',
    residency: 'SLUICE_RESIDENCY',
    'kubeflow.url': 'KUBEFLOW_URL',
    'kubeflow.namespace': 'KUBEFLOW_NAMESPACE',
    'aws.region': 'AWS_REGION',
    'aws.roleArn': 'SLUICE_AWS_ROLE_ARN',
    'aws.audience': 'SLUICE_AWS_AUDIENCE',
    'azureml.subscriptionId': 'AZUREML_SUBSCRIPTION_ID',
    'azureml.resourceGroup': 'AZUREML_RESOURCE_GROUP',
    'azureml.workspace': 'AZUREML_WORKSPACE',
    'azureml.armEndpoint': 'SLUICE_ARM_ENDPOINT',
    topic: 'SLUICE_TOPIC_ENDPOINT',
    'lineage.url': 'SLUICE_LINEAGE_URL',
  };
  const key = path.map(String).join('.');
  return names[key] ?? names[path.slice(0, 2).map(String).join('.')] ?? key;
}
