// Places that train as they are wired: Databricks tracks in the connected Azure ML workspace and nowhere else, or as its cluster says.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTrainingPlaces } from '../../functions/backends.ts';
import type { Entra } from '../../shared/clients/entra.ts';
import type { Config } from '../../shared/config/config.ts';
import { JobSpec } from '../../shared/contracts/training.ts';
import { passingJob } from '../contracts/training-backend.suite.ts';
import { answer, type Scripted, scripted, SUBSCRIPTION } from '../shared/clients/arm/scripted.ts';

const TRACKING =
  'azureml://ml.example/mlflow/v1.0/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws';
interface Submitted {
  tasks: { python_wheel_task: { parameters: [string] } }[];
}
let submitted: Submitted | undefined;
let server: Scripted;
beforeEach(async () => {
  submitted = undefined;
  server = await scripted(({ path, body }) => {
    if (path.endsWith('/workspaces/ws')) return answer({ name: 'ws', location: 'westeurope', properties: { mlFlowTrackingUri: TRACKING } });
    if (path.endsWith('/runs/submit')) submitted = body as Submitted;
    if (path.endsWith('/runs/list')) return answer({ runs: [] });
    const tasks = (submitted?.tasks ?? []).map((task, index) => ({ ...task, run_id: index + 2, task_key: `t${index}` }));
    return answer({ run_id: 1, tasks });
  });
});
afterEach(() => server.close());

/** What the first step of a job gets from a deployment that is connected to a workspace, or to none. */
async function payloadWith(connected: boolean): Promise<{ environment: Record<string, string>; experiment: string }> {
  const databricks = { url: server.url, cluster: 'c', storeVolume: '/Volumes/a/b/store', wheels: '/Volumes/a/b/wheels', audience: 'x' };
  const azureml = {
    ...{ armEndpoint: server.url, subscriptionId: SUBSCRIPTION, resourceGroup: 'rg', workspace: 'ws', compute: 'serverless' },
    ...{ datastore: null, jobClientId: null, apiVersion: '2025-12-01', registry: null },
  };
  const places = { databricks, azureml: connected ? azureml : null, kubeflow: null, local: null, events: {} };
  const entra = async () => ({ getToken: async () => 'token' }) as unknown as Entra;
  const { backends } = createTrainingPlaces(places as unknown as Config, entra, async () => server.arm);
  const job = passingJob('train-diabetes-0123456789abcdef-a1');
  const steps = job.steps.map((step) => ({ ...step, component: 'ridge-train' }));

  await backends['databricks']?.submit(JobSpec.parse({ ...job, steps, experiment: 'diabetes' }));

  return JSON.parse(submitted?.tasks[0]?.python_wheel_task.parameters[0] ?? '') as never;
}

test('with a connected workspace steps track there, in the experiment of their job', async () => {
  const { environment, experiment } = await payloadWith(true);

  expect(environment).toMatchObject({ MLFLOW_TRACKING_URI: TRACKING });
  expect(experiment).toBe('diabetes');
});

test('without one the cluster says where', async () => {
  const { environment, experiment } = await payloadWith(false);

  expect(environment).not.toHaveProperty('MLFLOW_TRACKING_URI');
  expect(experiment).toBe('diabetes');
});
