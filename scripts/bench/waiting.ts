// How often a waiting story looks at its job, and how late it learns of the end: the shipped `await-job` on the engine in virtual time.
import * as df from 'durable-functions';
import { perform } from '../../functions/activities/kit.ts';
import { createTestHost } from '../../local/host/testing/test-host.ts';
import { awaitJob } from '../../orchestrations/await-job.ts';
import { readJob } from '../../shared/contracts/activities/training.ts';
import { type AwaitJobInput, JOB_HINT_EVENT, type Policy } from '../../shared/contracts/stories.ts';
import type { JobState } from '../../shared/contracts/training.ts';
import { median } from './figures.ts';

export type Poll = Pick<Policy, 'pollFirstSeconds' | 'pollMaxSeconds'>;

/** What a deployment polls by when nothing is set (docs/settings.md), and by where events tell of jobs. */
export const DEFAULT_POLL: Poll = { pollFirstSeconds: 5, pollMaxSeconds: 60 };
export const SLOW_POLL: Poll = { pollFirstSeconds: 5, pollMaxSeconds: 600 };

export interface Waited {
  /** Looks in the first hour, while the waits are still growing, and in each hour after it. */
  firstHour: number;
  laterHour: number;
  /** From the job's end to the end of the waiting, in seconds of virtual time. */
  lateSeconds: number;
}

const START = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** Waits for one job that ends by itself; with `hint` its end is told as soon as it happens. */
export async function waitFor(workingMs: number, poll: Poll, hint: boolean, id: string): Promise<Waited> {
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
    await host.start('await-job', inputOf(poll), { instanceId: id });
    await host.advance(workingMs);
    if (hint) await host.raise(id, JOB_HINT_EVENT, {});
    if (hint) await host.settle();
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
export async function lateness(poll: Poll, hint: boolean, jobs = 15): Promise<{ median: number; largest: number }> {
  const late: number[] = [];
  for (let job = 0; job < jobs; job += 1) {
    const workingMs = HOUR + Math.round((job / jobs) * poll.pollMaxSeconds * 1000);
    late.push((await waitFor(workingMs, poll, hint, `late-${job}`)).lateSeconds);
  }
  return { median: median(late), largest: Math.max(...late) };
}

function inputOf({ pollFirstSeconds, pollMaxSeconds }: Poll): AwaitJobInput {
  return {
    pipeline: 'ble-location',
    backend: 'kubeflow',
    jobId: 'job',
    policy: { pollFirstSeconds, pollMaxSeconds, signedUrlSeconds: 900 },
    submittedAt: new Date(START).toISOString(),
    deadline: new Date(START + 48 * HOUR).toISOString(),
    queueDeadline: null,
    budget: null,
    workingSince: null,
    givenUp: null,
    polls: 0,
    waitSeconds: pollFirstSeconds,
  };
}
