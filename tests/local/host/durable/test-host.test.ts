// The test host: skipped time, seeds that choose the order of events, and the determinism check.
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';
import { afterEach, describe, expect, test } from 'vitest';
import { createTestHost, type TestHost, type TestHostOptions } from '../../../../local/host/testing/test-host.ts';

const dayMs = 86_400_000;
let host: TestHost | undefined;

async function hostOf(register: () => void, options: Partial<TestHostOptions> = {}): Promise<TestHost> {
  host = await createTestHost({ app: register, ...options });
  return host;
}

afterEach(async () => {
  await host?.stop();
  host = undefined;
});

function approval(): void {
  df.app.activity('notify', { handler: () => 'sent' });
  df.app.orchestration('approval', function* (context: OrchestrationContext) {
    yield context.df.callActivity('notify', {});
    const deadline = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 30 * dayMs));
    const answer = context.df.waitForExternalEvent('Approval');
    const winner = (yield context.df.Task.any([answer, deadline])) as df.Task;
    if (winner === answer) deadline.cancel();
    return { approved: winner === answer, at: context.df.currentUtcDateTime.toISOString() };
  });
}

describe('virtual time', () => {
  test('runs a 30-day deadline at once', async () => {
    const at = await hostOf(approval, { start: new Date('2026-03-01T00:00:00Z'), settings: { timers: 'exact' } });

    const status = await at.run('approval');

    expect(status.output).toEqual({ approved: false, at: '2026-03-31T00:00:00.000Z' });
  });

  test('stands while a test acts, so that an event comes before its deadline', async () => {
    const at = await hostOf(approval);
    const id = await at.start('approval');
    await at.settle();
    await at.advance(29 * dayMs);

    await at.raise(id, 'Approval', true);

    expect((await at.finished(id)).output).toMatchObject({ approved: true, at: '2026-01-30T00:00:00.000Z' });
  });

  test('can be advanced to an instant, which fires what is due and nothing later', async () => {
    const at = await hostOf(approval, { settings: { timers: 'exact' } });
    const id = await at.start('approval');

    await at.jumpTo(new Date('2026-01-30T23:59:59Z'));

    expect((await at.status(id)).status).toBe('Running');
    await at.advance(1000);
    expect((await at.status(id)).status).toBe('Completed');
  });

  test('does not move while an activity is in flight', async () => {
    const seen: string[] = [];
    const at = await hostOf(() => {
      df.app.activity('slow', {
        handler: async () => {
          await new Promise((resolve) => setTimeout(resolve, 30));
          seen.push('activity');
        },
      });
      df.app.orchestration('race', function* (context: OrchestrationContext) {
        const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 60_000));
        const slow = context.df.callActivity('slow', {});
        const winner = (yield context.df.Task.any([timer, slow])) as df.Task;
        if (winner === slow) timer.cancel();
        return winner === slow ? 'activity' : 'timer';
      });
    });

    expect((await at.run('race')).output).toBe('activity');
    expect(seen).toEqual(['activity']);
  });

  test('says what is missing when an orchestration waits for an event that nobody raises', async () => {
    const at = await hostOf(() => {
      df.app.orchestration('waits', function* (context: OrchestrationContext) {
        yield context.df.waitForExternalEvent('Never');
      });
    });

    await expect(at.run('waits', undefined, { instanceId: 'w' })).rejects.toThrow(
      /'w' \(waits\) is Running and waits for something that time does not bring/,
    );
  });

  test('runs 1,000 days of a daily schedule', async () => {
    const days: string[] = [];
    const at = await hostOf(
      () => {
        df.app.activity('report', { handler: () => undefined });
        df.app.orchestration('daily', function* (context: OrchestrationContext) {
          const left = context.df.getInput<number>();
          yield context.df.callActivity('report', { day: context.df.currentUtcDateTime.toISOString().slice(0, 10) });
          if (left === 1) return 'done';
          yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + dayMs));
          context.df.continueAsNew(left - 1);
          return undefined;
        });
      },
      {
        settings: { timers: 'exact' },
        activities: { report: (input) => days.push((input as { day: string }).day) },
        checkDeterminism: false,
      },
    );

    expect(await at.run('daily', 1000)).toMatchObject({ status: 'Completed', output: 'done' });

    expect(new Set(days).size).toBe(1000);
    expect([days[0], days.at(-1)]).toEqual(['2026-01-01', '2028-09-26']);
  });
});

/** Two orchestrations add to a balance by reading and writing it in two steps: right alone, wrong when they interleave. */
function planted(): void {
  let balance = 0;
  df.app.activity('read', { handler: () => balance });
  df.app.activity('write', { handler: (input: unknown) => void (balance = (input as { value: number }).value) });
  df.app.activity('prepare', { handler: () => undefined });
  df.app.orchestration('deposit', function* (context: OrchestrationContext) {
    const steps = context.df.getInput<number>();
    for (let i = 0; i < steps; i += 1) yield context.df.callActivity('prepare', { i });
    const before = (yield context.df.callActivity('read', {})) as number;
    yield context.df.callActivity('write', { value: before + 1 });
  });
  df.app.orchestration('twice', function* (context: OrchestrationContext) {
    yield context.df.Task.all([context.df.callSubOrchestrator('deposit', 0), context.df.callSubOrchestrator('deposit', 4)]);
    return (yield context.df.callActivity('read', {})) as number;
  });
}

describe('a seed', () => {
  test('finds a planted race within 50 seeds, and gives it again', async () => {
    const balanceOf = async (seed: number): Promise<unknown> => {
      const at = await createTestHost({ app: planted, seed, checkDeterminism: false });
      const { output } = await at.run('twice');
      await at.stop();
      return output;
    };
    let found: number | undefined;
    for (let seed = 1; seed <= 50 && found === undefined; seed += 1) if ((await balanceOf(seed)) === 1) found = seed;

    expect(found).toBeDefined();
    for (let i = 0; i < 3; i += 1) expect(await balanceOf(found ?? 0)).toBe(1);
  });

  test('makes the same run every time: ids, order and history', async () => {
    const traceOf = async (seed: number): Promise<string> => {
      const trace: string[] = [];
      const at = await createTestHost({
        app: () => {
          for (const name of ['a', 'b', 'c', 'd']) df.app.activity(name, { handler: () => name });
          df.app.orchestration('fan', function* (context: OrchestrationContext) {
            const tasks = ['a', 'b', 'c', 'd'].map((name) => context.df.callActivity(name, {}));
            const order: unknown[] = [];
            while (tasks.length > 0) {
              const winner = (yield context.df.Task.any(tasks)) as df.Task;
              order.push(winner.result);
              tasks.splice(tasks.indexOf(winner), 1);
            }
            return order;
          });
        },
        seed,
      });
      for (let i = 0; i < 3; i += 1) {
        const { id, output } = await at.run('fan');
        trace.push(id, JSON.stringify(output));
      }
      await at.stop();
      return trace.join(' ');
    };

    expect(await traceOf(7)).toBe(await traceOf(7));
    expect(await traceOf(7)).not.toBe(await traceOf(8));
  });
});

describe('the determinism check', () => {
  test('names orchestration, step, expected and actual command', async () => {
    const at = await hostOf(() => {
      df.app.activity('first', { handler: () => 1 });
      df.app.activity('second', { handler: () => 2 });
      df.app.orchestration('dice', function* (context: OrchestrationContext) {
        yield context.df.callActivity('first', {});
        yield context.df.callActivity('second', { roll: Math.random() });
      });
    });

    await expect(at.run('dice')).rejects.toThrow(
      /'dice' is not deterministic: step 2, command 2: expected "call activity second \{"input":\{"roll":0\.\d+\}\}", the replay gave "call activity second \{"input":\{"roll":0\.\d+\}\}"/,
    );
  });

  test('sees an orchestrator that forgets what it asked for', async () => {
    let turns = 0;
    const at = await hostOf(() => {
      df.app.activity('a', { handler: () => 1 });
      df.app.activity('b', { handler: () => 2 });
      df.app.orchestration('moody', function* (context: OrchestrationContext) {
        turns += 1;
        yield context.df.callActivity(turns <= 2 ? 'a' : 'b', {});
      });
    });

    await expect(at.run('moody')).rejects.toThrow(
      /step 2, command 1: expected "call activity a \{"input":\{\}\}", the next turn gave "call activity b/,
    );
  });

  test('sees a result that differs', async () => {
    let calls = 0;
    const at = await hostOf(() => {
      df.app.orchestration('counts', function* () {
        calls += 1;
        return calls;
      });
    });

    await expect(at.run('counts')).rejects.toThrow(/step 1, the result: expected \[true,1,null\], the replay gave \[true,2,null\]/);
  });

  test('is content with timers that are cancelled later', async () => {
    const at = await hostOf(approval);
    const id = await at.start('approval');
    await at.settle();
    await at.raise(id, 'Approval');

    expect((await at.finished(id)).status).toBe('Completed');
  });
});

describe('the test host', () => {
  test('replaces activities, and fails attempts that throw', async () => {
    let tries = 0;
    const at = await hostOf(
      () => {
        df.app.activity('pay', { handler: () => 'really paid' });
        df.app.orchestration('order', function* (context: OrchestrationContext) {
          return (yield context.df.callActivityWithRetry('pay', new df.RetryOptions(60_000, 3), { amount: 3 })) as string;
        });
      },
      {
        activities: {
          pay: (input) => {
            tries += 1;
            if (tries < 3) throw new Error('bank is closed');
            return { paid: (input as { amount: number }).amount };
          },
        },
      },
    );

    expect((await at.run('order')).output).toEqual({ paid: 3 });
    expect(tries).toBe(3);
  });

  test('signals and reads entities', async () => {
    const at = await hostOf(() => {
      df.app.entity('counter', (context: EntityContext<number>) => {
        context.df.setState((context.df.getState(() => 0) ?? 0) + (context.df.getInput<number>() ?? 0));
      });
    });

    await at.signal('counter', 'a', 'add', 4);
    await at.signal('counter', 'a', 'add', 5);
    await at.settle();

    expect(await at.entity('counter', 'a')).toBe(9);
    expect(await at.entity('counter', 'b')).toBeUndefined();
  });

  test('suspends, resumes and terminates', async () => {
    const at = await hostOf(approval);
    const id = await at.start('approval');
    await at.settle();
    await at.suspend(id, 'hold on');
    await at.settle();
    expect((await at.status(id)).status).toBe('Suspended');
    await at.raise(id, 'Approval', true);
    await at.settle();
    expect((await at.status(id)).status).toBe('Suspended');
    await at.resume(id, 'go on');
    await at.settle();
    expect((await at.status(id)).status).toBe('Completed');

    const other = await at.start('approval');
    await at.terminate(other, 'not needed');
    expect(await at.finished(other)).toMatchObject({ status: 'Terminated', output: 'not needed' });
  });
});
