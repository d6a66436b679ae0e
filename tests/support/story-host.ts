// The shipped stories on the real SDKs and the local engine in virtual time: the real activities over stores, backend and
// platform in memory. The world (what is stored, what runs elsewhere) outlives the host, so that a test can crash the host.
import { readFileSync } from 'node:fs';
import * as df from 'durable-functions';
import { createMemoryStore as createEngineStore, type Store as EngineStore } from '../../local/host/durable/store.ts';
import type { Profile } from '../../local/host/durable/engine.ts';
import { createTestHost, type TestHost } from '../../local/host/testing/test-host.ts';
import { dataActivities } from '../../functions/activities/data.ts';
import { extractionActivities } from '../../functions/activities/extraction.ts';
import { handOverActivities } from '../../functions/activities/hand-over.ts';
import type { Activity } from '../../functions/activities/kit.ts';
import { runActivities } from '../../functions/activities/runs.ts';
import { servingActivities } from '../../functions/activities/serving.ts';
import { trainingActivities } from '../../functions/activities/training.ts';
import { windowActivities } from '../../functions/activities/windows.ts';
import { dataLanded } from '../../functions/triggers/data-landed.ts';
import { createIntake, type IntakeDeps } from '../../functions/triggers/intake.ts';
import { registerStories } from '../../orchestrations/register.ts';
import { createMemoryDataPipelines, type MemoryPipeline } from '../../shared/adapters/memory/data-pipelines.ts';
import { createMemoryServing, type MemoryServingOptions } from '../../shared/adapters/memory/serving-platform.ts';
import { createMemoryStore } from '../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../shared/adapters/memory/stores.ts';
import { createMemoryTrainingBackend, type MemoryTrainingOptions } from '../../shared/adapters/memory/training-backend.ts';
import type { SignalEvent, StorageEvent } from '../../shared/contracts/events.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import type { Policy } from '../../shared/contracts/stories.ts';
import { digestOf } from '../../shared/decisions/digest.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import type { Announcer } from '../../shared/ports/platform.ts';
import type { ServingPlatform } from '../../shared/ports/serving-platform.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { exampleVersion } from './example-pipeline.ts';
import { createScriptedDesk } from './scripted-desk.ts';
import { createScriptedEngine, createScriptedLake } from './scripted-lake.ts';
import { answerTo, createTrainingSide, type TrainingSideOptions } from './training-side.ts';

export const LAKE = { account: 'lake', container: 'data' };
export const PIPELINE = 'ble-location';
export const ENDPOINT = { region: 'eu-central-1', endpoint: 'ble-location-dev' };
/** Key of the lock entity of the example's endpoint. */
export const LOCK_KEY = `sagemaker.${ENDPOINT.region}.${ENDPOINT.endpoint}`;
/** `defaultVersion` of host.json: what instances that start now are told by. */
export const SHIPPED_VERSION = (
  JSON.parse(readFileSync('host.json', 'utf8')) as { extensions: { durableTask: { defaultVersion: string } } }
).extensions.durableTask.defaultVersion;
export const START = new Date('2026-01-01T00:00:00Z');

/** One call of an activity, as the engine made it. */
export interface ActivityCall {
  name: string;
  input: Record<string, unknown>;
}

export type Announcement = Parameters<Announcer['publish']>[0];

export interface WorldOptions {
  policy?: Partial<Policy>;
  /** Changes the example pipeline before it is registered. */
  edit?: (spec: PipelineVersion['spec']) => void;
  training?: Omit<MemoryTrainingOptions, 'now'>;
  report?: TrainingSideOptions['report'];
  archive?: TrainingSideOptions['archive'];
  upload?: TrainingSideOptions['upload'];
  serving?: Omit<MemoryServingOptions, 'now'>;
  /** Pipelines of the Data Factory; without them none is connected. */
  dataPipelines?: Readonly<Record<string, MemoryPipeline>>;
  /** A Databricks workspace beside the backend that trains; without it none is connected. */
  databricks?: Omit<MemoryTrainingOptions, 'now'>;
  /** Wraps the platform, for behaviour that the memory one does not have. */
  platform?: (platform: ServingPlatform) => ServingPlatform;
  /** Stands around every activity: may fail before it, after it, or do something beside it. */
  around?: (call: ActivityCall, act: () => Promise<unknown>) => Promise<unknown>;
}

export type StoryWorld = Awaited<ReturnType<typeof createStoryWorld>>;

/** Everything outside the engine, with the example pipeline registered. */
export async function createStoryWorld(options: WorldOptions = {}) {
  let time = (): number => START.getTime();
  const now = (): number => time();
  const stores = createMemoryStores();
  const store = createMemoryStore(now);
  const serving = createMemoryServing({ predict: (_request, rows) => rows.map(answerTo), ...options.serving, now });
  const { report, archive, upload } = options;
  const training = createTrainingSide({ ...options.training, now, store, bucket: serving, report, archive, upload });
  const dataPipelines = options.dataPipelines ? createMemoryDataPipelines(options.dataPipelines, now) : null;
  const lake = createScriptedLake();
  const engine = createScriptedEngine(store);
  const announced: Announcement[] = [];
  const calls: ActivityCall[] = [];
  const policy: Policy = { pollFirstSeconds: 5, pollMaxSeconds: 60, signedUrlSeconds: 900, ...options.policy };

  const { version, bundle } = exampleVersion();
  options.edit?.(version.spec);
  version.digest = digestOf([bundle, version.spec]);
  await stores.pipelines.put(version, bundle, 'ada', START.toISOString());

  const platform = options.platform?.(serving.platform) ?? serving.platform;
  const announcer: Announcer = { publish: async (event) => void announced.push(event) };
  const desk = createScriptedDesk(version);
  const databricks = options.databricks
    ? { databricks: createMemoryTrainingBackend({ name: 'databricks', ...options.databricks, now }) }
    : {};
  const backends: Record<string, TrainingBackend> & { kubeflow: typeof training } = { kubeflow: training, ...databricks };
  const ports = { ...stores, store, lake, engine, desk, platform, announcer, artifacts: serving.artifacts, backends };
  const around = options.around ?? ((_call, act) => act());
  const activities = [
    ...dataActivities(ports),
    ...windowActivities(ports),
    ...extractionActivities({ dataPipelines }),
    ...handOverActivities({ ...ports, dataPipelines }),
    ...runActivities(ports),
    ...trainingActivities(ports),
    ...servingActivities(ports),
  ];

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
    serving: stores.serving,
    bucket: serving,
    dataPipelines,
    training,
    version,
    policy,
    announced,
    calls,
    now,
    register,
    follow: (clock: { nowMs(): number }) => void (time = () => clock.nowMs()),
    /** The inputs of all calls of one activity, in order. */
    callsOf: (name: string) => calls.filter((call) => call.name === name).map(({ input }) => input),
    /** The phases that a run went through, in order. */
    phasesOf: (runId: string): string[] =>
      calls.flatMap(({ name, input }) => {
        const { phase } = name === 'record-run' && input['runId'] === runId ? (input['patch'] as { phase?: string }) : {};
        return phase === undefined ? [] : [phase];
      }),
    /** The runs of a story, oldest first. */
    runsOf: async (story: Run['story']): Promise<Run[]> =>
      (await stores.runs.list({}, 1000)).items.filter((run) => run.story === story).reverse(),
  };
}

export interface HostOptions {
  profile?: Profile;
  seed?: number;
  store?: EngineStore;
  /** Version of everything that is started. Default: host.json's. */
  version?: string;
  /** False for stories of thousands of instances, whose parts other tests replay. */
  checkDeterminism?: boolean;
}

export type StoryHost = Awaited<ReturnType<typeof openStoryHost>>;

/** An engine over a world, with every orchestration replayed after every step. */
export async function openStoryHost(
  world: StoryWorld,
  { profile = 'bundle', seed = 1, store = createEngineStore(), version = SHIPPED_VERSION, checkDeterminism = true }: HostOptions = {},
) {
  const host: TestHost = await createTestHost({
    app: world.register,
    start: new Date(world.now()),
    seed,
    profile,
    settings: { defaultVersion: version },
    store,
    checkDeterminism,
  });
  world.follow(host.clock);
  const exists = (id: string): Promise<boolean> =>
    host.status(id).then(
      () => true,
      () => false,
    );
  const intakeDeps: IntakeDeps = {
    ...world,
    lake: LAKE,
    readCommit: (container, path, eTag) => world.lake.readCommit(container, path, eTag),
    now: () => new Date(world.now()),
  };
  const intake = createIntake(intakeDeps);
  const take = dataLanded({
    ...intakeDeps,
    intake,
    store: world.store,
    deserialize: async (body) => ({ events: [body as StorageEvent | SignalEvent], problems: [] }),
  });
  const starter = {
    start: async (story: string, instanceId: string, input: Record<string, unknown>) => {
      if (await exists(instanceId)) return 'exists' as const;
      try {
        await host.start(story, input, { instanceId });
        return 'started' as const;
      } catch (error) {
        // Somebody else was a moment faster.
        if (await exists(instanceId)) return 'exists' as const;
        throw error;
      }
    },
    raise: async (id: string, name: string, data: Record<string, unknown>) => {
      const state = await host.status(id).then(
        ({ status }) => status,
        () => null,
      );
      if (state === null || ['Completed', 'Failed', 'Terminated', 'Canceled'].includes(state)) return 'nobody' as const;
      await host.raise(id, name, data);
      return 'sent' as const;
    },
  };
  const quiet = { info: () => undefined, warn: () => undefined };
  const known = async (id: string) => ({ entryId: id, instanceId: (await world.ledger.find(id))?.instanceId ?? null });

  /** Sends a storage event through the queue trigger's own code; gives the ledger's entry. */
  async function announceFile(path: string, eTag: string, sequencer: number, more: Partial<StorageEvent> = {}) {
    const event: StorageEvent = {
      source: '/lake',
      id: `event-${eTag}`,
      kind: 'created',
      api: 'PutBlob',
      ...LAKE,
      path,
      eTag,
      sequencer: String(sequencer).padStart(16, '0'),
      bytes: 10,
      time: new Date(world.now()).toISOString(),
      ...more,
    };
    await take(event, starter, quiet);
    return known(entryId(event.source, event.id));
  }

  /** Sends an event without a file the same way. */
  async function signal(more: Pick<SignalEvent, 'kind' | 'subject'> & Partial<SignalEvent>) {
    const event: SignalEvent = { source: '/test', id: `${more.kind}-1`, time: new Date(world.now()).toISOString(), data: {}, ...more };
    await take(event, starter, quiet);
    return known(entryId(event.source, event.id));
  }

  let sequencer = 0;
  /** Writes a file and announces it. */
  const drop = (path: string, content: string) => announceFile(path, world.lake.put(LAKE.container, path, content), (sequencer += 1));

  return {
    host,
    /** What the timers are given. */
    intake,
    starter,
    announceFile,
    drop,
    signal,
    /** Judges a held event once more. */
    replay: (id: string) => intake.replay(id, starter, quiet),
    /** How many events a replay of the instance goes through. */
    historyLength: async (instanceId: string) => (await store.history(instanceId)).length,
    /** Drops a file and lets time run until its story has ended. */
    tell: async (path = 'bronze/ble-location/a.csv', content = 'rows of a') => {
      const { entryId: id, instanceId } = await drop(path, content);
      if (!instanceId) throw new Error(`${path} started nothing: ${JSON.stringify((await world.ledger.find(id))?.verdict)}`);
      return { entryId: id, instanceId, status: await host.finished(instanceId) };
    },
  };
}
