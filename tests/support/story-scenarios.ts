// Named ways through the stories, for recording what each orchestration asks for on them. Every branch that a running instance
// can be in the middle of should be on one of them.
import type { Profile } from '../../local/host/durable/engine.ts';
import type { Action } from '../../local/host/durable/actions.ts';
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

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'first file': { act: tell, of: ['land', 'refine', 'promote'] },
  'second file': { act: tellTwo, of: ['land', 'refine', 'promote'] },
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
    const landId = await scenario.act(opened, world);
    const newest = async (story: 'refine' | 'promote') => (await world.runsOf(story)).at(-1)?.runId ?? '';
    const ids = { land: landId, refine: await newest('refine'), promote: await newest('promote') };
    return new Map(scenario.of.map((orchestration) => [orchestration, opened.host.commands(ids[orchestration as keyof typeof ids])]));
  } finally {
    await opened.host.stop();
    await world.store.close();
  }
}
