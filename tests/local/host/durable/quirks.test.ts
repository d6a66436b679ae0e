// What the real host does that one would not expect (facts/durable.md §2.9), seen through the real DurableClient.
import * as df from 'durable-functions';
import type { DurableClient, EntityContext, OrchestrationContext } from 'durable-functions';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../../../local/host/durable/store.ts';
import { createTestHost } from '../../../../local/host/testing/test-host.ts';
import { type Fixture, startFixture } from './engine-fixture.ts';

let host: Fixture;
let act: (client: DurableClient) => Promise<unknown>;

function register(): void {
  df.app.client.storageQueue('useClient', {
    queueName: 'q',
    connection: 'c',
    handler: async (_message, client) => ({ result: (await act(client)) ?? null }),
  });
  df.app.activity('echo', { handler: (input: unknown) => ({ got: input === undefined ? 'undefined' : input }) });
  df.app.activity('fail', { handler: () => Promise.reject(new Error('no luck')) });

  df.app.orchestration('input', function* (context: OrchestrationContext) {
    return { input: context.df.getInput() ?? 'nothing' };
  });
  df.app.orchestration('Waiter', function* (context: OrchestrationContext) {
    return { event: (yield context.df.waitForExternalEvent('Go')) as unknown };
  });
  df.app.orchestration('asks', function* (context: OrchestrationContext) {
    return (yield context.df.callActivity('echo', context.df.getInput())) as unknown;
  });
  df.app.orchestration('unknownActivity', function* (context: OrchestrationContext) {
    yield context.df.callActivity('nobody', {});
  });
  df.app.orchestration('notATask', function* () {
    yield 5 as never;
  });
  df.app.orchestration('asynchronous', (async () => Promise.resolve(1)) as never);
  df.app.orchestration('timer', function* (context: OrchestrationContext) {
    const start = context.df.currentUtcDateTime.getTime();
    yield context.df.createTimer(new Date(start + context.df.getInput<number>()));
    return context.df.currentUtcDateTime.getTime() - start;
  });
  df.app.orchestration('locks', function* (context: OrchestrationContext) {
    const ids = ['a', 'b'].map((key) => new df.EntityId('account', key));
    const lock = (yield context.df.lock(ids)) as { release(): void };
    const a = (yield context.df.callEntity(ids[0] as df.EntityId, 'get')) as number;
    yield context.df.callEntity(ids[0] as df.EntityId, 'set', a - 1);
    yield context.df.callEntity(ids[1] as df.EntityId, 'set', ((yield context.df.callEntity(ids[1] as df.EntityId, 'get')) as number) + 1);
    lock.release();
    return 'moved';
  });
  df.app.entity('account', (context: EntityContext<number>) => {
    const value = context.df.getState(() => 0) ?? 0;
    if (context.df.operationName === 'get') context.df.return(value);
    if (context.df.operationName === 'set') context.df.setState(context.df.getInput<number>() ?? 0);
    if (context.df.operationName === 'add') context.df.setState(value + (context.df.getInput<number>() ?? 0));
    if (context.df.operationName === 'delete') context.df.destructOnExit();
    if (context.df.operationName === 'breakAfterSet') {
      context.df.setState(77);
      throw new Error('broken');
    }
  });
  df.app.orchestration('callsBroken', function* (context: OrchestrationContext) {
    try {
      yield context.df.callEntity(new df.EntityId('account', 'z'), 'breakAfterSet');
      return 'no error';
    } catch (error) {
      return (error as Error).message;
    }
  });
}

async function client<T>(use: (client: DurableClient) => Promise<T>, on: Fixture = host): Promise<T> {
  act = use;
  const bindings = on.app.functions.get('useClient')?.bindings ?? [];
  const { returnValue } = await on.app.invoke('useClient', {
    inputs: bindings.flatMap((binding) =>
      binding.type === 'queueTrigger'
        ? [{ name: binding.name, data: { string: 'go' } }]
        : binding.type === 'durableClient'
          ? [{ name: binding.name, data: on.engine.clientBinding() }]
          : [],
    ),
  });
  return (JSON.parse(returnValue?.json ?? '{}') as { result: T }).result;
}

beforeAll(async () => {
  process.env['WEBSITE_HOSTNAME'] = 'localhost:7071';
  host = await startFixture(register);
});
afterAll(() => host.close());

describe('starting', () => {
  test('gives an empty text for no input, and keeps null', async () => {
    const none = await client((c) => c.startNew('input'));
    const nothing = await client((c) => c.startNew('input', { input: null }));

    expect((await host.until(none)).output).toEqual({ input: '' });
    expect((await host.until(nothing)).output).toEqual({ input: 'nothing' });
  });

  test('refuses a second live instance of one id with 409, and leaves the first unharmed', async () => {
    await client((c) => c.startNew('Waiter', { instanceId: 'dup' }));
    await host.until('dup', ['Running']);

    await expect(client((c) => c.startNew('Waiter', { instanceId: 'dup' }))).rejects.toThrow(
      'The operation failed with an unexpected status code: 409. Details: {"Message":"An Orchestration instance with the status Running already exists."}',
    );

    await client((c) => c.raiseEvent('dup', 'Go', 1));
    expect((await host.until('dup')).output).toEqual({ event: 1 });
  });

  test('may use the id of an instance that has ended', async () => {
    await client((c) => c.startNew('input', { instanceId: 'again', input: 1 }));
    await host.until('again');

    await client((c) => c.startNew('input', { instanceId: 'again', input: 2 }));

    expect((await host.until('again')).output).toEqual({ input: 2 });
  });

  test('does not check ids: @bad and 120 characters are taken, a#b becomes a', async () => {
    const long = 'x'.repeat(120);
    for (const id of ['@bad', long]) {
      await client((c) => c.startNew('input', { instanceId: id }));
      expect((await host.until(id)).runtimeStatus).toBe('Completed');
    }

    expect(await client((c) => c.startNew('input', { instanceId: 'hash#rest' }))).toBe('hash');
  });

  test('fails an unknown orchestrator after a 202, with the names that it knows', async () => {
    const id = await client((c) => c.startNew('nobody'));

    expect(await host.until(id)).toMatchObject({
      runtimeStatus: 'Failed',
      output: expect.stringMatching(
        /^The function 'nobody' doesn't exist, is disabled, or is not an orchestrator function\. Additional info: The following are the known orchestrator functions: 'input', 'Waiter'/,
      ) as string,
    });
  });

  test('finds orchestrators whatever their case', async () => {
    expect((await host.run('INPUT', 5)).output).toEqual({ input: 5 });
  });

  test('refuses a body that is not JSON, and takes one of 10 MB', async () => {
    const bad = await host.call('POST', 'orchestrators/input/bad-body', '{nope');
    expect([bad.status, await bad.json()]).toEqual([400, { Message: 'Invalid JSON content' }]);

    const big = 'y'.repeat(10 * 1024 * 1024);
    const status = await host.run('input', big, 'big');
    expect((status.output as { input: string }).input.length).toBe(big.length);
  });
});

describe('events', () => {
  test('without data are refused with 400', async () => {
    await host.start('Waiter', 'nodata');

    await expect(client((c) => c.raiseEvent('nodata', 'Go', undefined))).rejects.toThrow(/status code: 400.*Invalid JSON content/);

    await client((c) => c.raiseEvent('nodata', 'Go', null));
    expect((await host.until('nodata')).output).toEqual({ event: null });
  });

  test('to a finished instance are silently dropped; to a missing one they are an error', async () => {
    await host.run('input', 1, 'done');

    await client((c) => c.raiseEvent('done', 'Go', 1));
    await expect(client((c) => c.raiseEvent('missing', 'Go', 1))).rejects.toThrow("No instance with ID 'missing' found.");

    expect((await host.raise('done', 'Go', 1)).status).toBe(410);
    expect((await host.raise('missing', 'Go', 1)).status).toBe(404);
  });

  test('count case in their names', async () => {
    await host.start('Waiter', 'cases');
    await client((c) => c.raiseEvent('cases', 'go', 'wrong'));
    await host.engine.idle();
    expect((await host.status('cases')).runtimeStatus).toBe('Running');

    await client((c) => c.raiseEvent('cases', 'Go', 'right'));

    expect((await host.until('cases')).output).toEqual({ event: 'right' });
  });

  test('are kept when they come before anybody waits', async () => {
    const early = await createTestHost({
      app: () => {
        df.app.activity('first', { handler: () => 1 });
        df.app.orchestration('late', function* (context: OrchestrationContext) {
          yield context.df.callActivity('first', {});
          const a = (yield context.df.waitForExternalEvent('E')) as number;
          const b = (yield context.df.waitForExternalEvent('E')) as number;
          return [a, b];
        });
      },
    });
    const id = await early.start('late');
    await early.raise(id, 'E', 1);
    await early.raise(id, 'E', 2);

    expect((await early.finished(id)).output).toEqual([1, 2]);
    await early.stop();
  });
});

describe('terminating', () => {
  test('without a reason leaves an output that no client can read', async () => {
    await host.start('Waiter', 'term');
    await host.until('term', ['Running']);
    await client((c) => c.terminate('term', undefined as never));
    await host.engine.idle();

    const raw = await (await host.call('GET', 'instances/term')).text();
    expect(raw).toContain('"output":undefined');
    await expect(client((c) => c.getStatus('term'))).rejects.toThrow(/could not construct a DurableOrchestrationStatus/);
  });

  test('with a reason that looks like JSON gives it back parsed', async () => {
    await host.start('Waiter', 'term2');
    await client((c) => c.terminate('term2', '123'));

    expect(await host.until('term2')).toMatchObject({ runtimeStatus: 'Terminated', output: 123 });
  });

  test('of a finished instance is silent', async () => {
    await host.run('input', 1, 'over');

    await client((c) => c.terminate('over', 'late'));

    expect((await host.status('over')).runtimeStatus).toBe('Completed');
  });
});

describe('orchestrators that break the rules', () => {
  test('an async one fails as on the real host', async () => {
    expect(await host.run('asynchronous')).toMatchObject({
      runtimeStatus: 'Failed',
      output: "Orchestrator function 'asynchronous' failed: this.generator.next is not a function",
    });
  });

  test('one that yields no task fails', async () => {
    expect((await host.run('notATask')).output).toMatch(/programming constraint violation: Orchestration yielded data of type number/);
  });

  test('one that calls an unknown activity fails with the names that are known', async () => {
    expect(await host.run('unknownActivity')).toMatchObject({
      runtimeStatus: 'Failed',
      output: expect.stringMatching(/The function 'nobody' doesn't exist.*known activity functions: 'echo', 'fail'/) as string,
    });
  });
});

describe('activities', () => {
  test('receive booleans as capitalised texts, and null as nothing', async () => {
    expect((await host.run('asks', true)).output).toEqual({ got: 'True' });
    expect((await host.run('asks', null)).output).toEqual({ got: 'undefined' });
    expect((await host.run('asks', 'text')).output).toEqual({ got: 'text' });
  });
});

describe('timers', () => {
  const waited = async (ms: number, timers: 'as-observed' | 'exact'): Promise<unknown> => {
    const at = await createTestHost({ app: register, settings: { timers } });
    const { output } = await at.run('timer', ms);
    await at.stop();
    return output;
  };

  test.each([
    [700, 0],
    [2000, 1000],
    [3900, 3000],
  ])('of %i ms come up to a second early: after %i ms', async (asked, early) => {
    expect(await waited(asked, 'as-observed')).toBe(early);
  });

  test('are exact when asked to be', async () => {
    expect(await waited(3900, 'exact')).toBe(3900);
  });

  test('longer than six days go in hops of three', async () => {
    const tenDays = 10 * 86_400_000;
    const at = await createTestHost({ app: register, settings: { timers: 'exact' } });
    const id = await at.start('timer', tenDays);
    await at.settle();
    const { output } = await at.finished(id);

    expect(output).toBe(tenDays);
    await at.stop();
  });
});

describe('entities', () => {
  test('keep what was set before a throw; the caller gets an error without words', async () => {
    expect((await host.run('callsBroken')).output).toBe('[object Object]');
    expect(await (await host.call('GET', 'entities/account/z')).json()).toBe(77);
  });

  test('are signalled, read and deleted by clients', async () => {
    const id = new df.EntityId('account', 'q');
    await client((c) => c.signalEntity(id, 'add', 4));
    await client((c) => c.signalEntity(id, 'add', 5));
    await host.engine.idle();
    expect(await client(async (c) => (await c.readEntityState<number>(id)).entityState)).toBe(9);

    await client((c) => c.signalEntity(id, 'delete'));
    await host.engine.idle();

    expect(await client(async (c) => (await c.readEntityState(id)).entityExists)).toBe(false);
  });
});

describe('the profiles', () => {
  let other: Fixture | undefined;
  afterEach(async () => {
    await other?.close();
    other = undefined;
  });

  test('bundle has no locks', async () => {
    expect((await host.run('locks')).output).toMatch(
      /lock requires a Durable Functions extension that supports OOProc schema V4 or higher/,
    );
  });

  test('ext-3.14 locks several entities and lets them go', async () => {
    other = await startFixture(register, { profile: 'ext-3.14' });
    for (const key of ['a', 'b']) await other.call('POST', `entities/account/${key}?op=add`, 10);

    const ids = ['l1', 'l2', 'l3', 'l4'];
    for (const id of ids) await other.start('locks', id);
    for (const id of ids) expect((await other.until(id)).output).toBe('moved');
    await other.engine.idle();

    expect(await (await other.call('GET', 'entities/account/a')).json()).toBe(6);
    expect(await (await other.call('GET', 'entities/account/b')).json()).toBe(14);
  });
});

describe('versions', () => {
  function versioned(): void {
    df.app.orchestration('kid', function* (context: OrchestrationContext) {
      return context.df.version ?? 'none';
    });
    df.app.orchestration('which', function* (context: OrchestrationContext) {
      return [context.df.version ?? 'none', (yield context.df.callSubOrchestrator('kid')) as string];
    });
  }

  test('an older one runs, a newer one stays pending; children get the default', async () => {
    const at = await createTestHost({ app: versioned, settings: { defaultVersion: '2.0' } });
    const older = await at.run('which', undefined, { version: '1.0' });
    const current = await at.run('which');
    const newer = await at.start('which', undefined, { version: '10.0' });
    await at.settle();

    expect(older.output).toEqual(['1.0', '2.0']);
    expect(current.output).toEqual(['2.0', '2.0']);
    expect((await at.status(newer)).status).toBe('Pending');
    await at.stop();
  });

  test('any version stays pending where the worker has none', async () => {
    const at = await createTestHost({ app: versioned });
    const id = await at.start('which', undefined, { version: '1.0' });
    await at.settle();

    expect((await at.status(id)).status).toBe('Pending');
    await at.stop();
  });

  test('strict, none, and failing instead of waiting', async () => {
    const strict = await createTestHost({
      app: versioned,
      settings: { defaultVersion: '2.0', versionMatchStrategy: 'Strict', versionFailureStrategy: 'Fail' },
    });
    expect(await strict.run('which', undefined, { version: '1.0' })).toMatchObject({
      status: 'Failed',
      output: "The orchestration version '1.0' does not match the worker version '2.0'.",
    });
    await strict.stop();

    const none = await createTestHost({ app: versioned, settings: { defaultVersion: '2.0', versionMatchStrategy: 'None' } });
    expect((await none.run('which', undefined, { version: '3.0' })).output).toEqual(['3.0', '2.0']);
    await none.stop();
  });

  test('a pending newer one runs when a newer worker opens the store', async () => {
    const store = createMemoryStore();
    const old = await createTestHost({ app: versioned, store, settings: { defaultVersion: '1.0' } });
    const id = await old.start('which', undefined, { version: '2.0' });
    await old.settle();
    await old.stop();

    const newer = await createTestHost({ app: versioned, store, settings: { defaultVersion: '2.0' } });

    expect((await newer.finished(id)).output).toEqual(['2.0', '2.0']);
    await newer.stop();
  });
});

describe('every method of DurableClient', () => {
  test('works against the engine', async () => {
    const begin = new Date(Date.now() - 5_000);
    await client((c) => c.startNew('Waiter', { instanceId: 'm-1', input: { n: 1 } }));
    await host.until('m-1', ['Running']);

    await client((c) => c.suspend('m-1', 'pause'));
    await host.until('m-1', ['Suspended']);
    await client((c) => c.resume('m-1', 'on'));
    await host.until('m-1', ['Running']);
    const running = await client(async (c) => {
      const { runtimeStatus, input } = await c.getStatus('m-1', { showInput: true });
      return { runtimeStatus, input };
    });
    expect(running).toEqual({ runtimeStatus: 'Running', input: { n: 1 } });

    // One output that no client can read spoils the whole list.
    await client((c) => c.purgeInstanceHistory('term'));
    const ids = await client(async (c) => (await c.getStatusAll()).map((status) => status.instanceId));
    expect(ids).toContain('m-1');
    const found = await client(async (c) =>
      (await c.getStatusBy({ runtimeStatus: [df.OrchestrationRuntimeStatus.Running], createdTimeFrom: begin })).map(
        (status) => status.instanceId,
      ),
    );
    expect(found).toContain('m-1');

    const late = await client(async (c) => {
      const response = await c.waitForCompletionOrCreateCheckStatusResponse(undefined as never, 'm-1', {
        timeoutInMilliseconds: 30,
        retryIntervalInMilliseconds: 5,
      });
      return response.status;
    });
    await client((c) => c.raiseEvent('m-1', 'Go', 'done'));
    await host.until('m-1');
    const done = await client(async (c) => {
      const response = await c.waitForCompletionOrCreateCheckStatusResponse(undefined as never, 'm-1', {
        timeoutInMilliseconds: 1000,
        retryIntervalInMilliseconds: 5,
      });
      return [response.status, await response.json()];
    });
    expect([late, done]).toEqual([202, [200, { event: 'done' }]]);

    const payload = await client((c) => Promise.resolve(c.createHttpManagementPayload('m-1')));
    expect(payload.terminatePostUri).toContain('/instances/m-1/terminate?reason={text}');

    await expect(client((c) => c.rewind('m-1', 'why'))).rejects.toThrow(
      /has status Completed, but only orchestrations in the "Failed" state can be rewound/,
    );
    expect(await client((c) => c.purgeInstanceHistory('m-1'))).toEqual({ instancesDeleted: 1 });
    expect(await client((c) => c.purgeInstanceHistory('m-1'))).toEqual({ instancesDeleted: 0 });
    await host.run('input', 1, 'm-2');
    const purged = await client((c) =>
      c.purgeInstanceHistoryBy({ createdTimeFrom: begin, runtimeStatus: [df.OrchestrationRuntimeStatus.Completed] }),
    );
    expect(purged.instancesDeleted).toBeGreaterThan(0);
    await expect(client((c) => c.getStatus('m-2'))).rejects.toThrow(/HTTP 404/);
  });
});

describe('concurrency', () => {
  test('of activities stays within its limit', async () => {
    let running = 0;
    let most = 0;
    const limited = await startFixture(
      () => {
        df.app.activity('busy', {
          handler: async () => {
            running += 1;
            most = Math.max(most, running);
            await new Promise((resolve) => setTimeout(resolve, 3));
            running -= 1;
          },
        });
        df.app.orchestration('many', function* (context: OrchestrationContext) {
          yield context.df.Task.all(Array.from({ length: 12 }, (_, i) => context.df.callActivity('busy', { i })));
        });
      },
      { settings: { maxConcurrentActivityFunctions: 3 } },
    );

    expect((await limited.run('many')).runtimeStatus).toBe('Completed');
    await limited.close();

    expect(most).toBe(3);
  });
});
