// Patterns without a recording: delayed signals, events around continueAsNew, nesting, restarts of the host, purge and start races.
import { app, trigger } from '@azure/functions';
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openJournalStore } from '../../../../local/host/durable/journal-store.ts';
import { createMemoryStore, type Store } from '../../../../local/host/durable/store.ts';
import { createTestHost, type TestHost, type TestHostOptions } from '../../../../local/host/testing/test-host.ts';
import { startFixture } from './engine-fixture.ts';

const hourMs = 3_600_000;

async function using(register: () => void, use: (host: TestHost) => Promise<void>, options: Partial<TestHostOptions> = {}): Promise<void> {
  const host = await createTestHost({ app: register, ...options });
  try {
    await use(host);
  } finally {
    await host.stop();
  }
}

function counter(): void {
  df.app.entity('counter', (context: EntityContext<number>) => {
    context.df.setState((context.df.getState(() => 0) ?? 0) + (context.df.getInput<number>() ?? 0));
  });
}

describe('a delayed signal', () => {
  function delayed(): void {
    counter();
    // The JavaScript SDK has no call for action 10; other languages of the same protocol do.
    app.generic('later', {
      trigger: trigger.generic({ type: 'orchestrationTrigger' }),
      handler: () => ({
        isDone: true,
        actions: [[{ actionType: 10, instanceId: '@counter@d', operation: 'add', input: 5, fireAt: '2026-01-01T02:00:00.000Z' }]],
        output: 'sent',
        schemaVersion: 2,
      }),
    });
  }

  test('arrives when its time has come', async () => {
    await using(delayed, async (host) => {
      expect((await host.run('later')).output).toBe('sent');
      await host.advance(hourMs);
      expect(await host.entity('counter', 'd')).toBeUndefined();

      await host.advance(hourMs);

      expect(await host.entity('counter', 'd')).toBe(5);
    });
  });

  test('survives a restart of the host', async () => {
    const store = createMemoryStore();
    await using(delayed, async (host) => void (await host.run('later')), { store });

    await using(
      delayed,
      async (host) => {
        await host.advance(3 * hourMs);
        expect(await host.entity('counter', 'd')).toBe(5);
      },
      { store },
    );
  });
});

describe('events around continueAsNew', () => {
  function collector(): void {
    df.app.activity('gate', { handler: () => undefined });
    df.app.orchestration('collect', function* (context: OrchestrationContext) {
      const got = context.df.getInput<unknown[]>();
      const next = (yield context.df.waitForExternalEvent('Item')) as unknown;
      if (next === 'stop') return got;
      context.df.continueAsNew([...got, next]);
      return undefined;
    });
  }

  test('that come together are all kept', async () => {
    await using(collector, async (host) => {
      const id = await host.start('collect', []);
      await host.settle();
      await Promise.all([1, 2, 3, 4].map((item) => host.raise(id, 'Item', item)));
      await host.raise(id, 'Item', 'stop');

      expect((await host.finished(id)).output).toEqual([1, 2, 3, 4]);
    });
  });

  test('that nobody waited for before it are lost, as on the real host', async () => {
    await using(
      () => {
        df.app.activity('gate', { handler: () => undefined });
        df.app.orchestration('forgets', function* (context: OrchestrationContext) {
          if (context.df.getInput<number>() === 0) {
            yield context.df.waitForExternalEvent('Next');
            context.df.continueAsNew(1);
            return undefined;
          }
          const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 60_000));
          const other = context.df.waitForExternalEvent('Other');
          const winner = (yield context.df.Task.any([timer, other])) as df.Task;
          return winner === other ? 'kept' : 'lost';
        });
      },
      async (host) => {
        const id = await host.start('forgets', 0);
        await host.settle();
        await host.raise(id, 'Other', 1);
        await host.settle();
        await host.raise(id, 'Next', 1);

        expect((await host.finished(id)).output).toBe('lost');
      },
    );
  });
});

describe('waiting', () => {
  test('nests: all of any, any of all', async () => {
    await using(
      () => {
        for (const name of ['a', 'b', 'c', 'd']) df.app.activity(name, { handler: () => name });
        df.app.orchestration('nest', function* (context: OrchestrationContext) {
          const call = (name: string): df.Task => context.df.callActivity(name, {});
          const never = context.df.waitForExternalEvent('Never');
          const pairs = (yield context.df.Task.all([
            context.df.Task.any([call('a'), never]),
            context.df.Task.all([call('b'), call('c')]),
          ])) as [df.Task, string[]];
          const last = (yield context.df.Task.any([
            context.df.Task.all([call('d'), never]),
            context.df.Task.all([call('a'), call('d')]),
          ])) as df.Task;
          return [pairs[0].result, pairs[1], last.result];
        });
      },
      async (host) => {
        for (const seed of [1, 2, 3, 4, 5]) expect((await host.run('nest', { seed })).output).toEqual(['a', ['b', 'c'], ['a', 'd']]);
      },
    );
  });

  test('keeps an instance running while an uncancelled timer is open', async () => {
    await using(
      () => {
        df.app.activity('quick', { handler: () => 1 });
        df.app.orchestration('dangling', function* (context: OrchestrationContext) {
          const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + hourMs));
          yield context.df.Task.any([context.df.callActivity('quick', {}), timer]);
          return 'early';
        });
      },
      async (host) => {
        const id = await host.start('dangling');
        await host.settle();
        expect((await host.status(id)).status).toBe('Running');

        await host.advance(hourMs);

        expect(await host.status(id)).toMatchObject({ status: 'Completed', output: 'early' });
      },
    );
  });
});

describe('an answer that makes no sense', () => {
  test.each([
    ['no list of actions', { isDone: false, schemaVersion: 2 }],
    ['an unknown action', { isDone: false, actions: [[{ actionType: 99 }]], schemaVersion: 2 }],
    ['a timer without a time', { isDone: false, actions: [[{ actionType: 5, fireAt: 'soon' }]], schemaVersion: 2 }],
    ['nothing', undefined],
  ])('fails the one instance: %s', async (_what, answer) => {
    await using(
      () => {
        app.generic('foreign', { trigger: trigger.generic({ type: 'orchestrationTrigger' }), handler: () => answer });
        df.app.orchestration('healthy', function* (context: OrchestrationContext) {
          yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 1000));
          return 'fine';
        });
      },
      async (host) => {
        const id = await host.start('foreign');
        await host.settle();
        expect(await host.status(id)).toMatchObject({
          status: 'Failed',
          output: expect.stringMatching(/^Orchestrator function 'foreign' failed: /) as string,
        });
        expect((await host.run('healthy')).output).toBe('fine');
      },
    );
  });

  test('an orchestrator that a new release no longer has fails with the names that it knows', async () => {
    const store = createMemoryStore();
    const old = await createTestHost({
      app: () => {
        df.app.activity('a', { handler: () => 1 });
        df.app.orchestration('gone', function* (context: OrchestrationContext) {
          yield context.df.callActivity('a', {});
          yield context.df.waitForExternalEvent('Go');
        });
      },
      store,
    });
    const id = await old.start('gone');
    await old.settle();
    await old.stop();

    await using(
      counter,
      async (host) => {
        await host.raise(id, 'Go', 1);
        expect((await host.finished(id)).output).toMatch(
          /^The function 'gone' doesn't exist.*No orchestrator functions are currently registered!$/,
        );
      },
      { store },
    );
  });
});

describe('a restart of the host', () => {
  const dirs: string[] = [];
  const journal = (): Store => {
    const dir = mkdtempSync(join(tmpdir(), 'restart-'));
    dirs.push(dir);
    return openJournalStore({ dir });
  };

  test('goes on with timers, events and children where they were', async () => {
    const runs: string[] = [];
    const register = (): void => {
      df.app.activity('step', { handler: (label: unknown) => void runs.push(String(label)) });
      df.app.orchestration('kid', function* (context: OrchestrationContext) {
        yield context.df.callActivity('step', 'kid');
        return (yield context.df.waitForExternalEvent('Kid')) as string;
      });
      df.app.orchestration('long', function* (context: OrchestrationContext) {
        yield context.df.callActivity('step', 'one');
        const kid = context.df.callSubOrchestrator('kid', {}, 'the-kid');
        yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 5));
        yield context.df.callActivity('step', 'two');
        return (yield kid) as string;
      });
    };
    const dir = mkdtempSync(join(tmpdir(), 'restart-'));
    const first = await startFixture(register, { store: openJournalStore({ dir }) });
    await first.start('long', 'l');
    await first.until('the-kid', ['Running'], 200).catch(() => undefined);
    await first.close();

    const second = await startFixture(register, { store: openJournalStore({ dir }) });
    await second.engine.idle();
    await second.until('l', ['Running']);
    // A sub-orchestration is created when it is yielded: it is there once the rest is done.
    while ((await second.call('GET', 'instances/the-kid')).status === 404) await new Promise((resolve) => setTimeout(resolve, 2));
    await second.raise('the-kid', 'Kid', 'grown');
    expect((await second.until('l')).output).toBe('grown');
    await second.close();

    const third = await startFixture(register, { store: openJournalStore({ dir }) });
    expect(await third.status('l')).toMatchObject({ runtimeStatus: 'Completed', output: 'grown' });
    await third.close();
    rmSync(dir, { recursive: true, force: true });
    expect(runs.sort()).toEqual(['kid', 'one', 'two']);
  });

  test('runs an activity again at once that was in flight', async () => {
    let runs = 0;
    let release: () => void = () => undefined;
    const register = (): void => {
      df.app.activity('slow', {
        handler: async () => {
          runs += 1;
          if (runs === 1) await new Promise<void>((resolve) => (release = resolve));
          return runs;
        },
      });
      df.app.orchestration('one', function* (context: OrchestrationContext) {
        return (yield context.df.callActivity('slow', {})) as number;
      });
    };
    const store = createMemoryStore();
    const first = await startFixture(register, { store });
    await first.start('one', 'o');
    while (runs === 0) await new Promise((resolve) => setTimeout(resolve, 2));

    // The first host is abandoned, as a killed one is; its activity never answers.
    const second = await startFixture(register, { store });

    expect((await second.until('o')).output).toBe(2);
    await second.close();
    release();
    await first.close();
  });

  test('keeps the folder usable after many restarts', async () => {
    const store = journal();
    await store.open();
    await store.close();
    for (let i = 0; i < 5; i += 1) {
      const again = openJournalStore({ dir: dirs[0] ?? '' });
      await again.open();
      await again.close();
    }
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  });
});
