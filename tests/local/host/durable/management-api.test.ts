// The management API over HTTP: shapes, codes, lists and pages, purge, rewind, restart; and what a person may send by mistake.
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryStore, type Store } from '../../../../local/host/durable/store.ts';
import { type Fixture, startFixture, type Status } from './engine-fixture.ts';

let host: Fixture;
let healthy = false;

function register(): void {
  df.app.activity('double', { handler: (n: unknown) => (n as number) * 2 });
  df.app.activity('moody', {
    handler: (label: unknown) => {
      if (!healthy) throw new Error(`${String(label)} is ill`);
      return `${String(label)} is well`;
    },
  });
  df.app.orchestration('sum', function* (context: OrchestrationContext) {
    context.df.setCustomStatus({ phase: 'adding' });
    const n = context.df.getInput<number>();
    return ((yield context.df.callActivity('double', n)) as number) + 1;
  });
  df.app.orchestration('wait', function* (context: OrchestrationContext) {
    return (yield context.df.waitForExternalEvent('Go')) as unknown;
  });
  df.app.orchestration('ill', function* (context: OrchestrationContext) {
    const first = (yield context.df.callActivity('double', 4)) as number;
    return [first, (yield context.df.callActivity('moody', 'it')) as string];
  });
  df.app.orchestration('illParent', function* (context: OrchestrationContext) {
    return { child: (yield context.df.callSubOrchestrator('ill', {}, `${context.df.instanceId}-kid`)) as unknown };
  });
  df.app.orchestration('sameKid', function* (context: OrchestrationContext) {
    try {
      yield context.df.callSubOrchestrator('wait', {}, 'taken-id');
      return 'no error';
    } catch (error) {
      return (error as Error).message;
    }
  });
  df.app.entity('counter', (context: EntityContext<number>) => {
    context.df.setState((context.df.getState(() => 0) ?? 0) + (context.df.getInput<number>() ?? 1));
  });
}

beforeAll(async () => {
  host = await startFixture(register, { settings: { systemKey: 'k' } });
});
afterAll(() => host.close());

describe('the status of an instance', () => {
  test('is 202 with a Location while it runs, 200 when it has ended, 404 when there is none', async () => {
    await host.start('wait', 's1', { a: 1 });
    await host.until('s1', ['Running']);

    const running = await host.call('GET', 'instances/s1');
    expect([running.status, running.headers.get('retry-after')]).toEqual([202, '5']);
    expect(running.headers.get('location')).toContain('/runtime/webhooks/durabletask/instances/s1');
    await host.raise('s1', 'Go', 'x');
    await host.until('s1');
    const ended = await host.call('GET', 'instances/s1');
    expect(ended.status).toBe(200);
    expect(await ended.json()).toEqual({
      name: 'wait',
      instanceId: 's1',
      runtimeStatus: 'Completed',
      input: { a: 1 },
      customStatus: null,
      output: 'x',
      createdTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
      lastUpdatedTime: expect.stringMatching(/Z$/) as string,
    });
    expect((await host.call('GET', 'instances/none')).status).toBe(404);
  });

  test('hides the input, and shows history with outputs, on request', async () => {
    await host.run('sum', 20, 's2');

    expect((await host.status('s2', '?showInput=false')).input).toBeNull();
    const plain = (await host.status('s2', '?showHistory=true')).historyEvents ?? [];
    expect(plain.map((event) => event['EventType'])).toEqual(['ExecutionStarted', 'TaskCompleted', 'ExecutionCompleted']);
    expect(plain[1]).toMatchObject({ FunctionName: 'double' });
    expect(plain[1]).not.toHaveProperty('Result');
    const full = (await host.status('s2', '?showHistory=true&showHistoryOutput=true')).historyEvents ?? [];
    expect(full[1]).toMatchObject({ Result: 40 });
    expect(full[2]).toMatchObject({ OrchestrationStatus: 'Completed', Result: 41 });
  });

  test('of a failed instance is 200, or 500 when the caller asks for that', async () => {
    healthy = false;
    await host.run('ill', {}, 's3');

    expect((await host.call('GET', 'instances/s3')).status).toBe(200);
    expect((await host.call('GET', 'instances/s3?returnInternalServerErrorOnFailure=true')).status).toBe(500);
  });
});

describe('a start over HTTP', () => {
  test('answers with links that work', async () => {
    const response = await host.call('POST', 'orchestrators/sum', 3);
    const links = (await response.json()) as Record<string, string>;

    expect([response.status, response.headers.get('retry-after'), response.headers.get('location')]).toEqual([
      202,
      '10',
      links['statusQueryGetUri'],
    ]);
    expect(Object.keys(links)).toEqual([
      'id',
      'statusQueryGetUri',
      'sendEventPostUri',
      'terminatePostUri',
      'rewindPostUri',
      'purgeHistoryDeleteUri',
      'restartPostUri',
      'suspendPostUri',
      'resumePostUri',
    ]);
    await host.until(links['id'] ?? '');
    const status = (await (await fetch(links['statusQueryGetUri'] ?? '')).json()) as Status;
    expect(status).toMatchObject({ output: 7, customStatus: { phase: 'adding' } });
    const purged = await fetch(links['purgeHistoryDeleteUri'] ?? '', { method: 'DELETE' });
    expect(await purged.json()).toEqual({ instancesDeleted: 1 });
    expect((await fetch(links['statusQueryGetUri'] ?? '')).status).toBe(404);
  });

  test('can wait for the end', async () => {
    const done = await host.call('POST', 'orchestrators/sum?timeout=10&pollingInterval=0.01', 5);
    expect([done.status, await done.json()]).toEqual([200, 11]);

    const late = await host.call('POST', 'orchestrators/wait/w1?timeout=0.05&pollingInterval=0.01');
    expect(late.status).toBe(202);

    const wrong = await host.call('POST', 'orchestrators/sum?timeout=1&pollingInterval=2', 5);
    expect(wrong.status).toBe(400);
  });
});

describe('lists', () => {
  test('filter by status, time and prefix, in pages', async () => {
    for (let i = 0; i < 7; i += 1) await host.run('sum', i, `list-${i}`);
    await host.start('wait', 'list-running');

    const seen: string[] = [];
    let token = '';
    let pages = 0;
    do {
      const page = await host.call(
        'GET',
        'instances/?top=3&instanceIdPrefix=list-&runtimeStatus=Completed',
        undefined,
        token === '' ? {} : { 'x-ms-continuation-token': token },
      );
      seen.push(...((await page.json()) as Status[]).map((status) => status.instanceId));
      token = page.headers.get('x-ms-continuation-token') ?? '';
      pages += 1;
    } while (token !== '');

    expect([pages, seen]).toEqual([3, [0, 1, 2, 3, 4, 5, 6].map((i) => `list-${i}`)]);
    const future = await host.call('GET', 'instances/?createdTimeFrom=2999-01-01T00:00:00Z');
    expect(await future.json()).toEqual([]);
    const running = (await (await host.call('GET', 'instances?runtimeStatus=Running,Pending&instanceIdPrefix=list-')).json()) as Status[];
    expect(running.map((status) => [status.instanceId, status.input])).toEqual([['list-running', null]]);
  });

  test('show entities with their state on request', async () => {
    await host.call('POST', 'entities/Counter/x', 4);
    await host.engine.idle();

    const list = (await (await host.call('GET', 'entities/counter?fetchState=true')).json()) as unknown[];
    expect(list).toEqual([{ entityId: { name: 'counter', key: 'x' }, lastOperationTime: expect.any(String) as string, state: 4 }]);
    expect((await host.call('GET', 'entities/counter/nobody')).status).toBe(404);
    const bad = await host.call('POST', 'entities/counter/x', '{nope');
    expect(bad.status).toBe(400);
  });
});

describe('purging', () => {
  test('refuses a running instance, and counts what it removed', async () => {
    await host.start('wait', 'p1');
    await host.until('p1', ['Running']);
    const refused = await host.call('DELETE', 'instances/p1');
    expect([refused.status, await refused.json()]).toEqual([
      412,
      'Only orchestrations in a terminal state can be purged, but the orchestration with instance ID p1 has status Running',
    ]);
    expect((await host.call('DELETE', 'instances/none')).status).toBe(404);
  });

  test('by filter needs the beginning of the time span', async () => {
    await host.run('sum', 1, 'p2');
    const refused = await host.call('DELETE', 'instances/?runtimeStatus=Completed');
    expect([refused.status, await refused.json()]).toEqual([400, "Please provide value for 'createdTimeFrom' parameter."]);

    const nothing = await host.call('DELETE', 'instances/?createdTimeFrom=2999-01-01T00:00:00Z');
    expect(nothing.status).toBe(404);
    const purged = await host.call('DELETE', 'instances/?createdTimeFrom=2000-01-01T00:00:00Z&runtimeStatus=Completed');
    expect(((await purged.json()) as { instancesDeleted: number }).instancesDeleted).toBeGreaterThan(0);
    expect((await host.call('GET', 'instances/p2')).status).toBe(404);
    expect((await host.call('GET', 'instances/p1')).status).toBe(202);
  });
});

describe('rewinding', () => {
  test('runs only what failed, and only a failed instance', async () => {
    healthy = false;
    expect((await host.run('ill', {}, 'r1')).runtimeStatus).toBe('Failed');
    healthy = true;

    expect((await host.call('POST', 'instances/r1/rewind?reason=again')).status).toBe(202);

    expect(await host.until('r1', ['Completed'])).toMatchObject({ output: [8, 'it is well'] });
    expect((await host.call('POST', 'instances/r1/rewind?reason=again')).status).toBe(412);
    expect((await host.call('POST', 'instances/none/rewind?reason=again')).status).toBe(404);
  });

  test('goes down into failed children', async () => {
    healthy = false;
    expect((await host.run('illParent', {}, 'r2')).runtimeStatus).toBe('Failed');
    healthy = true;

    await host.call('POST', 'instances/r2/rewind?reason=again');

    expect(await host.until('r2', ['Completed'])).toMatchObject({ output: { child: [8, 'it is well'] } });
    expect(await host.status('r2-kid')).toMatchObject({ runtimeStatus: 'Completed' });
  });
});

describe('restarting', () => {
  test('takes name and input under a new id, or the old one', async () => {
    await host.run('sum', 30, 'again');

    const fresh = (await (await host.call('POST', 'instances/again/restart')).json()) as { id: string };
    expect(fresh.id).not.toBe('again');
    expect(await host.until(fresh.id)).toMatchObject({ name: 'sum', input: 30, output: 61 });
    const same = (await (await host.call('POST', 'instances/again/restart?restartWithNewInstanceId=false')).json()) as { id: string };
    expect(same.id).toBe('again');
    expect(await host.until('again')).toMatchObject({ output: 61 });
  });

  test('refuses what does not exist or still runs', async () => {
    expect((await host.call('POST', 'instances/none/restart')).status).toBe(400);
    const running = await host.call('POST', 'instances/p1/restart?restartWithNewInstanceId=false');
    expect([running.status, await running.json()]).toEqual([
      409,
      { Message: 'A non-terminal instance with this instance ID already exists.' },
    ]);
  });
});

describe('suspending', () => {
  test('holds events and results back until the instance is resumed', async () => {
    await host.start('wait', 'su');
    await host.until('su', ['Running']);
    expect((await host.call('POST', 'instances/su/suspend?reason=pause')).status).toBe(202);
    await host.until('su', ['Suspended']);
    await host.raise('su', 'Go', 'kept');
    await host.engine.idle();
    expect((await host.status('su')).runtimeStatus).toBe('Suspended');

    expect((await host.call('POST', 'instances/su/resume?reason=on')).status).toBe(202);

    expect(await host.until('su')).toMatchObject({ runtimeStatus: 'Completed', output: 'kept' });
    for (const operation of ['suspend', 'resume', 'terminate'])
      expect((await host.call('POST', `instances/su/${operation}?reason=x`)).status).toBe(410);
  });
});

describe('a sub-orchestration', () => {
  test('whose id is taken by a running instance fails, and leaves that one alone', async () => {
    await host.start('wait', 'taken-id');
    await host.until('taken-id', ['Running']);

    expect((await host.run('sameKid')).output).toContain('An Orchestration instance with the status Running already exists.');
    expect((await host.status('taken-id')).runtimeStatus).toBe('Running');
  });
});

describe('other requests', () => {
  test('are 404, or not the engine’s at all', async () => {
    for (const [method, path] of [
      ['GET', 'nothing'],
      ['GET', 'orchestrators/sum'],
      ['PUT', 'instances/s1'],
      ['POST', 'instances/s1/dance'],
      ['POST', 'instances/s1/raiseEvent/Go/more'],
      ['GET', ''],
    ] as const) {
      expect([path, (await host.call(method, path)).status]).toEqual([path, 404]);
    }
    expect((await host.call('GET', 'instances/%zz')).status).toBe(400);
    expect(await host.engine.fetch(new Request(`${host.baseUrl}/api/other`))).toBeUndefined();
    expect(await host.engine.fetch(new Request(`${host.baseUrl}/durabletasks/instances/`))).toBeUndefined();
  });

  test('with names of prototype members are ordinary', async () => {
    for (const id of ['__proto__', 'constructor', '..%2f..%2fetc']) {
      const response = await host.call('POST', `orchestrators/sum/${id}`, 2);
      expect(response.status).toBe(202);
      expect((await host.until(((await response.json()) as { id: string }).id.replaceAll('/', '%2f'))).output).toBe(5);
    }
  });

  test('that change something are 503 while the store cannot write; nothing is lost', async () => {
    let blocked: string | undefined;
    const memory = createMemoryStore();
    const store: Store = { ...memory, blocked: () => blocked };
    const other = await startFixture(register, { store });
    await other.run('sum', 1, 'before');
    blocked = 'the journal cannot be written (disk full)';

    const refused = await other.call('POST', 'orchestrators/sum/during', 1);
    expect([refused.status, await refused.json()]).toEqual([503, { Message: blocked }]);
    expect((await other.call('GET', 'instances/before')).status).toBe(200);
    blocked = undefined;
    expect((await other.run('sum', 1, 'during')).output).toBe(3);
    await other.close();
  });
});
