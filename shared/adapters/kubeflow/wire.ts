// The parts of KFP v2beta1 answers that the adapter reads (facts/kubeflow.md §1). Zero values are omitted on the wire; unknown fields are ignored.
import * as z from 'zod';

const text = z.string().optional();
const fault = z.object({ message: text, code: z.number().optional() }).optional();

export const Task = z.object({
  task_id: text,
  display_name: text,
  create_time: text,
  start_time: text,
  end_time: text,
  state: text,
  error: fault,
  pod_name: text,
  child_tasks: z.array(z.object({ pod_name: text })).optional(),
});
export type Task = z.infer<typeof Task>;

export const Run = z.object({
  run_id: z.string().min(1),
  display_name: text,
  state: text,
  created_at: text,
  error: fault,
  pipeline_version_reference: z.object({ pipeline_id: text, pipeline_version_id: text }).optional(),
  run_details: z.object({ task_details: z.array(Task).optional() }).optional(),
  state_history: z.array(z.object({ state: text })).optional(),
});
export type Run = z.infer<typeof Run>;

export const RunList = z.object({ runs: z.array(Run).optional() });

export const Pipeline = z.object({ pipeline_id: z.string().min(1) });

export const PipelineVersion = z.object({
  pipeline_id: text,
  pipeline_version_id: z.string().min(1),
  name: text,
  display_name: text,
  pipeline_spec: z.record(z.string(), z.unknown()).optional(),
});
export type PipelineVersion = z.infer<typeof PipelineVersion>;

export const PipelineVersionList = z.object({ pipeline_versions: z.array(PipelineVersion).optional() });

export const Experiment = z.object({ experiment_id: z.string().min(1), display_name: text });
export const ExperimentList = z.object({ experiments: z.array(Experiment).optional() });

export const Health = z.object({ tag_name: text, multi_user: z.boolean().optional() });

/** An answer whose content does not matter. */
export const Anything = z.unknown();

/** A list filter: equality of one key (the server decodes twice, so values must be plain: facts/kubeflow.md §1 Filter syntax). */
export function equals(key: string, value: string): string {
  return JSON.stringify({ predicates: [{ operation: 'EQUALS', key, string_value: value }] });
}
