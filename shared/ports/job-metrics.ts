// Numbers that a service keeps of a job beside what the component reports: the second source, asked only for what the report does not say.

export interface JobMetrics {
  /** The last value of each metric, finite ones only; null for a job that it does not know. */
  read(jobName: string): Promise<Readonly<Record<string, number>> | null>;
}
