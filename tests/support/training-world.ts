// Trainings and searches by themselves: the shipped stories on the local engine in virtual time, without the landing of files before them.
// Stores, backends and platform are in memory; the world outlives the host.
import { InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { afterEach } from 'vitest';
import type { Profile } from '../../local/host/durable/engine.ts';
import { createMemoryStore as createEngineStore, type Store as EngineStore } from '../../local/host/durable/store.ts';
import { createTestHost, type TestHost } from '../../local/host/testing/test-host.ts';
import { dataActivities } from '../../functions/activities/data.ts';
import type { Activity } from '../../functions/activities/kit.ts';
import { runActivities } from '../../functions/activities/runs.ts';
import { servingActivities } from '../../functions/activities/serving.ts';
import { trainingActivities, type TrainingPorts } from '../../functions/activities/training.ts';
import { hinting } from '../../functions/hints.ts';
import { registerStories } from '../../orchestrations/register.ts';
import { createMemoryServing } from '../../shared/adapters/memory/serving-platform.ts';
import { createMemoryStore } from '../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../shared/adapters/memory/stores.ts';
import type { BackendName } from '../../shared/contracts/pipeline/train.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import type { ParamOverrides, Policy, SweepInput, TrainInput } from '../../shared/contracts/stories.ts';
import { digestOf, sha256Hex } from '../../shared/decisions/digest.ts';
import { instanceId, sweepKey, trainKey } from '../../shared/decisions/identity.ts';
import { overridden, specDigestOf } from '../../shared/decisions/train-spec.ts';
import type { RefineEngine } from '../../shared/ports/lake.ts';
import type { Announcer } from '../../shared/ports/platform.ts';
import { exampleVersion } from './example-pipeline.ts';
import { answerTo, createTrainingSide, type TrainingSide, type TrainingSideOptions } from './training-side.ts';

export const PIPELINE = 'ble-location';
export const START = new Date('2026-01-01T00:00:00Z');

/** One call of an activity, as the engine made it. */
export interface ActivityCall {
  name: string;
  input: Record<string, unknown>;
}

export interface TrainingWorldOptions {
  policy?: Partial<Policy>;
  /** Changes the example pipeline before it is registered. Its environments start by hand. */
  edit?: (spec: PipelineVersion['spec']) => void;
  /** Backends of the deployment with what their jobs do. Default: one Kubeflow. */
  backends?: Partial<Record<BackendName, Partial<TrainingSideOptions>>>;
  /** Submissions say that an event will tell of the job's end; a test raises it, or does not. */
  hinted?: boolean;
  ports?: Pick<TrainingPorts, 'residency' | 'runLogger' | 'assets' | 'sweeps' | 'jobMetrics'>;
  /** Stands around every activity: may fail before it, after it, or do something beside it. */
  around?: (call: ActivityCall, act: () => Promise<unknown>) => Promise<unknown>;
}

const hintingAll = (backends: Record<string, TrainingSide>): Record<string, TrainingSide> =>
  Object.fromEntries(Object.entries(backends).map(([name, side]) => [name, hinting(side, () => true)]));

export type TrainingWorld = Awaited<ReturnType<typeof createTrainingWorld>>;

export async function createTrainingWorld(options: TrainingWorldOptions = {}) {
  let time = (): number => START.getTime();
  const now = (): number => time();
  const stores = createMemoryStores();
  const store = createMemoryStore(now);
  const serving = createMemoryServing({ predict: (_request, rows) => rows.map(answerTo), now });
  const sides = Object.entries(options.backends ?? { kubeflow: {} }).map(
    ([name, more]) => [name, createTrainingSide({ ...more, name: name as BackendName, now, store, bucket: serving })] as const,
  );
  const backends = Object.fromEntries(sides) as Record<string, TrainingSide>;
  const announced: Parameters<Announcer['publish']>[0][] = [];
  const calls: ActivityCall[] = [];
  const policy: Policy = { pollFirstSeconds: 5, pollMaxSeconds: 60, signedUrlSeconds: 900, ...options.policy };

  const { version, bundle } = exampleVersion();
  for (const environment of Object.values(version.spec.environments)) environment.start = 'manual';
  options.edit?.(version.spec);
  version.digest = digestOf([bundle, version.spec]);
  await stores.pipelines.put(version, bundle, 'ada', START.toISOString());

  const engine = {
    stage: async ({ gold }: Parameters<RefineEngine['stage']>[0]) => {
      const csv = Buffer.from(`gold,${gold.digest}\n`);
      const path = `staged/${gold.digest}/part-0.csv`;
      await store.create(path, csv, 'text/csv');
      return [{ path, sha256: sha256Hex(csv.toString('utf8')), bytes: csv.byteLength }];
    },
  } as unknown as RefineEngine;
  const announcer: Announcer = { publish: async (event) => void announced.push(event) };
  const ports = {
    ...stores,
    store,
    engine,
    announcer,
    artifacts: serving.artifacts,
    platform: serving.platform,
    backends: options.hinted ? hintingAll(backends) : backends,
    ...options.ports,
  };
  const activities = [
    ...dataActivities({ ...ports, lake: undefined } as unknown as Parameters<typeof dataActivities>[0]),
    ...runActivities(ports),
    ...trainingActivities(ports),
    ...servingActivities(ports),
  ];
  const around = options.around ?? ((_call, act) => act());

  function register(): void {
    registerStories();
    for (const { name, handler } of activities) {
      const watched: Activity['handler'] = async (input, context) => {
        const call = { name, input: input as Record<string, unknown> };
        calls.push(call);
        return (await around(call, () => handler(input, context))) as Awaited<ReturnType<Activity['handler']>>;
      };
      df.app.activity(name, { handler: watched });
    }
  }

  return {
    ...ports,
    /** The only backend, or the first. */
    training: sides[0]?.[1] as TrainingSide,
    version,
    bundle,
    policy,
    announced,
    calls,
    now,
    register,
    /** One activity by hand, without an engine. */
    act: async (name: string, input: unknown): Promise<unknown> => {
      const found = activities.find((one) => one.name === name);
      if (!found) throw new Error(`there is no activity ${name}`);
      return found.handler(input, new InvocationContext({ logHandler: () => undefined }));
    },
    follow: (clock: { nowMs(): number }) => void (time = () => clock.nowMs()),
    callsOf: (name: string) => calls.filter((call) => call.name === name).map(({ input }) => input),
    phasesOf: (runId: string): string[] =>
      calls.flatMap(({ name, input }) => {
        const { phase } = name === 'record-run' && input['runId'] === runId ? (input['patch'] as { phase?: string }) : {};
        return phase === undefined ? [] : [phase];
      }),
    runsOf: async (story: Run['story']): Promise<Run[]> =>
      (await stores.runs.list({}, 1000)).items.filter((run) => run.story === story).reverse(),
  };
}

export interface TrainingHostOptions {
  profile?: Profile;
  seed?: number;
  store?: EngineStore;
  version?: string;
}

/** Which training is asked for. */
export interface Asked {
  /** Version and content of gold; default 1. */
  gold?: number;
  overrides?: ParamOverrides;
  attempt?: number;
  /** Default: the world's version. */
  version?: PipelineVersion;
}

/** The input of a training story, as whoever opens the run makes it. */
export function trainInput(
  world: Pick<TrainingWorld, 'version' | 'policy'>,
  { gold = 1, overrides, attempt = 1, version = world.version }: Asked,
) {
  const digest = sha256Hex(`gold ${gold}`);
  const specDigest = specDigestOf(overridden(version.spec.train, overrides), version.images);
  const key = trainKey({ pipeline: PIPELINE, goldDigest: digest, specDigest });
  const input: TrainInput = {
    pipeline: PIPELINE,
    contractDigest: version.digest,
    policy: world.policy,
    runId: instanceId('train', PIPELINE, key, attempt),
    key,
    gold: { table: 'training', path: `gold/${PIPELINE}/training/`, version: gold, digest },
    specDigest,
    ...(overrides === undefined ? {} : { overrides }),
  };
  return input;
}

/** The record of a run that nobody has told yet. */
export function openedRun(
  story: Run['story'],
  input: { runId: string; key: string; pipeline: string; contractDigest: string },
  at: number,
): Run {
  const { runId, key, pipeline, contractDigest } = input;
  const startedAt = new Date(at).toISOString();
  const nothing = { failure: null, jobs: [], refined: null, trained: null, promoted: null, next: [], seconds: {}, finishedAt: null };
  const attempt = Number(/-a(\d+)$/.exec(runId)?.[1]);
  const identity = { runId, story, pipeline, contractDigest, key, attempt, instanceId: runId, owner: runId };
  return {
    ...identity,
    ...nothing,
    cause: { kind: 'person', ref: 'ada' },
    status: 'running',
    phase: 'opened',
    startedAt,
    input: { ...input },
  };
}

/** The input of a search, as whoever opens the run makes it. */
export function sweepInput(world: Pick<TrainingWorld, 'version' | 'policy'>, more: Partial<SweepInput> = {}): SweepInput {
  const { pipeline, contractDigest, policy, gold, specDigest } = trainInput(world, {});
  const search = {
    space: more.space ?? { epochs: { choice: [10, 20, 30, 40] } },
    metric: 'top1',
    direction: 'higher-is-better' as const,
    trials: 4,
    seed: 1,
  };
  const key = sweepKey({ pipeline, goldDigest: gold.digest, specDigest, search: { ...search, ...more } });
  const runId = instanceId('sweep', PIPELINE, key, 1);
  return { pipeline, contractDigest, policy, runId, key, gold, specDigest, ...search, parallel: 2, train: false, ...more };
}

export type TrainingHost = Awaited<ReturnType<typeof openTrainingHost>>;

/** An engine over a world, with every orchestration replayed after every step. */
export async function openTrainingHost(
  world: TrainingWorld,
  { profile = 'bundle', seed = 1, store = createEngineStore(), version = '1.0' }: TrainingHostOptions = {},
) {
  const host: TestHost = await createTestHost({
    app: world.register,
    start: new Date(world.now()),
    seed,
    profile,
    settings: { defaultVersion: version },
    store,
  });
  world.follow(host.clock);

  /** Opens the run and starts its story. */
  async function start(asked: Asked = {}): Promise<string> {
    const input = trainInput(world, asked);
    await world.runs.open(openedRun('train', input, world.now()));
    await host.start('train', input, { instanceId: input.runId });
    return input.runId;
  }

  /** Opens the run of a search and starts its story. */
  async function startSweep(more: Partial<SweepInput> = {}): Promise<string> {
    const input = sweepInput(world, more);
    await world.runs.open(openedRun('sweep', input, world.now()));
    await host.start('sweep', input, { instanceId: input.runId });
    return input.runId;
  }

  return {
    host,
    start,
    startSweep,
    historyLength: async (id: string) => (await store.history(id)).length,
    /** Lets time run until the training's story has ended; gives its record. */
    ended: async (runId: string): Promise<Run> => {
      const { status, output } = await host.finished(runId);
      const run = await world.runs.get(PIPELINE, runId);
      if (!run) throw new Error(`no run ${runId}: the story is ${status} with ${JSON.stringify(output)}`);
      return run;
    },
  };
}

export interface TrainingBench extends TrainingHost {
  world: TrainingWorld;
  /** Starts a training and lets time run until it has ended. */
  train: (asked?: Asked) => Promise<Run>;
}

/** To be called once per file; the answer opens a fresh world with a host, and both are stopped after the test. */
export function trainingBench() {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  return async (options: TrainingWorldOptions & TrainingHostOptions = {}): Promise<TrainingBench> => {
    const world = await createTrainingWorld(options);
    cleanUps.push(() => world.store.close());
    const opened = await openTrainingHost(world, options);
    cleanUps.push(() => opened.host.stop());
    return { ...opened, world, train: async (asked) => opened.ended(await opened.start(asked)) };
  };
}
