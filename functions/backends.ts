// From configuration to the places that train, and to what Azure ML keeps of trainings. Each adapter is loaded on first use.
import { join } from 'node:path';
import type { Entra } from '../shared/clients/entra.ts';
import type { Kubernetes } from '../shared/clients/kubernetes.ts';
import type { Config } from '../shared/config/config.ts';
import type { JobSpec } from '../shared/contracts/training.ts';
import type { BackendName } from '../shared/contracts/pipeline/train.ts';
import type { AssetRegistry } from '../shared/ports/asset-registry.ts';
import type { JobMetrics } from '../shared/ports/job-metrics.ts';
import type { Workspace } from '../shared/ports/platform.ts';
import type { RunLogger } from '../shared/ports/run-logger.ts';
import type { SweepBackend, SweepSpec } from '../shared/ports/sweep-backend.ts';
import type { TrainingBackend } from '../shared/ports/training-backend.ts';
import { hinting, isWorkspaceTelling, leavesReport } from './hints.ts';
import { lazily } from './lazy.ts';
import type { ResourceManager } from './resource-manager.ts';

type Identity = () => Promise<Entra>;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface TrainingPlaces {
  /** Region of AWS, by the name of the backend whose sending steps have an identity of their own there. */
  awsRegions: Readonly<Record<string, string>>;
  backends: Readonly<Record<string, TrainingBackend>>;
  /** Numbers that a backend keeps of its jobs, by its name. */
  jobMetrics: Readonly<Partial<Record<BackendName, JobMetrics>>>;
  /** Searches that a backend runs by itself, by its name. */
  sweeps: Readonly<Record<string, SweepBackend>>;
  workspace: Workspace | null;
  runLogger: RunLogger | null;
  assets: AssetRegistry | null;
}

export function createTrainingPlaces(config: Config, entra: Identity, arm: ResourceManager): TrainingPlaces {
  const azureml = config.azureml ? azureMl(config.azureml, arm) : NO_WORKSPACE;
  // Of its end tells the report that a job leaves in the store, and the workspace of its own jobs.
  const told = (backend: TrainingBackend) => (config.events.store ? hinting(backend, leavesReport) : backend);
  const podsIn = config.kubeflow?.aws?.region;
  return {
    awsRegions: podsIn === undefined ? {} : { kubeflow: podsIn },
    backends: {
      ...(config.kubeflow ? { kubeflow: told(kubeflow(config.kubeflow, config.kubernetes, entra)) } : {}),
      ...(azureml.backend ? { azureml: told(azureml.backend) } : {}),
      ...(config.databricks ? { databricks: told(databricks(config.databricks, entra, azureml.workspace)) } : {}),
      ...(config.local ? { local: local(config.local) } : {}),
    },
    sweeps: azureml.sweeps ? { azureml: azureml.sweeps } : {},
    jobMetrics: azureml.metrics ? { azureml: azureml.metrics } : {},
    workspace: azureml.workspace,
    runLogger: azureml.runLogger,
    assets: azureml.assets,
  };
}

function kubeflow(settings: NonNullable<Config['kubeflow']>, cluster: Config['kubernetes'], entra: Identity): TrainingBackend {
  return lazily<TrainingBackend>(async () => {
    const { createKubeflowBackend } = await import('../shared/adapters/kubeflow/backend.ts');
    const client = cluster === null ? null : await kubernetes(cluster, entra);
    const [accountNamespace = '', accountName = ''] = settings.serviceAccount?.split('/') ?? [];
    return createKubeflowBackend({
      baseUrl: settings.url,
      namespace: settings.namespace,
      experiment: 'sluice',
      getToken: async () => (settings.audience === null ? null : (await entra()).getToken(settings.audience)),
      ...(settings.serviceAccount === null
        ? {}
        : {
            serviceAccount: {
              namespace: accountNamespace,
              name: accountName,
              audience: settings.audience ?? 'pipelines.kubeflow.org',
            },
          }),
      ...(client === null ? {} : { kubernetes: { client } }),
      pods: {
        ...(settings.pullSecrets === null ? {} : { imagePullSecrets: settings.pullSecrets.split(',').map((one) => one.trim()) }),
        ...(settings.siteClaim === null ? {} : { site: { claim: settings.siteClaim, mountPath: '/site' } }),
        ...(settings.runtimeClassLabel === null ? {} : { runtimeClassLabel: settings.runtimeClassLabel }),
        ...(settings.enclaveResource === null ? {} : { enclaveResource: settings.enclaveResource }),
        ...(settings.aws === null ? {} : { aws: settings.aws }),
      },
      ...(settings.pipelineRoot === null ? {} : { pipelineRoot: settings.pipelineRoot }),
      ...(settings.caFile === null ? {} : { caFile: settings.caFile }),
      now: Date.now,
      sleep,
    });
  });
}

async function kubernetes(settings: NonNullable<Config['kubernetes']>, entra: Identity): Promise<Kubernetes> {
  const { createKubernetes } = await import('../shared/clients/kubernetes.ts');
  return createKubernetes({
    server: settings.url,
    getToken: async () => (settings.audience === null ? null : (await entra()).getToken(settings.audience)),
    ...(settings.caFile === null ? {} : { caFile: settings.caFile }),
    now: Date.now,
    sleep,
  });
}

interface AzureMl {
  workspace: Workspace | null;
  backend: TrainingBackend | null;
  sweeps: SweepBackend | null;
  metrics: JobMetrics | null;
  runLogger: RunLogger | null;
  assets: AssetRegistry | null;
}

const NO_WORKSPACE: AzureMl = { workspace: null, backend: null, sweeps: null, metrics: null, runLogger: null, assets: null };

function azureMl(settings: NonNullable<Config['azureml']>, arm: ResourceManager): AzureMl {
  const { subscriptionId, resourceGroup, workspace, datastore, registry } = settings;
  const place = async () => ({ arm: await arm(settings), resourceGroup, workspace, apiVersion: settings.apiVersion });
  const options = async (store: string) => ({
    ...(await place()),
    datastore: store,
    compute: settings.compute,
    ...(settings.jobClientId === null ? {} : { clientId: settings.jobClientId }),
    sleep,
  });
  return {
    workspace: lazily<Workspace>(async () => (await import('../shared/adapters/azureml/workspace.ts')).createWorkspace(await place())),
    runLogger: lazily<RunLogger>(async () => (await import('../shared/adapters/azureml/run-logger.ts')).createRunLogger(await place())),
    backend:
      datastore === null
        ? null
        : hinting(
            lazily<TrainingBackend>(async () =>
              (await import('../shared/adapters/azureml/backend.ts')).createAzureMlBackend(await options(datastore)),
            ),
            ({ name }: JobSpec) => settings.events && isWorkspaceTelling(name),
          ),
    metrics:
      datastore === null
        ? null
        : lazily<JobMetrics>(async () => {
            const { createAzureMlBackend } = await import('../shared/adapters/azureml/backend.ts');
            const backend = createAzureMlBackend(await options(datastore));
            return { read: async (jobName) => (await backend.readMlflowMetrics(jobName))?.metrics ?? null };
          }),
    sweeps:
      datastore === null
        ? null
        : hinting(
            lazily<SweepBackend>(async () =>
              (await import('../shared/adapters/azureml/sweep.ts')).createAzureMlSweeps(await options(datastore)),
            ),
            ({ job }: SweepSpec) => settings.events && isWorkspaceTelling(job.name),
          ),
    assets:
      datastore === null
        ? null
        : lazily<AssetRegistry>(async () => {
            const { createAssetRegistry } = await import('../shared/adapters/azureml/assets.ts');
            const target = registry === null ? {} : { registry: { subscriptionId, resourceGroup, registry } };
            return createAssetRegistry({ ...(await place()), datastore, ...target });
          }),
  };
}

/** With a connected Azure ML workspace its steps track there, and only there. */
function databricks(settings: NonNullable<Config['databricks']>, entra: Identity, workspace: Workspace | null): TrainingBackend {
  return lazily<TrainingBackend>(async () => {
    const { createDatabricksBackend } = await import('../shared/adapters/databricks/backend.ts');
    const { trackingUri } = (await workspace?.read()) ?? { trackingUri: null };
    return createDatabricksBackend({
      url: settings.url,
      getToken: async () => (await entra()).getToken(settings.audience),
      storeVolume: settings.storeVolume,
      wheels: settings.wheels,
      cluster: { existing: settings.cluster },
      environment: trackingUri === null ? {} : { MLFLOW_TRACKING_URI: trackingUri },
      now: Date.now,
      sleep,
    });
  });
}

function local({ jobs, components, python }: NonNullable<Config['local']>): TrainingBackend {
  return lazily<TrainingBackend>(async () => {
    const [{ createLocalBackend }, { readdir }] = await Promise.all([
      import('../shared/adapters/local/backend.ts'),
      import('node:fs/promises'),
    ]);
    const names = (await readdir(components, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const folders = names.map((name) => [name, { folder: join(components, name), pythonPath: ['.', '../protocol'] }]);
    return createLocalBackend({
      root: jobs,
      components: Object.fromEntries(folders) as Record<string, { folder: string; pythonPath: string[] }>,
      ...(python === null ? {} : { programs: { python3: python } }),
      now: Date.now,
    });
  });
}
