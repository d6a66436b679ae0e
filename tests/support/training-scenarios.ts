// Named ways through trainings and searches, for recording what each of their orchestrations asks for. Every branch that a running
// instance can be in the middle of should be on one of them.
import type { Action } from '../../local/host/durable/actions.ts';
import { trialJobName, waiterOf } from '../../shared/decisions/identity.ts';
import type { AssetRegistry } from '../../shared/ports/asset-registry.ts';
import type { SweepBackend } from '../../shared/ports/sweep-backend.ts';
import { monthOf } from '../../shared/decisions/budget.ts';
import { reportOf } from './training-side.ts';
import {
  createTrainingWorld,
  openTrainingHost,
  START,
  type TrainingHost,
  type TrainingWorld,
  type TrainingWorldOptions,
} from './training-world.ts';

export type Orchestration = 'train' | 'await-job' | 'await-turn' | 'sweep' | 'sweep-trial';

interface Scenario {
  /** A function where the world has a memory of its own: each telling begins anew. */
  options?: TrainingWorldOptions | (() => TrainingWorldOptions);
  /** Gives the instances whose commands count. */
  act: (opened: TrainingHost, world: TrainingWorld) => Promise<Partial<Record<Orchestration, string>>>;
}

const never = { backends: { kubeflow: { outcome: () => ({ state: 'never' as const }) } } };
const METRICS = { leakedRows: 0, top1: 0.01, top5: 0.8, meanErrorCells: 1.5 };
const withTrain =
  (change: Record<string, unknown>): NonNullable<TrainingWorldOptions['edit']> =>
  (spec) =>
    void Object.assign(spec.train, change);
const workspaceAssets: Pick<AssetRegistry, 'data' | 'model'> = {
  data: async ({ table }) => ({ name: table, version: '1', id: 'x' }),
  model: async ({ name }) => ({ name, version: '1', id: 'x' }),
};
const workspace: TrainingWorldOptions['ports'] = {
  runLogger: { log: async () => ({ mlflowRunId: 'm', url: 'https://ml.example/' }) },
  assets: workspaceAssets,
};

const both = (runId: string) => ({ train: runId, 'await-job': waiterOf(runId) });
async function whole({ start, ended }: TrainingHost): Promise<Partial<Record<Orchestration, string>>> {
  const runId = await start();
  await ended(runId);
  return both(runId);
}
async function cancelled({ start, host, ended }: TrainingHost) {
  const runId = await start();
  await host.advance(120_000);
  await host.raise(runId, 'cancel', { by: 'ada', reason: 'no' });
  await ended(runId);
  return both(runId);
}
async function second({ start, host, ended }: TrainingHost) {
  await start({ gold: 1 });
  await host.advance(30_000);
  const runId = await start({ gold: 2 });
  await ended(runId);
  return { train: runId, 'await-turn': `${runId}-turn` };
}
async function searched({ startSweep, ended }: TrainingHost) {
  const runId = await startSweep();
  await ended(runId);
  return { sweep: runId, 'sweep-trial': `${trialJobName(runId, 1)}-trial` };
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  good: { act: whole },
  'with a workspace': { options: { ports: workspace, edit: withTrain({ mlflow: { experiment: 'x' } }) }, act: whole },
  'with a workspace and a registry': {
    options: () => {
      let looks = 3;
      const publish: NonNullable<AssetRegistry['publish']> = async (model) => ({ ...model, operation: null });
      const poll: AssetRegistry['poll'] = async () =>
        (looks -= 1) > 0 ? { state: 'running', waitMs: 5_000 } : { state: 'succeeded', id: '/registry/m' };
      return { ports: { assets: { ...workspaceAssets, publish, poll } } };
    },
    act: whole,
  },
  'with a workspace that is away': {
    options: { ports: { runLogger: { log: () => Promise.reject(new Error('away')) } }, edit: withTrain({ mlflow: { experiment: 'x' } }) },
    act: whole,
  },
  'promoted by itself': {
    options: {
      edit: (spec) => {
        for (const environment of Object.values(spec.environments)) environment.start = 'run';
      },
    },
    act: whole,
  },
  'other parameters': {
    act: async ({ start, ended }) => {
      const runId = await start({ overrides: { epochs: 5 } });
      await ended(runId);
      return { train: runId };
    },
  },
  'second attempt': {
    act: async ({ start, ended }) => {
      const runId = await start({ attempt: 2 });
      await ended(runId);
      return { train: runId };
    },
  },
  'no backend': {
    options: { backends: { kubeflow: { check: () => ({ available: false, missing: 'nodes' }) } } },
    act: async (opened) => ({ train: (await whole(opened)).train ?? '' }),
  },
  'gate not passed': { options: { backends: { kubeflow: { report: (name) => reportOf(name, { metrics: METRICS }) } } }, act: whole },
  'told of its end': {
    options: {
      hinted: true,
      policy: { pollFirstSeconds: 5, pollMaxSeconds: 60, pollMaxHintedSeconds: 600 },
      backends: { kubeflow: { workingSeconds: 400 } },
    },
    act: async ({ host, start, ended }) => {
      const runId = await start();
      await host.advance(380_000);
      // The report lands before its job has ended.
      await host.raise(waiterOf(runId), 'job-hint', {});
      await ended(runId);
      return both(runId);
    },
  },
  'job fails': { options: { backends: { kubeflow: { outcome: () => ({ state: 'failed', reason: 'exit 1' }) } } }, act: whole },
  'job is late': { options: never, act: whole },
  'job is stuck': { options: { backends: { kubeflow: { pendingSeconds: 36_000 } }, edit: withTrain({ queueWithin: '15m' }) }, act: whole },
  'job is cancelled': { options: never, act: cancelled },
  'a hint comes': {
    options: { policy: { pollFirstSeconds: 600, pollMaxSeconds: 600 }, backends: { kubeflow: { workingSeconds: 90 } } },
    act: async ({ start, host, ended }) => {
      const runId = await start();
      for (let hint = 0; hint < 3; hint += 1) {
        await host.advance(40_000);
        await host.raise(waiterOf(runId), 'job-hint', {});
      }
      await ended(runId);
      return both(runId);
    },
  },
  'backend away for a while': {
    options: () => {
      let tries = 0;
      return {
        around: async (call, act) => {
          if (call.name === 'read-job' && (tries += 1) <= 12) throw new Error('connection refused');
          return act();
        },
      };
    },
    act: whole,
  },
  'money is spent': {
    options: {
      backends: { kubeflow: { workingSeconds: 36_000 } },
      edit: withTrain({ deadline: '9h', budget: { costPerHour: 10, perRun: 2 } }),
    },
    act: whole,
  },
  'money is topped up': {
    options: {
      backends: { kubeflow: { workingSeconds: 1000 } },
      edit: withTrain({ deadline: '9h', budget: { costPerHour: 10, perRun: 2 } }),
    },
    act: async ({ start, host, ended }, { budgets }) => {
      const runId = await start();
      await host.advance(60_000);
      const place = { pipeline: 'ble-location', month: monthOf(START.toISOString()) };
      await budgets.topUp(place, runId, { id: 'one', amount: 5, by: 'grace', reason: 'x', at: START.toISOString() });
      await ended(runId);
      return both(runId);
    },
  },
  'waits for its turn': { options: { backends: { kubeflow: { workingSeconds: 600 } } }, act: second },
  'gives way': {
    options: { backends: { kubeflow: { workingSeconds: 600 } }, edit: withTrain({ whenBusy: 'latest-wins' }) },
    act: async ({ start, host, ended }) => {
      await start({ gold: 1 });
      await host.advance(30_000);
      const runId = await start({ gold: 2 });
      await host.advance(30_000);
      await start({ gold: 3 });
      await ended(runId);
      return { train: runId, 'await-turn': `${runId}-turn` };
    },
  },
  'does not wait for a turn': { options: { edit: withTrain({ whenBusy: 'parallel' }) }, act: whole },
  'cancelled in the queue': {
    options: never,
    act: async ({ start, host, ended }) => {
      await start({ gold: 1 });
      await host.advance(30_000);
      const runId = await start({ gold: 2 });
      await host.advance(30_000);
      await host.raise(runId, 'cancel', { by: 'ada', reason: 'no' });
      await ended(runId);
      return { train: runId };
    },
  },
  'a search': { act: searched },
  'a search with money': { options: { edit: withTrain({ budget: { costPerHour: 10, perRun: 20 } }) }, act: searched },
  'a search that trains its best': {
    act: async ({ startSweep, ended }) => {
      const runId = await startSweep({ train: true });
      await ended(runId);
      return { sweep: runId };
    },
  },
  'a search without a result': {
    options: { backends: { kubeflow: { outcome: () => ({ state: 'failed', reason: 'exit 1' }) } } },
    act: searched,
  },
  'a search is cancelled': {
    options: never,
    act: async ({ startSweep, host, ended }) => {
      const runId = await startSweep();
      await host.advance(120_000);
      await host.raise(runId, 'cancel', { by: 'ada', reason: 'no' });
      await ended(runId);
      return { sweep: runId, 'sweep-trial': `${trialJobName(runId, 1)}-trial` };
    },
  },
  'a search in an experiment': {
    options: {
      ports: workspace,
      edit: withTrain({ mlflow: { experiment: 'x' }, budget: { costPerHour: 3600, perRun: 100_000 } }),
    },
    act: searched,
  },
  'a search of the backend': { options: { ports: { sweeps: { kubeflow: ownSearch() } } }, act: searchedThere },
  'a search of the backend, in an experiment and with money': {
    options: {
      ports: { ...workspace, sweeps: { kubeflow: ownSearch() } },
      edit: withTrain({ mlflow: { experiment: 'x' }, budget: { costPerHour: 10, perRun: 20 } }),
    },
    act: searchedThere,
  },
};

/** A backend that has searched already when it is asked for the first time. */
function ownSearch(): SweepBackend {
  const [startedAt, endedAt] = [START.toISOString(), new Date(START.getTime() + 60_000).toISOString()];
  const trial = { name: 's_0', params: { epochs: 1 }, state: 'succeeded' as const, metric: 1, metrics: { top1: 1 }, startedAt, endedAt };
  return {
    submit: async () => ({ jobId: 's', adopted: false }),
    get: async () => ({ state: 'succeeded', reason: null, trials: [trial] }),
    cancel: async () => undefined,
  };
}

async function searchedThere({ startSweep, ended }: TrainingHost): Promise<Partial<Record<Orchestration, string>>> {
  const runId = await startSweep();
  await ended(runId);
  return { sweep: runId, 'await-job': waiterOf(runId) };
}

/** Goes one way with one version; the commands of each orchestration that the scenario is about. */
export async function commandsIn(name: string, version: string): Promise<Map<string, readonly Action[]>> {
  const scenario = SCENARIOS[name];
  if (!scenario) throw new Error(`there is no scenario "${name}"`);
  const { options } = scenario;
  const world = await createTrainingWorld(typeof options === 'function' ? options() : options);
  const opened = await openTrainingHost(world, { version });
  try {
    const ids = await scenario.act(opened, world);
    return new Map(Object.entries(ids).map(([orchestration, id]) => [orchestration, opened.host.commands(id)]));
  } finally {
    await opened.host.stop();
    await world.store.close();
  }
}
