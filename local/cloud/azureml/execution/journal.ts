// Writes down what happens to jobs, and keeps the run of the same name in MLflow in step; on disk before anybody can see it.
// All changes of status go through here.
import type { Clock } from '../../kit/clock.ts';
import { eventsOf, type EventSender } from '../events.ts';
import { isTerminal, type JobRecord, type JobStatus } from '../model.ts';
import type { RunStatus } from '../mlflow/tracking-store.ts';
import type { Store } from '../store.ts';

/** Changes status. */
export interface Journal {
  status(job: JobRecord, status: JobStatus, reason?: string): void;
  /** A property that the service adds to the job and its run's tags. */
  result(job: JobRecord, key: string, value: string): void;
}

/** MLflow's word for a job's status. */
const RUN_STATUS: Readonly<Record<JobStatus, RunStatus>> = {
  NotStarted: 'SCHEDULED',
  Starting: 'SCHEDULED',
  Provisioning: 'SCHEDULED',
  Preparing: 'SCHEDULED',
  Queued: 'SCHEDULED',
  Running: 'RUNNING',
  Finalizing: 'RUNNING',
  NotResponding: 'RUNNING',
  CancelRequested: 'RUNNING',
  Completed: 'FINISHED',
  Failed: 'FAILED',
  Canceled: 'KILLED',
};

/** Opens the journal of a workspace. */
export function createJournal(store: Store, clock: Clock, workspaceId: string, sender: EventSender, failures: boolean): Journal {
  return {
    status(job, status, reason) {
      const now = clock.now();
      if (isTerminal(job.status) || store.job(job.name) !== job) return; // it ended, or it vanished
      if (job.status === 'CancelRequested' && !isTerminal(status)) return;
      job.status = status;
      job.history.push({ status, at: now });
      if (reason !== undefined) job.reason = reason;
      if (status === 'Running') job.startedAt ??= now;
      if (isTerminal(status)) job.endedAt = now;
      job.modifiedAt = now;
      store.saveJob(job);
      const run = store.tracking.run(job.name);
      if (run) {
        // A run begins with its work: until then its start is the moment of its creation.
        if (status === 'Running' && job.startedAt !== undefined) run.startTime = job.startedAt;
        run.status = RUN_STATUS[status];
        run.endTime = job.endedAt ?? null;
        store.tracking.save(run);
      }
      sender.send(eventsOf(workspaceId, job, status, now, failures));
    },
    result(job, key, value) {
      job.results[key] = value;
      store.saveJob(job);
      const run = store.tracking.run(job.name);
      if (!run) return;
      run.tags[key] = value;
      store.tracking.save(run);
    },
  };
}
