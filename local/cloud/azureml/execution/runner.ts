// The life of jobs: NotStarted until Completed, Failed or Canceled, each change on disk as it happens.
// Cancelling goes to CancelRequested at once; a stand-in that dies leaves its jobs Failed when it comes back.
import type { Author, JobRecord } from '../model.ts';
import { isTerminal } from '../model.ts';
import type { ComputeOptions } from '../options.ts';
import { runCommand, type CommandPlan, type Machinery } from './command.ts';
import { LocationError } from './files.ts';
import { createLive, failed, type Live, type Outcome } from './live.ts';
import { runPipeline } from './pipeline.ts';
import { planCommand } from './plan.ts';
import { runSweep } from './sweep.ts';

/** Runs jobs. */
export interface Runner {
  /** Begins a job that is stored. */
  start(job: JobRecord): void;
  /** CancelRequested now, Canceled when its processes are gone; nothing for a job that has ended. */
  cancel(job: JobRecord, who: Author): void;
  /** SIGKILL to its process, as when memory is out; false when it has none. */
  kill(job: JobRecord): boolean;
  /** Ends the processes of a job that is forgotten. */
  abandon(job: JobRecord): void;
  /** Resolves when the job is no longer live. */
  settled(name: string): Promise<void>;
  close(): Promise<void>;
}

const LOST: Outcome = failed('the stand-in ended while the job was in flight (the service would have gone on)');

/** Opens the runner; jobs that were in flight when the stand-in died are stored as Failed. */
export function createRunner(machinery: Machinery, computes: readonly ComputeOptions[]): Runner {
  const { journal, store, options } = machinery;
  const lives = new Map<string, { live: Live; done: Promise<void> }>();

  const outcomeOf = async (work: () => Promise<Outcome>): Promise<Outcome> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof LocationError) return failed(error.message);
      return failed(`the stand-in could not run the job: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const follow = (job: JobRecord, live: Live, work: () => Promise<Outcome>): Promise<Outcome> => {
    const result = outcomeOf(work).then((outcome) => {
      journal.status(job, outcome.status, outcome.reason);
      return outcome;
    });
    const done = result.then(() => {
      lives.delete(job.name);
    });
    lives.set(job.name, { live, done });
    return result;
  };
  const runPlanned = (child: JobRecord, live: Live, plan: () => CommandPlan): Promise<Outcome> =>
    follow(child, live, async () => runCommand(machinery, plan(), live));
  const workOf = (job: JobRecord, live: Live) => async (): Promise<Outcome> => {
    switch (job.jobType) {
      case 'Command':
        return runCommand(machinery, planCommand(machinery, computes, job), live);
      case 'Sweep':
        return runSweep(machinery, job, live, (child, childLive) => follow(child, childLive, workOf(child, childLive)));
      case 'Pipeline':
        return runPipeline(machinery, computes, job, live, runPlanned);
    }
  };

  for (const job of store.jobs().filter(({ status }) => !isTerminal(status))) journal.status(job, 'Failed', LOST.reason);

  return {
    start(job) {
      const live = createLive(options.graceMs);
      // The answer to the PUT still shows NotStarted.
      void follow(job, live, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return workOf(job, live)();
      });
    },
    cancel(job, who) {
      if (isTerminal(job.status) || job.status === 'CancelRequested') return;
      journal.status(job, 'CancelRequested');
      lives.get(job.name)?.live.stop({ status: 'Canceled', reason: `cancelled by ${who.id}` });
    },
    kill: (job) => lives.get(job.name)?.live.kill() ?? false,
    abandon(job) {
      lives.get(job.name)?.live.stop({ status: 'Canceled', reason: 'the job does not exist any more' });
    },
    settled: (name) => lives.get(name)?.done ?? Promise.resolve(),
    async close() {
      const open = [...lives.values()];
      for (const { live } of open) live.stop(LOST);
      await Promise.allSettled(open.map(({ done }) => done));
    },
  };
}
