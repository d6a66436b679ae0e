// Starts every stand-in of the local cloud on its port, each with a folder of its own, and stops them together.
// They know each other only where the real services do: STS and ARM trust the local tenant, SageMaker reads from S3.
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { createArmFront } from './arm-front.ts';
import type { CloudConfig } from './config.ts';
import { createDatabricksCloud } from './databricks/databricks-cloud.ts';
import { createEntraCloud } from './entra/entra-cloud.ts';
import { createEventGridCloud } from './eventgrid/eventgrid-cloud.ts';
import { createTopicCloud } from './eventgrid/topic.ts';
import { withFaults } from './kit/faults.ts';
import { freePort } from './kit/process.ts';
import { serve, type Cloud } from './kit/server.ts';
import { createKubeflowCloud } from './kubeflow/kubeflow-cloud.ts';
import { openBorder } from './kubeflow/site/border.ts';
import { createCluster } from './kubernetes/cluster.ts';
import { createKubernetesCloud } from './kubernetes/kubernetes-cloud.ts';
import { withPython } from './step-images.ts';
import { createS3Cloud } from './s3/s3.ts';
import { createSageMakerCloud } from './sagemaker/sagemaker.ts';
import { createAuthority } from './sts/authority.ts';
import { createStsCloud } from './sts/sts.ts';

/** Addresses of a running local cloud; none carries a secret. */
export interface CloudUrls {
  /** Base address of the tenant's issuer. */
  readonly entra: string;
  readonly tokenEndpoint: string;
  readonly issuerV1: string;
  readonly issuerV2: string;
  readonly jwks: string;
  /** IDENTITY_ENDPOINT for `ManagedIdentityCredential`. */
  readonly identityEndpoint: string;
  /** Blob endpoint that makes events; queue and table endpoints stay Azurite's own. */
  readonly blob: string;
  /** `/_admin/chaos` and `/_admin/deliveries` of Event Grid. */
  readonly admin: string;
  /** Where events of one's own are posted; `/_admin/events` of the same address lists them. */
  readonly topic: string;
  readonly kubeflow: string;
  /** Azure Resource Manager: Azure ML, and Data Factory where there is one. */
  readonly azureml: string;
  /** Null where the configuration has none. */
  readonly databricks: string | null;
  readonly kubernetes: string | null;
  readonly s3: string;
  readonly sts: string;
  readonly sagemaker: string;
}

/** A running local cloud. */
export interface LocalCloud {
  readonly urls: CloudUrls;
  /** Stops listening, then everything that was started; no process is left. */
  close(): Promise<void>;
}

const STORAGE_MS = 15_000;

/** Starts everything. Where one part cannot start, the others are stopped again and the reason is thrown. */
export async function startLocalCloud(config: CloudConfig): Promise<LocalCloud> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    // Listeners first: nothing new may arrive while processes are being stopped.
    for (const stop of closers.splice(0).reverse()) await stop();
  };
  const start = async (cloud: Cloud, port = 0): Promise<string> => {
    closers.push(() => cloud.close());
    const server = await serve((request) => cloud.fetch(request), { host: config.host, port });
    closers.push(() => server.close());
    return server.url;
  };
  try {
    return { urls: await startAll(config, start), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Start = (cloud: Cloud, port?: number) => Promise<string>;

async function startAll(config: CloudConfig, start: Start): Promise<CloudUrls> {
  const { ports } = config;
  const folder = (name: string) => join(config.dataDir, name);

  const entraPort = ports.entra || (await freePort());
  const entra = await createEntraCloud({ ...config.entra, dataDir: folder('entra'), baseUrl: `http://${config.host}:${entraPort}` });
  const entraUrl = await start(withFaults(entra), entraPort);

  await makeStorage(config);
  const eventgrid = await createEventGridCloud({
    dataDir: folder('eventgrid'),
    ...config.storage,
    subscriptions: config.subscriptions,
    host: config.host,
    port: ports.eventgrid ?? 0,
    ...(config.retry ? { retry: config.retry } : {}),
  });
  const admin = await start(eventgrid, ports.admin);

  const trust = { issuer: entra.issuerV1, jwksUri: entra.jwksUri };
  const topic = createTopicCloud({
    dataDir: folder('topic'),
    ...trust,
    resourceId: topicId(config),
    dataSenders: config.topic.dataSenders,
    subscriptions: config.topic.subscriptions,
    connectionString: config.storage.connectionString,
    deadLetterConnectionString: eventgrid.connectionString,
    ...(config.retry ? { retry: config.retry } : {}),
  });
  const topicUrl = await start(topic, ports.topic);

  const { kubeflow: kubeflowUrl, kubernetes: kubernetesUrl } = await startSite(config, trust, folder('kubeflow'), start);

  const events = jobEvents(config);
  const arm = createArmFront(config, { ...trust, folder, lake: eventgrid.connectionString, events });
  const azureml = await start(arm, ports.azureml);
  arm.reachableAt(azureml);
  const databricksUrl = await startDatabricks(config, { ...trust, folder, entraUrl, azureml }, start);

  const { aws } = config;
  const authority = createAuthority({
    stateFile: join(folder('sts'), 'account.json'),
    accountId: aws.accountId,
    region: aws.region,
    roles: aws.roles,
  });
  const sts = await start(await createStsCloud({ authority, providers: [{ ...trust, audiences: aws.audiences }] }), ports.sts);
  const s3 = await createS3Cloud({ dataDir: folder('s3'), authority, buckets: aws.buckets });
  const s3Url = await start(s3, ports.s3);
  const sagemaker = await createSageMakerCloud({
    dataDir: folder('sagemaker'),
    authority,
    images: aws.images,
    read: (bucket, key) => s3.read(bucket, key),
    ...(aws.startupMs === undefined ? {} : { startupMs: aws.startupMs }),
    ...(aws.consistencyLagMs === undefined ? {} : { consistencyLagMs: aws.consistencyLagMs }),
    ...(aws.instanceQuotas ? { instanceQuotas: aws.instanceQuotas } : {}),
  });
  const sagemakerUrl = await start(sagemaker, ports.sagemaker);

  return {
    entra: entraUrl,
    tokenEndpoint: `${entraUrl}/${config.entra.tenant}/oauth2/v2.0/token`,
    issuerV1: entra.issuerV1,
    issuerV2: entra.issuerV2,
    jwks: entra.jwksUri,
    identityEndpoint: `${entraUrl}/msi/token`,
    blob: eventgrid.blobEndpoint,
    admin,
    topic: `${topicUrl}/api/events`,
    kubeflow: kubeflowUrl,
    azureml,
    databricks: databricksUrl,
    kubernetes: kubernetesUrl,
    s3: s3Url,
    sts,
    sagemaker: sagemakerUrl,
  };
}

/** A subscription of the Azure ML workspace's events, by queue, in base64 as Event Grid writes. */
function jobEvents({ azureml, storage }: CloudConfig): ((event: object) => Promise<void>) | null {
  if (azureml.eventsQueue === undefined) return null;
  const queue = QueueServiceClient.fromConnectionString(storage.connectionString).getQueueClient(azureml.eventsQueue);
  return async (event) => {
    const message = Buffer.from(JSON.stringify(event), 'utf8').toString('base64');
    await queue.sendMessage(message, { abortSignal: AbortSignal.timeout(STORAGE_MS) });
  };
}

interface Trust {
  issuer: string;
  jwksUri: string;
}

/** Kubeflow and its cluster; where they are at a site whose border is looked at, the border stands before both. */
async function startSite(
  config: CloudConfig,
  { issuer, jwksUri }: Trust,
  dataDir: string,
  start: Start,
): Promise<Pick<CloudUrls, 'kubeflow' | 'kubernetes'>> {
  const { kubernetes, ports } = config;
  const { images, site, ...options } = config.kubeflow;
  const border = site?.inspect ? await openBorder() : null;
  const around = <C extends Cloud>(cloud: C, via: string): C => border?.around(cloud, via) ?? cloud;
  const cluster = kubernetes ? createCluster({ nodes: kubernetes.nodes }) : null;
  const pipelines = around(
    createKubeflowCloud({
      ...options,
      dataDir,
      images: withPython(config, images),
      ...(cluster ? { cluster } : {}),
      ...(site ? { volumes: { [site.claim]: site.folder } } : {}),
      ...(border ? { stepEnv: border.stepEnv } : {}),
    }),
    'kubeflow api',
  );
  const close = pipelines.close.bind(pipelines);
  const url = await start(Object.assign(pipelines, { close: () => close().finally(() => border?.close()) }), ports.kubeflow);
  if (!kubernetes || !cluster) return { kubeflow: url, kubernetes: null };
  const access = { issuers: [{ issuer, jwksUri, audience: kubernetes.audience }], rules: kubernetes.rules };
  const api = around(createKubernetesCloud({ cluster, access }), 'kubernetes api');
  return { kubeflow: url, kubernetes: await start(api, ports.kubernetes) };
}

async function startDatabricks(
  { databricks, ports, entra, azureml }: CloudConfig,
  at: Trust & { folder: (name: string) => string; entraUrl: string; azureml: string },
  start: Start,
): Promise<string | null> {
  if (!databricks) return null;
  // What an administrator sets on the cluster: where runs are tracked, and as whom (facts/azure.md §6, exclusive tracking).
  const [workspace] = azureml.workspaces;
  const scope = `subscriptions/${azureml.subscriptionId}/resourceGroups/${azureml.resourceGroup}/providers/Microsoft.MachineLearningServices/workspaces/${workspace?.name ?? ''}`;
  const tracking = {
    MLFLOW_TRACKING_URI: `azureml://${new URL(at.azureml).host}/mlflow/v1.0/${scope}`,
    AZURE_AUTHORITY_HOST: at.entraUrl,
    AZURE_TENANT_ID: entra.tenant,
  };
  const clusters = databricks.clusters.map((cluster) => ({ ...cluster, env: { ...tracking, ...cluster.env } }));
  const { issuer, jwksUri } = at;
  return start(createDatabricksCloud({ ...databricks, clusters, issuer, jwksUri, dataDir: at.folder('databricks') }), ports.databricks);
}

/** What infrastructure makes in a real deployment: containers, the subscriptions' queues and dead-letter containers. */
async function makeStorage({ storage, subscriptions: own, topic }: CloudConfig): Promise<void> {
  const subscriptions = [...own, ...topic.subscriptions];
  const retryOptions = { maxTries: 3, retryDelayInMs: 200, tryTimeoutInMs: STORAGE_MS };
  const blobs = BlobServiceClient.fromConnectionString(storage.connectionString, { retryOptions });
  const queues = QueueServiceClient.fromConnectionString(storage.connectionString, { retryOptions });
  const containers = [...storage.containers, ...subscriptions.map(({ deadLetterContainer }) => deadLetterContainer ?? '')];
  const abortSignal = AbortSignal.timeout(STORAGE_MS);
  try {
    for (const name of new Set(containers.filter(Boolean))) await blobs.getContainerClient(name).createIfNotExists({ abortSignal });
    for (const name of new Set(subscriptions.map(({ queue }) => queue)))
      await queues.getQueueClient(name).createIfNotExists({ abortSignal });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The storage account at ${new URL(blobs.url).origin} cannot be used: ${reason}. Is Azurite running?`, { cause: error });
  }
}

function topicId({ azureml, topic }: CloudConfig): string {
  return `/subscriptions/${azureml.subscriptionId}/resourceGroups/${azureml.resourceGroup}/providers/Microsoft.EventGrid/topics/${topic.name}`;
}
