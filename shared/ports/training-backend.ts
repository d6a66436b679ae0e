// Where training runs. Long work is submit and get, never wait inside.
import type { JobSpec, JobState } from '../contracts/training.ts';

export interface TrainingBackend {
  readonly name: 'kubeflow';
  /**
   * Looks the job up by its name and creates it only if it is absent (X4). Two submits of one name make one job.
   * Rejects `job-conflict` when the name is taken by another graph, `backend-refused` (4xx); transient errors throw TransientError.
   */
  submit(job: JobSpec): Promise<{ jobId: string; adopted: boolean }>;
  get(jobId: string): Promise<JobState>;
  /** Asks for the end of a job; a job that is terminal or absent stays as it is. */
  cancel(jobId: string, reason: string): Promise<void>;
  /** The log of each step that has one, at most `maxBytes` from the end of each. */
  logs(jobId: string, maxBytes: number): Promise<{ step: string; text: string }[]>;
  /** One cheap call that proves the way and the identity; throws as the others do. */
  probe(): Promise<{ version: string }>;
}
