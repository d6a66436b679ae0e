// How often a waiting story looks at its job, and how late it learns of the end: the shipped `await-job` on the engine in virtual time.
import * as df from 'durable-functions';
import { perform } from '../../functions/activities/kit.ts';
import { createTestHost } from '../../local/host/testing/test-host.ts';
import { awaitJob } from '../../orchestrations/await-job.ts';
import { readJob } from '../../shared/contracts/activities/training.ts';
import { type AwaitJobInput, JOB_HINT_EVENT, type Policy } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { median } from './figures.ts';

export type Poll = Pick<Policy, 'pollFirstSeconds' | 'pollMaxSeconds' | 'pollMaxHintedSeconds'>;

/** What a deployment polls by when nothing is set (docs/settings.md). */
export const DEFAULT_POLL = { pollFirstSeconds: 5, pollMaxSeconds: 60, pollMaxHintedSeconds: 600 } satisfies Poll;

/** Whether an event tells of the job's end: none does; one at the end; one before it, when the report lands; one that gets lost. */
export const EVENTS = ['none', 'at the end', 'before the end', 'lost'] as const;
export type Events = (typeof EVENTS)[number];
/** From the report that lands to the end of its job: the workflow closes. */
const EARLY_MS = 20_000;

export interface Waited {
  /** Looks in the first hour, while the waits are still growing, and in each hour after it. */
  firstHour: number;
  laterHour: number;
  /** From the job's end to the end of the waiting, in seconds of virtual time. */
  lateSeconds: number;
}

const START = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** Waits for one job that ends by itself. */
export async function waitFor(workingMs: number, poll: Poll, events: Events, id: string): Promise<Waited> {
  let now = (): number => START;
  const looks: number[] = [];
  const state = (): JobState => {
    const ended = now() - START >= workingMs;
    return { state: ended ? 'succeeded' : 'running', reason: null, queuedSeconds: 0, executionSeconds: ended ? workingMs / 1000 : null };
  };
  const read = perform(readJob, async () => {
    looks.push(now() - START);
    return state();
  });
  const register = (): void => {
    df.app.orchestration('await-job', awaitJob);
    df.app.activity(read.name, { handler: read.handler });
  };
  const host = await createTestHost({ app: register, start: new Date(START), checkDeterminism: false });
  try {
    now = () => host.clock.nowMs();
    await host.start('await-job', inputOf(poll, events !== 'none'), { instanceId: id });
    const early = events === 'before the end' ? EARLY_MS : 0;
    await host.advance(workingMs - early);
    if (events === 'at the end' || events === 'before the end') {
      await host.raise(id, JOB_HINT_EVENT, {});
      await host.settle();
    }
    await host.advance(early);
    const { status, output } = await host.finished(id);
    if (status !== 'Completed') throw new Error(`the waiting is ${status}: ${JSON.stringify(output)}`);
    const last = looks.at(-1) ?? 0;
    return { ...hourly(looks, workingMs), lateSeconds: (last - workingMs) / 1000 };
  } finally {
    await host.stop();
  }
}

/** Looks in the first hour, and the mean of the whole hours after it. */
export function hourly(looks: readonly number[], workingMs: number): Pick<Waited, 'firstHour' | 'laterHour'> {
  const hours = Math.floor(workingMs / HOUR);
  const firstHour = looks.filter((at) => at < HOUR).length;
  const later = looks.filter((at) => at >= HOUR && at < hours * HOUR).length;
  return { firstHour, laterHour: hours < 2 ? Number.NaN : later / (hours - 1) };
}

/** Jobs that end at other moments between two looks: median and largest delay. */
export async function lateness(poll: Poll, events: Events, jobs = 15): Promise<{ median: number; largest: number }> {
  const late: number[] = [];
  for (let job = 0; job < jobs; job += 1) {
    const longest = events === 'none' ? poll.pollMaxSeconds : (poll.pollMaxHintedSeconds ?? poll.pollMaxSeconds);
    const workingMs = HOUR + Math.round((job / jobs) * longest * 1000);
    late.push((await waitFor(workingMs, poll, events, `late-${job}`)).lateSeconds);
  }
  return { median: median(late), largest: Math.max(...late) };
}

function inputOf(poll: Poll, hinted: boolean): AwaitJobInput {
  return {
    pipeline: 'ble-location',
    backend: 'kubeflow',
    jobId: 'job',
    policy: { ...poll, signedUrlSeconds: 900 },
    submittedAt: new Date(START).toISOString(),
    deadline: new Date(START + 48 * HOUR).toISOString(),
    queueDeadline: null,
    budget: null,
    workingSince: null,
    givenUp: null,
    ...(hinted ? { hinted } : {}),
    polls: 0,
    waitSeconds: poll.pollFirstSeconds,
  };
}
