// Named ways through the stories, for recording what each orchestration asks for on them. Every branch that a running instance
// can be in the middle of should be on one of them.
import type { Profile } from '../../local/host/durable/engine.ts';
import type { Action } from '../../local/host/durable/actions.ts';
import { type Pipeline, Schedule } from '../../shared/contracts/pipeline.ts';
import { collectorId } from '../../shared/decisions/dataset-keys.ts';
import { handOverName } from '../../shared/decisions/hand-over.ts';
import { createStoryWorld, LOCK_KEY, openStoryHost, type StoryHost, type StoryWorld, type WorldOptions } from './story-host.ts';

interface Scenario {
  options?: WorldOptions;
  /** Drops the files; the last one's story is what counts. */
  act: (opened: StoryHost, world: StoryWorld) => Promise<string>;
  /** Whose commands are recorded. */
  of: readonly string[];
}

const A = 'bronze/ble-location/a.csv';
const B = 'bronze/ble-location/b.csv';
const tell = async ({ tell: run }: StoryHost): Promise<string> => (await run(A, 'rows of a')).instanceId;
const tellTwo = async (opened: StoryHost): Promise<string> => {
  await tell(opened);
  return (await opened.tell(B, 'rows of b')).instanceId;
};

const cancelling = (story: 'promote', afterMs: number) => async (opened: StoryHost, world: StoryWorld) => {
  const { instanceId } = await opened.drop(A, 'rows of a');
  await opened.host.advance(afterMs);
  await opened.host.raise((await world.runsOf(story))[0]?.runId ?? '', 'cancel', { by: 'ada', reason: 'no' });
  await opened.host.finished(instanceId ?? '');
  return instanceId ?? '';
};

const completing = (complete: string, more: Partial<Pipeline> = {}): WorldOptions => ({
  edit: (spec) => void Object.assign(spec, { complete, ...more }),
});
/** Drops files of the folder one after the other and follows the last one to its end. */
const dropping =
  (...names: string[]) =>
  async ({ drop, host }: StoryHost): Promise<string> => {
    let last = '';
    for (const name of names) {
      last = (await drop(`bronze/ble-location/${name}`, `rows of ${name}`)).instanceId ?? '';
      await host.settle();
    }
    await host.finished(last);
    return last;
  };
function twoSources(spec: Pipeline): void {
  const [source] = spec.sources;
  spec.sources = [source!, { ...source!, name: 'cells', path: 'bronze/cells/' }];
}
/** Somebody else commits, and its story is told. */
async function commit({ drop, host }: StoryHost, root: string, version: number): Promise<string> {
  const { instanceId } = await drop(`${root}_delta_log/${String(version).padStart(20, '0')}.json`, '{}');
  await host.finished(instanceId ?? '');
  return instanceId ?? '';
}
const committing =
  (layer: 'silver' | 'gold') =>
  async (opened: StoryHost, world: StoryWorld): Promise<string> => {
    await tell(opened);
    const { version } = world.engine.foreignGold(world.version, 'rows of somebody else');
    return commit(opened, `${layer}/ble-location/${world.version.spec.tables[layer].name}/`, version);
  };

const ASKS = { kind: 'http', subject: 'ble-location', data: { extract: 'ingest' } } as const;
const bringing = (seconds: number): WorldOptions => ({
  dataPipelines: { ingest: { seconds } },
  edit: (spec) => void (spec.schedule = Schedule.parse({ extract: { pipeline: 'ingest', deadline: '10m' } })),
});
async function bringIn({ signal, host }: StoryHost): Promise<string> {
  const { instanceId } = await signal(ASKS);
  await host.finished(instanceId ?? '');
  return instanceId ?? '';
}

/** A dataset that an engine outside refines; its run commits when it ends. */
const handOver = { aboveBytes: 0, to: 'data-factory', by: 'refine-large', deadline: '2h' } as const;
function handingOver(seconds: number): Scenario {
  let told: StoryWorld | null = null;
  const work = ({ appId }: Readonly<Record<string, string>>) => told?.desk.commit(appId ?? '');
  return {
    options: { policy: { handOver }, dataPipelines: { 'refine-large': { seconds, work } } },
    act: async (opened, world) => {
      told = world;
      return tell(opened);
    },
    of: ['refine', 'await-extraction'],
  };
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'first file': { act: tell, of: ['land', 'refine', 'promote'] },
  'second file': { act: tellTwo, of: ['land', 'refine', 'promote'] },
  'handed over': handingOver(600),
  'handed over and late': handingOver(100_000),
  'same content': { act: async (opened) => (await tell(opened), tell(opened)), of: ['land'] },
  'same gold': { act: async (opened) => (await tell(opened), (await opened.tell(B, 'rows of a')).instanceId), of: ['refine'] },
  'file gone': {
    act: async ({ drop, host }, world) => {
      const { instanceId } = await drop(A, 'rows');
      world.lake.remove('data', A);
      await host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['land'],
  },
  'bad rows': {
    options: {
      around: async (call, act) =>
        call.name === 'refine-dataset' ? { ok: false, rejection: { code: 'bad-rows', message: 'line 2' } } : act(),
    },
    act: tell,
    of: ['land', 'refine'],
  },
  'dataset of two': { options: completing('files 2'), act: dropping('a.csv', 'b.csv'), of: ['land', 'refine'] },
  'dataset that waits': { options: completing('files 3'), act: dropping('a.csv', 'b.csv'), of: ['land'] },
  'quiet dataset': { options: completing('quiet 30s'), act: dropping('a.csv'), of: ['land', 'collect'] },
  'dataset that was closed by another': {
    options: completing('quiet 30s'),
    act: async (opened) => {
      const { instanceId } = await opened.drop(A, 'rows of a');
      await opened.host.settle();
      const ask = { close: { number: 1, ifCount: null, at: '2026-01-01T00:00:05.000Z' } };
      await opened.host.signal('window', 'ble-location.readings', 'close', ask);
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['land', 'collect'],
  },
  'file too late': {
    options: completing('quiet 30s', { lateness: { allowed: '1h', then: 'patch' } }),
    act: async (opened, world) => {
      await tell(opened);
      const eTag = world.lake.put('data', B, 'rows of b');
      const { instanceId } = await opened.announceFile(B, eTag, 9, { time: '2026-01-01T00:00:01.000Z' });
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['land'],
  },
  'manifest of the dataset': {
    options: completing('manifest m.json'),
    act: async (opened) => {
      await dropping('a.csv')(opened);
      const { instanceId } = await opened.drop('bronze/ble-location/m.json', 'a.csv');
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['land'],
  },
  'one source of two': { options: { edit: (spec) => void twoSources(spec) }, act: dropping('a.csv'), of: ['land'] },
  'both sources of two': {
    options: { edit: (spec) => void twoSources(spec) },
    act: async (opened) => {
      await dropping('a.csv')(opened);
      const { instanceId } = await opened.drop('bronze/cells/c.csv', 'rows of c');
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['land', 'refine'],
  },
  'breaker is open': {
    options: { edit: (spec) => void (spec.limits = { datasetsPerHour: 1, trainingsPerDay: 9 }) },
    act: tellTwo,
    of: ['land', 'refine'],
  },
  'no training is left': {
    options: { edit: (spec) => void (spec.limits = { datasetsPerHour: 9, trainingsPerDay: 1 }) },
    act: tellTwo,
    of: ['refine'],
  },
  'manifest of the premises': {
    options: { edit: (spec) => void (spec.data = 'on-premises') },
    act: async (opened) => {
      const files = [{ uri: 's3://plant/a', bytes: 1, sha256: 'a'.repeat(64) }];
      return (await opened.tell(A, JSON.stringify({ dataset: 'd', files }))).instanceId;
    },
    of: ['land', 'refine'],
  },
  'foreign commit in silver': { act: committing('silver'), of: ['adopt', 'refine'] },
  'foreign commit on gold': { act: committing('gold'), of: ['adopt'] },
  'foreign commit in a source': {
    options: {
      edit: (spec) => void (spec.sources = [{ ...spec.sources[0]!, path: 'shared/facts/', format: 'delta' }]),
    },
    act: async (opened) => commit(opened, 'shared/facts/', 1),
    of: ['adopt'],
  },
  'signal on unchanged gold': {
    act: async (opened) => {
      await tell(opened);
      const { instanceId } = await opened.signal({ kind: 'schedule', subject: 'ble-location' });
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['retrain'],
  },
  'signal that trains again': {
    options: { edit: (spec) => void (spec.schedule = { zone: 'UTC', unchanged: 'train' }) },
    act: async (opened) => {
      await tell(opened);
      const { instanceId } = await opened.signal({ kind: 'schedule', subject: 'ble-location' });
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['retrain'],
  },
  'signal before there is gold': {
    act: async (opened) => {
      const { instanceId } = await opened.signal({ kind: 'schedule', subject: 'ble-location' });
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['retrain'],
  },
  'data is brought in': {
    options: bringing(40),
    act: bringIn,
    of: ['extract', 'await-extraction'],
  },
  'data is not brought in by the deadline': {
    options: bringing(100_000),
    act: bringIn,
    of: ['extract', 'await-extraction'],
  },
  'data pipeline is cancelled': {
    options: bringing(100_000),
    act: async (opened) => {
      const { instanceId } = await opened.signal(ASKS);
      await opened.host.advance(60_000);
      await opened.host.raise(instanceId ?? '', 'cancel', { by: 'ada', reason: 'no' });
      await opened.host.finished(instanceId ?? '');
      return instanceId ?? '';
    },
    of: ['extract'],
  },
  'archive differs': { options: { upload: () => ({ sha256: 'e'.repeat(64), bytes: 1 }) }, act: tell, of: ['promote'] },
  'endpoint does not arrive': { options: { serving: { unhealthy: () => 'no answer to /ping' } }, act: tell, of: ['promote'] },
  'answers differ': {
    options: { serving: { predict: (_request, rows) => rows.map(() => ({ label: '?', probability: null })) } },
    act: tell,
    of: ['promote'],
  },
  'deployment is cancelled': { options: { serving: { changeSeconds: 300 } }, act: cancelling('promote', 120_000), of: ['promote'] },
  'endpoint is locked for a while': {
    act: async (opened, world) => {
      const now = new Date(world.now());
      const until = new Date(now.getTime() + 60_000).toISOString();
      await opened.host.signal('endpoint-lock', LOCK_KEY, 'acquire', { owner: 'other', now: now.toISOString(), until });
      return tell(opened);
    },
    of: ['promote'],
  },
};

/** Goes one way with one version; the commands of each orchestration that the scenario is about. */
export async function commandsIn(name: string, version: string, profile: Profile = 'bundle'): Promise<Map<string, readonly Action[]>> {
  const scenario = SCENARIOS[name];
  if (!scenario) throw new Error(`there is no scenario "${name}"`);
  const world = await createStoryWorld(scenario.options);
  const opened = await openStoryHost(world, { version, profile });
  try {
    const firstId = await scenario.act(opened, world);
    const newest = async (story: 'refine' | 'promote') => (await world.runsOf(story)).at(-1)?.runId ?? '';
    const collect = collectorId('ble-location', 'ble-location.readings.1');
    const refine = await newest('refine');
    const waiting = scenario.of.includes('extract') ? `${firstId}-wait` : handOverName(refine);
    const told = { land: firstId, adopt: firstId, retrain: firstId, extract: firstId, 'await-extraction': waiting };
    const ids = { ...told, collect, refine, promote: await newest('promote') };
    return new Map(scenario.of.map((orchestration) => [orchestration, opened.host.commands(ids[orchestration as keyof typeof ids])]));
  } finally {
    await opened.host.stop();
    await world.store.close();
  }
}
