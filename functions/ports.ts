// From configuration to ports: clients once, adapters on first use. Together with app.ts the only wiring.
import type { BlobServiceClient } from '@azure/storage-blob';
import type { QueueServiceClient } from '@azure/storage-queue';
import type { Tables } from '../shared/adapters/tables/open-tables.ts';
import type { Entra } from '../shared/clients/entra.ts';
import type { Config } from '../shared/config/config.ts';
import type { HandOverRule } from '../shared/contracts/hand-over.ts';
import { ConfigError, RejectedError } from '../shared/errors/errors.ts';
import type { DataPipelines } from '../shared/ports/data-pipelines.ts';
import type { DeadLetters } from '../shared/ports/dead-letters.ts';
import type { Lake, Store } from '../shared/ports/lake.ts';
import type { LakeListing } from '../shared/ports/listing.ts';
import type { Announcer } from '../shared/ports/platform.ts';
import type { ArtifactStore, ServingPlatform } from '../shared/ports/serving-platform.ts';
import type { Stores } from '../shared/ports/stores.ts';
import type { LineageSink } from '../shared/ports/lineage.ts';
import type { Residency } from '../shared/decisions/choose-backend.ts';
import { withLineage } from './activities/lineage.ts';
import { withVerdictsTold } from './activities/told-verdicts.ts';
import { createTrainingPlaces, type TrainingPlaces } from './backends.ts';
import { createLakeWork, type LakeWork } from './lake-work.ts';
import { lazily, once } from './lazy.ts';
import { createResourceManager, type ResourceManager } from './resource-manager.ts';

/** Container of the state account to which Event Grid writes what it cannot deliver; infrastructure makes it. */
const DEAD_LETTERS = 'landing-dead-letters';

export interface Ports extends Stores, TrainingPlaces, LakeWork {
  lake: Lake;
  store: Store;
  residency: Residency;
  platform: ServingPlatform;
  artifacts: ArtifactStore;
  announcer: Announcer;
  /** null: no Data Factory is connected. */
  dataPipelines: DataPipelines | null;
  listing: LakeListing;
  deadLetters: DeadLetters;
  /** Messages that wait in a queue of the landing account, about. */
  queueDepth(queue: string): Promise<number>;
}

export function createPorts(config: Config): Ports {
  const entra = once(async () => (await import('../shared/clients/entra.ts')).createCredential(config.identity));
  const stateBlobs = once(() => blobService(config.state.blob, entra));
  const lakeBlobs = once(() => blobService(config.lake.blob, entra));
  const store = lazily<Store>(async () => {
    const [{ createStore }, service] = await Promise.all([import('../shared/adapters/lake/store.ts'), stateBlobs()]);
    await service.getContainerClient(config.state.container).createIfNotExists();
    return createStore(service, config.state.container);
  });
  const tables = once(() => stateTables(config, entra));
  const stores = tableStores(tables, store);
  const arm = createResourceManager(config.identity, entra, async () => (await tables()).rates);
  const topic = announcer(config.topic, entra);
  const now = (): Date => new Date();
  return {
    ...stores,
    ledger: config.topic === null ? stores.ledger : withVerdictsTold(stores.ledger, topic, now, (message) => console.warn(message)),
    store,
    lake: lazily<Lake>(async () => {
      const [{ createLake }, service] = await Promise.all([import('../shared/adapters/lake/lake.ts'), lakeBlobs()]);
      return createLake(service, { container: config.lake.container });
    }),
    dataPipelines: config.datafactory ? dataFactory(config.datafactory, arm) : null,
    listing: lazily<LakeListing>(async () => {
      const [{ createLakeListing }, service] = await Promise.all([import('../shared/adapters/lake/listing.ts'), lakeBlobs()]);
      return createLakeListing(service, { account: config.lake.account, container: config.lake.container });
    }),
    deadLetters: lazily<DeadLetters>(async () => {
      const [{ createDeadLetters }, service] = await Promise.all([import('../shared/adapters/lake/dead-letters.ts'), stateBlobs()]);
      return createDeadLetters(service, DEAD_LETTERS);
    }),
    ...createLakeWork({ config, lakeBlobs, stateBlobs, store, caseStore: stores.caseStore }),
    ...awsPorts(config, entra),
    ...createTrainingPlaces(config, entra, arm),
    residency: config.residency,
    announcer: withLineageOf(config, stores, entra, topic),
    queueDepth: async (queue) =>
      (await queueService(config.events.queue, entra))
        .getQueueClient(queue)
        .getProperties()
        .then((properties) => properties.approximateMessagesCount ?? 0),
  };
}

type Identity = () => Promise<Entra>;

async function blobService(endpoint: Config['lake']['blob'], entra: Identity): Promise<BlobServiceClient> {
  const { BlobServiceClient } = await import('@azure/storage-blob');
  if ('connectionString' in endpoint) return BlobServiceClient.fromConnectionString(endpoint.connectionString);
  return new BlobServiceClient(endpoint.uri, (await entra()).credential);
}

async function queueService(endpoint: Config['events']['queue'], entra: Identity): Promise<QueueServiceClient> {
  const { QueueServiceClient } = await import('@azure/storage-queue');
  if ('connectionString' in endpoint) return QueueServiceClient.fromConnectionString(endpoint.connectionString);
  return new QueueServiceClient(endpoint.uri, (await entra()).credential);
}

async function stateTables(config: Config, entra: Identity): Promise<Tables> {
  const { openTables } = await import('../shared/adapters/tables/open-tables.ts');
  const table = config.state.table;
  const tables = openTables('connectionString' in table ? table : { endpoint: table.uri, credential: (await entra()).credential });
  await tables.ensureTables();
  return tables;
}

function tableStores(tables: () => Promise<Tables>, store: Store): Stores {
  const open = once(async () => {
    const [{ createTableStores }, opened] = await Promise.all([import('../shared/adapters/tables/stores.ts'), tables()]);
    return createTableStores(opened, store);
  });
  const part = <Key extends keyof Stores>(key: Key): Stores[Key] => lazily<Stores[Key]>(async () => (await open())[key]);
  return {
    ledger: part('ledger'),
    freezes: part('freezes'),
    breakers: part('breakers'),
    runs: part('runs'),
    models: part('models'),
    promotions: part('promotions'),
    serving: part('serving'),
    pipelines: part('pipelines'),
    budgets: part('budgets'),
    vitals: part('vitals'),
    caseStore: part('caseStore'),
    audit: part('audit'),
  };
}

function awsPorts(config: Config, entra: Identity): { platform: ServingPlatform; artifacts: ArtifactStore } {
  const load = once(async () => {
    const { aws } = config;
    if (!aws)
      throw new RejectedError(
        'platform-unknown',
        'This deployment has no AWS settings (AWS_REGION, SLUICE_AWS_ROLE_ARN, SLUICE_AWS_AUDIENCE), so it cannot serve on SageMaker',
      );
    const [{ createAwsClients }, { createSagemaker }] = await Promise.all([
      import('../shared/clients/aws.ts'),
      import('../shared/adapters/sagemaker/sagemaker.ts'),
    ]);
    const getToken = async (audience: string): Promise<string> => (await entra()).getToken(audience);
    return createSagemaker({ clients: createAwsClients({ ...aws, sessionName: 'sluice', getToken, now: Date.now }), now: Date.now });
  });
  return {
    platform: lazily<ServingPlatform>(async () => (await load()).platform),
    artifacts: lazily<ArtifactStore>(async () => (await load()).artifacts),
  };
}

function dataFactory(settings: NonNullable<Config['datafactory']>, arm: ResourceManager): DataPipelines {
  return lazily<DataPipelines>(async () => {
    const [{ createDataFactory }, manager] = await Promise.all([import('../shared/adapters/datafactory/data-factory.ts'), arm(settings)]);
    const { resourceGroup, factory } = settings;
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    return createDataFactory({ arm: manager, resourceGroup, factory, now: Date.now, sleep });
  });
}

function announcer(topic: string | null, entra: Identity): Announcer {
  if (topic === null) return { publish: () => Promise.resolve() };
  return lazily<Announcer>(async () => {
    const [{ createAnnouncer }, { credential }] = await Promise.all([import('../shared/adapters/eventgrid/announcer.ts'), entra()]);
    return createAnnouncer({ endpoint: topic, credential, source: '/sluice', allowInsecureLoopback: true });
  });
}

function withLineageOf(config: Config, stores: Stores, entra: Identity, next: Announcer): Announcer {
  const { url, audience, file } = config.lineage;
  if (url === null && file === null) return next;
  const sink = lazily<LineageSink>(async () => {
    const { createLineageEndpoint, createLineageFile } = await import('../shared/adapters/openlineage/sink.ts');
    const getToken = async (): Promise<string | null> => (audience === null ? null : (await entra()).getToken(audience));
    const sinks = [
      ...(url === null ? [] : [createLineageEndpoint({ url, getToken })]),
      ...(file === null ? [] : [createLineageFile(file)]),
    ];
    return { emit: async (event) => void (await Promise.all(sinks.map((one) => one.emit(event)))) };
  });
  return withLineage(next, { ...stores, sink, lake: config.lake });
}

/** Settings that only make sense together with others that are missing are found at start, not in the night. */
export function checkConfig(config: Config): void {
  const problems: string[] = [];
  if (config.poll.maxSeconds < config.poll.firstSeconds) problems.push('SLUICE_POLL_MAX_SECONDS is smaller than SLUICE_POLL_FIRST_SECONDS');
  const { handOver } = config;
  if (handOver?.to === 'data-factory') {
    if (handOver.pipeline === null) problems.push('SLUICE_HANDOVER_PIPELINE missing: SLUICE_HANDOVER_TO is data-factory');
    if (config.datafactory === null) problems.push('DATAFACTORY_NAME missing: SLUICE_HANDOVER_TO is data-factory');
  }
  if (handOver?.to === 'databricks') {
    if (handOver.image === null) problems.push('SLUICE_HANDOVER_IMAGE missing: SLUICE_HANDOVER_TO is databricks');
    if (config.databricks === null) problems.push('DATABRICKS_URL missing: SLUICE_HANDOVER_TO is databricks');
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

/** What the stories are told of it; nothing where everything is refined in this app. */
export function handOverRule({ handOver }: Config): { handOver?: HandOverRule } {
  if (handOver === null) return {};
  const { aboveMb, to, pipeline, image, deadline } = handOver;
  const by = (to === 'databricks' ? image : pipeline) ?? '';
  return { handOver: { aboveBytes: Math.round(aboveMb * 1_000_000), to, by, deadline } };
}
