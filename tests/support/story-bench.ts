// Opens story worlds and hosts for the tests of one file, and stops them after each test.
import { afterEach } from 'vitest';
import { createStoryWorld, type HostOptions, openStoryHost, type StoryHost, type StoryWorld, type WorldOptions } from './story-host.ts';

export interface Bench extends StoryHost {
  world: StoryWorld;
  /** Drops a file and gives the runs that came of it. */
  story: (path?: string, content?: string) => Promise<Told>;
}

export type Told = Awaited<ReturnType<StoryHost['tell']>> & Awaited<ReturnType<typeof runsIn>>;

async function runsIn(world: StoryWorld) {
  const [refines, trains, promotes] = await Promise.all([world.runsOf('refine'), world.runsOf('train'), world.runsOf('promote')]);
  return { refine: refines.at(-1), train: trains.at(-1), promote: promotes.at(-1) };
}

/** To be called once per file; the answer opens a fresh world with a host, or another host over a world. */
export function storyBench() {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  return async (options: WorldOptions & HostOptions = {}, existing?: StoryWorld): Promise<Bench> => {
    const world = existing ?? (await createStoryWorld(options));
    if (!existing) cleanUps.push(() => world.store.close());
    const opened = await openStoryHost(world, options);
    cleanUps.push(() => opened.host.stop());
    return {
      ...opened,
      world,
      story: async (path, content) => {
        const told = await opened.tell(path, content);
        return { ...told, ...(await runsIn(world)) };
      },
    };
  };
}
