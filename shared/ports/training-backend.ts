// Where training runs. Long work is submit and get, never wait inside.
import type { BackendName } from '../contracts/pipeline/train.ts';
import type { JobSpec, JobState } from '../contracts/training.ts';

/** Whether a backend can take a job now; `missing` says what it lacks, in words a person can act on. */
export type Availability = { available: true } | { available: false; missing: string };

export interface TrainingBackend {
  readonly name: BackendName;
  /**
   * Looks the job up by its name and creates it only if it is absent (X4). Two submits of one name make one job.
   * Rejects `job-conflict` when the name is taken by another graph, `backend-refused` (4xx; the message names the identity and the role
   * that is missing where the service says so); transient errors throw TransientError. `hinted`: an event will tell of the job's end.
   */
  submit(job: JobSpec): Promise<{ jobId: string; adopted: boolean; hinted?: boolean }>;
  get(jobId: string): Promise<JobState>;
  /** Asks for the end of a job; a job that is terminal or absent stays as it is. */
  cancel(jobId: string, reason: string): Promise<void>;
  /** The log of each step that has one, at most `maxBytes` from the end of each. */
  logs(jobId: string, maxBytes: number): Promise<{ step: string; text: string }[]>;
  /** One cheap call that proves the way and the identity; throws as the others do. */
  probe(): Promise<{ version: string }>;
  /** Looks whether this backend can run the job before it is made: machines that are Ready, compute that exists. */
  check(job: Pick<JobSpec, 'nodes' | 'steps' | 'rowsStay'>): Promise<Availability>;
}
