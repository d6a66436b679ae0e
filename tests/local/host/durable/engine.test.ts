// The engine end to end in memory: every kind of call that an orchestrator can make.
import * as df from 'durable-functions';
import type { OrchestrationContext } from 'durable-functions';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fixture, startFixture } from './engine-fixture.ts';

let host: Fixture;
const attempts = new Map<string, number>();

function register(): void {
  df.app.activity('hello', { handler: (name: unknown) => `Hello ${String(name)}` });
  df.app.activity('double', { handler: (n: unknown) => (n as number) * 2 });
  df.app.activity('fail', { handler: () => Promise.reject(new Error('no luck')) });
  df.app.activity('flaky', {
    handler: (input: unknown) => {
      const { id, failures } = input as { id: string; failures: number };
      const attempt = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, attempt);
      if (attempt <= failures) throw new Error(`attempt ${attempt}`);
      return attempt;
    },
  });
  df.app.orchestration('sequence', function* (context: OrchestrationContext) {
    const a = (yield context.df.callActivity('hello', 'a')) as string;
    const b = (yield context.df.callActivity('hello', a)) as string;
    return [a, b];
  });
  df.app.orchestration('fanOut', function* (context: OrchestrationContext) {
    const tasks = [1, 2, 3, 4, 5].map((n) => context.df.callActivity('double', n));
    const all = (yield context.df.Task.all(tasks)) as number[];
    return all.reduce((a, b) => a + b, 0);
  });
  df.app.orchestration('retry', function* (context: OrchestrationContext) {
    const options = new df.RetryOptions(10, 3);
    return (yield context.df.callActivityWithRetry('flaky', options, context.df.getInput())) as number;
  });
  df.app.orchestration('caught', function* (context: OrchestrationContext) {
    try {
      yield context.df.callActivity('fail', 1);
      return 'no error';
    } catch (error) {
      return (error as Error).message.split('\n')[0]?.trim();
    }
  });
  df.app.orchestration('uncaught', function* (context: OrchestrationContext) {
    yield context.df.callActivity('fail', 1);
  });
  df.app.orchestration('approval', function* (context: OrchestrationContext) {
    const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 60_000));
    const event = context.df.waitForExternalEvent('Go');
    const winner = (yield context.df.Task.any([event, timer])) as df.Task;
    if (winner === event) timer.cancel();
    return winner === event ? event.result : 'late';
  });
  df.app.orchestration('parent', function* (context: OrchestrationContext) {
    const a = (yield context.df.callSubOrchestrator('child', 'x')) as string;
    const b = (yield context.df.callSubOrchestrator('child', 'y', `${context.df.instanceId}-kid`)) as string;
    return [a, b];
  });
  df.app.orchestration('child', function* (context: OrchestrationContext) {
    return (yield context.df.callActivity('hello', context.df.getInput())) as string;
  });
  df.app.orchestration('loop', function* (context: OrchestrationContext) {
    const n = context.df.getInput<number>();
    yield context.df.callActivity('double', n);
    context.df.setCustomStatus({ at: n });
    if (n < 5) context.df.continueAsNew(n + 1);
    else return n;
    return undefined;
  });
  df.app.entity('counter', (context: df.EntityContext<number>) => {
    const value = context.df.getState(() => 0) ?? 0;
    if (context.df.operationName === 'add') context.df.setState(value + (context.df.getInput<number>() ?? 0));
    if (context.df.operationName === 'get') context.df.return(value);
  });
  df.app.orchestration('entities', function* (context: OrchestrationContext) {
    const id = new df.EntityId('counter', context.df.getInput<string>());
    context.df.signalEntity(id, 'add', 5);
    yield context.df.callEntity(id, 'add', 3);
    return (yield context.df.callEntity(id, 'get')) as number;
  });
}

beforeAll(async () => {
  host = await startFixture(register);
});
afterAll(() => host.close());

describe('an orchestration', () => {
  test('runs activities one after the other', async () => {
    expect(await host.run('sequence')).toMatchObject({ runtimeStatus: 'Completed', output: ['Hello a', 'Hello Hello a'] });
  });
  test('fans out and in', async () => {
    expect(await host.run('fanOut')).toMatchObject({ runtimeStatus: 'Completed', output: 30 });
  });
  test('retries a failing activity', async () => {
    expect(await host.run('retry', { id: 'r1', failures: 2 })).toMatchObject({ runtimeStatus: 'Completed', output: 3 });
  });
  test('gives up after the last attempt', async () => {
    const status = await host.run('retry', { id: 'r2', failures: 9 });
    expect(status.runtimeStatus).toBe('Failed');
    expect(attempts.get('r2')).toBe(3);
  });
  test('catches the error of an activity', async () => {
    expect(await host.run('caught')).toMatchObject({ output: "Activity function 'fail' failed:  no luck" });
  });
  test('fails with the error that it does not catch', async () => {
    const status = await host.run('uncaught');
    expect(status.runtimeStatus).toBe('Failed');
    expect(status.output).toMatch(/^Orchestrator function 'uncaught' failed: Activity function 'fail' failed:/);
  });
  test('races an event against a timer', async () => {
    await host.start('approval', 'ap1');
    await host.until('ap1', ['Running']);
    await host.raise('ap1', 'Go', { yes: true });
    expect(await host.until('ap1')).toMatchObject({ runtimeStatus: 'Completed', output: { yes: true } });
  });
  test('calls sub-orchestrations with and without an id', async () => {
    expect(await host.run('parent', undefined, 'p1')).toMatchObject({ output: ['Hello x', 'Hello y'] });
    expect(await host.status('p1-kid')).toMatchObject({ runtimeStatus: 'Completed' });
  });
  test('continues as new', async () => {
    expect(await host.run('loop', 0)).toMatchObject({ runtimeStatus: 'Completed', output: 5, customStatus: { at: 5 } });
  });
  test('signals and calls entities', async () => {
    expect(await host.run('entities', 'k1')).toMatchObject({ runtimeStatus: 'Completed', output: 8 });
    expect(await (await host.call('GET', 'entities/counter/k1')).json()).toBe(8);
  });
});
