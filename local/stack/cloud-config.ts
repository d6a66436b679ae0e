// What the local cloud is told: which tenant, subscriptions, images and roles stand in for the real ones.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ACCOUNT } from './azurite.ts';
import { type ComponentFolders, type ImageLock, imagePaths } from './images.ts';

/** Names of the local installation. None of them is a secret; they only have to be the same on both sides. */
export const LOCAL = {
  tenant: 'sluice',
  audience: 'api://sluice',
  awsAudience: 'api://aws-sagemaker',
  region: 'eu-central-1',
  accountId: '123456789012',
  promoterRole: 'arn:aws:iam::123456789012:role/sluice-promoter',
  bucket: 'sluice-models-eu-central-1',
  lakeContainer: 'lake',
  queue: 'landing-events',
  deadLetter: 'landing-dead-letters',
  namespace: 'sluice',
  siteClaim: 'site-data',
  subscriptionId: '00000000-0000-4000-8000-000000000001',
  resourceGroup: 'sluice-local',
  workspace: 'sluice-local',
  compute: 'cpu-cluster',
  datastore: 'sluice',
  factory: 'sluice-local',
  /** Pipeline of the factory that refines what is handed over. */
  refinePipeline: 'refine-large',
  storeContainer: 'sluice',
  storeVolume: '/Volumes/sluice/platform/store',
  wheels: '/Volumes/sluice/platform/wheels',
  cluster: '0101-120000-sluice01',
  kubernetesAudience: '6dae42f8-4368-4678-94ff-3960e28e3630',
  /** Sluice's own managed identity. */
  identity: { clientId: '10000000-0000-4000-8000-000000000001', objectId: '10000000-0000-4000-8000-0000000000a1' },
  /** As whom runs on Databricks are tracked in the workspace. */
  tracking: { clientId: '10000000-0000-4000-8000-000000000002', objectId: '10000000-0000-4000-8000-0000000000a2' },
  /** The person at this machine. */
  developer: { clientId: '20000000-0000-4000-8000-000000000001', objectId: '20000000-0000-4000-8000-0000000000a1' },
} as const;

export const STORAGE_ID = `/subscriptions/${LOCAL.subscriptionId}/resourceGroups/${LOCAL.resourceGroup}/providers/Microsoft.Storage/storageAccounts/devstoreaccount1`;

/** What a test of the stack puts into its local cloud besides what every installation has. */
export interface CloudAdditions {
  /** Components that are not below `components/`: name → folder. One whose name begins with `serve` is a server. */
  components?: ComponentFolders;
  /** Principals besides Sluice and the developer. */
  principals?: readonly {
    clientId: string;
    objectId: string;
    name: string;
    secret: string;
    roles: readonly string[];
    /** Negative: its tokens have expired already. */
    tokenLifetimeSeconds?: number;
  }[];
  /** Pipelines of the Data Factory, as `local/cloud/datafactory` takes them. */
  dataPipelines?: Record<string, unknown>;
  /** Machines of the cluster; by default two with SGX and one without. */
  nodes?: readonly { name: string; labels?: Record<string, string>; ready?: boolean }[];
  /** How long a Kubeflow run stays pending before its first step. */
  pendingMs?: number;
  /** Kubeflow's cluster is at a site whose border is looked at. */
  inspectSite?: boolean;
  /** How long a serving process may take until its first healthy answer. */
  startupMs?: number;
}

export interface CloudConfigInput {
  root: string;
  dataDir: string;
  /** Azurite itself. */
  storage: string;
  /** The same account through the event proxy; without it a large engine's commits make no events. */
  lake?: string;
  lakePort: number;
  components: ComponentFolders;
  images: ImageLock;
  additions: CloudAdditions;
  python: string;
  /** Folder of the components' wheels. */
  wheels: string;
  developerSecret: string;
  trackingSecret: string;
  identityHeader: string;
}

/** One thread: the steps share the machine with everything else. */
const ONE_THREAD = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };

/** The confidential pool of the reference cluster, and a machine for everything else. */
const NODES: NonNullable<CloudAdditions['nodes']> = [
  { name: 'sgx-pool-1', labels: { intelvm: 'sgx', 'node.kubernetes.io/instance-type': 'Standard_DC4s_v3' } },
  { name: 'sgx-pool-2', labels: { intelvm: 'sgx', 'node.kubernetes.io/instance-type': 'Standard_DC4s_v3' } },
  { name: 'system-pool-1', labels: { 'node.kubernetes.io/instance-type': 'Standard_D4_v5' } },
];

/** The data volume of the site that Kubeflow's cluster is at. */
export function siteFolder(dataDir: string): string {
  return join(dataDir, 'site');
}

/** The document that `local/cloud/main.ts` reads. */
export function cloudConfig(input: CloudConfigInput): Record<string, unknown> {
  const { root, images, python, additions } = input;
  const environmentOf = (component: string): Record<string, string> => imageEnvironment(root, input.components[component] ?? component);
  const steps = Object.entries(images).map(([component, image]) => [
    imageName(image),
    { cwd: input.dataDir, env: environmentOf(component) },
  ]);
  const servers = Object.entries(images)
    .filter(([component]) => component.startsWith('serve'))
    .map(([component, image]) => [
      imageName(image),
      {
        command: [python, '-m', moduleOf(component), 'serve'],
        cwd: input.dataDir,
        env: environmentOf(component),
        digest: image.slice(image.indexOf('@') + 1),
      },
    ]);
  return {
    dataDir: join(input.dataDir, 'cloud'),
    ports: { eventgrid: input.lakePort },
    stopWithParent: true,
    storage: { connectionString: input.storage, resourceId: STORAGE_ID, containers: [LOCAL.lakeContainer] },
    entra: {
      tenant: LOCAL.tenant,
      clients: [
        { ...LOCAL.identity, name: 'sluice', roles: ['AssumeRoleWithWebIdentity'] },
        { ...LOCAL.tracking, name: 'databricks-tracking', secret: input.trackingSecret, roles: [] },
        { ...LOCAL.developer, name: 'developer', secret: input.developerSecret, roles: ['admin'] },
        ...(additions.principals ?? []),
      ],
      managedIdentity: { clientId: LOCAL.identity.clientId, header: input.identityHeader },
    },
    // Landings in bronze, and the commits of silver and gold: whoever writes there.
    subscriptions: ['bronze', 'silver', 'gold'].map((layer) => ({
      name: `sluice-${layer}`,
      queue: LOCAL.queue,
      schema: 'cloudevents',
      includedEventTypes: ['Microsoft.Storage.BlobCreated'],
      subjectBeginsWith: `/blobServices/default/containers/${LOCAL.lakeContainer}/blobs/${layer}/`,
      ...(layer === 'bronze' ? {} : { subjectEndsWith: '.json' }),
      deadLetterContainer: LOCAL.deadLetter,
    })),
    topic: { dataSenders: [LOCAL.identity.objectId] },
    python: { command: python },
    kubeflow: {
      images: Object.fromEntries(steps) as Record<string, unknown>,
      site: { claim: LOCAL.siteClaim, folder: siteFolder(input.dataDir), inspect: additions.inspectSite ?? false },
      ...(additions.pendingMs === undefined ? {} : { pendingMs: additions.pendingMs }),
    },
    azureml: {
      subscriptionId: LOCAL.subscriptionId,
      resourceGroup: LOCAL.resourceGroup,
      workspaces: [
        {
          name: LOCAL.workspace,
          location: 'westeurope',
          computes: [{ name: LOCAL.compute, type: 'AmlCompute' }],
          datastores: [{ name: LOCAL.datastore, accountName: ACCOUNT, connectionString: input.storage, container: LOCAL.storeContainer }],
        },
      ],
      images: Object.fromEntries(steps) as Record<string, unknown>,
      eventsQueue: LOCAL.queue,
    },
    datafactory: {
      factory: LOCAL.factory,
      pipelines: { [LOCAL.refinePipeline]: refinePipeline(input), ...additions.dataPipelines },
    },
    databricks: {
      python,
      principals: [{ objectId: LOCAL.identity.objectId, name: 'sluice' }],
      clusters: [
        {
          id: LOCAL.cluster,
          state: 'RUNNING',
          env: {
            AZURE_CLIENT_ID: LOCAL.tracking.clientId,
            AZURE_CLIENT_SECRET: input.trackingSecret,
            // What stands in for Spark: the wheel runs it where pyspark is not there.
            SLUICE_REFINE_ENGINE: JSON.stringify(refiner(root)),
            ...refinerEnvironment(input),
          },
        },
      ],
      volumes: [
        { path: LOCAL.storeVolume, connectionString: input.storage, container: LOCAL.storeContainer },
        { path: LOCAL.wheels, folder: input.wheels },
      ],
      env: { PYTHONUSERBASE: join(homedir(), '.local'), ...ONE_THREAD },
    },
    kubernetes: {
      audience: LOCAL.kubernetesAudience,
      nodes: additions.nodes ?? NODES,
      rules: [
        { user: LOCAL.identity.objectId, verbs: ['get', 'list'], resources: ['nodes', 'pods', 'pods/log', 'events', 'runtimeclasses'] },
      ],
    },
    aws: {
      region: LOCAL.region,
      accountId: LOCAL.accountId,
      audiences: [LOCAL.awsAudience],
      roles: [{ arn: LOCAL.promoterRole, subjects: [LOCAL.identity.objectId], audiences: [LOCAL.awsAudience] }],
      buckets: [LOCAL.bucket],
      images: Object.fromEntries(servers) as Record<string, unknown>,
      ...(additions.startupMs === undefined ? {} : { startupMs: additions.startupMs }),
    },
  };
}

/** The program that refines as a large engine does. */
function refiner(root: string): [string, ...string[]] {
  return [
    process.execPath,
    '--import',
    pathToFileURL(join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')).href,
    join(root, 'local/cloud/refiner/main.ts'),
  ];
}

function refinerEnvironment({ lake, storage }: CloudConfigInput): Record<string, string> {
  return { REFINE_STORAGE: lake ?? storage, REFINE_CONTAINER: LOCAL.lakeContainer };
}

/** Parameters as Sluice sends them, with its key by which a run is adopted. */
function refinePipeline(input: CloudConfigInput): Record<string, unknown> {
  const names = ['runKey', 'manifest', 'silverTable', 'goldTable', 'silverSql', 'goldSql', 'appId'];
  return {
    parameters: Object.fromEntries(names.map((name) => [name, { type: 'String' }])),
    activities: [
      {
        name: 'refine',
        type: 'Custom',
        command: refiner(input.root),
        cwd: input.root,
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...refinerEnvironment(input) },
      },
    ],
  };
}

/** The environment in which a component's image runs here. */
function imageEnvironment(root: string, folder: string): Record<string, string> {
  return {
    PYTHONPATH: imagePaths(root, folder).join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    ...ONE_THREAD,
  };
}

/** Image name without its digest. */
function imageName(reference: string): string {
  return reference.slice(0, reference.indexOf('@'));
}

function moduleOf(component: string): string {
  return `sluice_${component.replaceAll('-', '_')}`;
}
