// A story with everything that must survive a kill: retry, sub-orchestration, entity call and signal, timer, external event,
// continueAsNew and whenAny. Every run of an activity goes to a log before it does anything.
import { appendFileSync } from 'node:fs';
import * as df from 'durable-functions';
import type { EntityContext, OrchestrationContext } from 'durable-functions';

/** What the story ends with, however often its host was killed. */
export const expectedOutput = {
  first: 'a',
  retried: 'r',
  child: 'c',
  counter: 12,
  event: { go: true },
  winner: 'quick',
  rounds: 2,
  fan: ['x', 'y', 'z'],
};

interface Step {
  label: string;
  /** Fails as often as this in one process; a restart may begin again, which at-least-once allows. */
  failures?: number;
}

export function registerStory(log: string): void {
  const failed = new Map<string, number>();
  df.app.activity('work', {
    handler: async (input: unknown) => {
      const { label, failures = 0 } = input as Step;
      appendFileSync(log, `run ${label}\n`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      const before = failed.get(label) ?? 0;
      if (before < failures) {
        failed.set(label, before + 1);
        throw new Error(`${label} fails on purpose`);
      }
      return label;
    },
  });
  df.app.entity('tally', (context: EntityContext<number>) => {
    const value = context.df.getState(() => 0) ?? 0;
    const sum = value + (context.df.getInput<number>() ?? 0);
    context.df.setState(sum);
    context.df.return(sum);
  });
  df.app.orchestration('child', function* (context: OrchestrationContext) {
    const label = (yield context.df.callActivity('work', { label: 'c' })) as string;
    return label;
  });
  df.app.orchestration('story', function* (context: OrchestrationContext) {
    const state = context.df.getInput<Record<string, unknown> & { rounds: number }>();
    const tally = new df.EntityId('tally', 'one');
    if (state.rounds === 0) {
      state['first'] = (yield context.df.callActivity('work', { label: 'a' })) as string;
      context.df.signalEntity(tally, 'add', 5);
      state['retried'] = (yield context.df.callActivityWithRetry('work', new df.RetryOptions(10, 4), {
        label: 'r',
        failures: 1,
      })) as string;
      state['child'] = (yield context.df.callSubOrchestrator('child', {}, `${context.df.instanceId}-child`)) as string;
      state.rounds = 1;
      context.df.continueAsNew(state);
      return undefined;
    }
    const slow = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 3_600_000));
    const quick = context.df.callActivity('work', { label: 'q' });
    const winner = (yield context.df.Task.any([slow, quick])) as df.Task;
    slow.cancel();
    state['winner'] = winner === quick ? 'quick' : 'slow';
    yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 50));
    state['counter'] = (yield context.df.callEntity(tally, 'add', 7)) as number;
    context.df.setCustomStatus('waiting');
    state['event'] = (yield context.df.waitForExternalEvent('Go')) as unknown;
    state['fan'] = (yield context.df.Task.all(['x', 'y', 'z'].map((label) => context.df.callActivity('work', { label })))) as string[];
    state.rounds = 2;
    return state;
  });
}
