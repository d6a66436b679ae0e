// Hyper-parameter searches where a backend has them itself. Long work is submit and get, never wait inside.
import type { JobSpec, SearchSpace } from '../contracts/training.ts';

export interface SweepSpec {
  /** One step; the entries of its parameter `params` (JSON text) that the space names get other values in each trial. */
  job: JobSpec;
  space: SearchSpace;
  /** `metric` is logged by the trial under this name. */
  objective: { metric: string; goal: 'maximize' | 'minimize' };
  trials: number;
  parallel: number;
  seed: number;
}

export interface Trial {
  /** The backend's name of the trial's job. */
  name: string;
  params: Record<string, number | string | boolean>;
  state: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  /** The objective's last value; null until there is one. */
  metric: number | null;
  /** The last finite value of everything that the trial logged. */
  metrics: Record<string, number>;
  /** ISO 8601; null before it began to work, and before it ended. */
  startedAt: string | null;
  endedAt: string | null;
}

export interface SweepState {
  state: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'absent';
  reason: string | null;
  /** Best first where the objective is known, then by name. */
  trials: Trial[];
}

export interface SweepBackend {
  /** Look before create, by the job's name, as TrainingBackend.submit; the same rejections. */
  submit(spec: SweepSpec): Promise<{ jobId: string; adopted: boolean; hinted?: boolean }>;
  /** `objective` orders the trials and picks the metric: pass what was submitted. */
  get(jobId: string, objective: SweepSpec['objective']): Promise<SweepState>;
  cancel(jobId: string, reason: string): Promise<void>;
}
