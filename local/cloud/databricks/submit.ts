// The body of runs/submit, strictly: unknown names, wrong types, tasks without code, machines or an order (facts/azure.md §6).
import { z } from 'zod';
import { invalid } from './model.ts';

const key = z.string().regex(/^[A-Za-z0-9_-]{1,100}$/);
const strings = z.array(z.string());
const volumePath = z.string().regex(/^\/Volumes\/[^/]+\/[^/]+\/[^/]+\/.+/, 'is no path of a volume');

const task = z
  .strictObject({
    task_key: key,
    description: z.string().max(1000).optional(),
    depends_on: z.array(z.strictObject({ task_key: key, outcome: z.string().optional() })).optional(),
    python_wheel_task: z
      .strictObject({
        package_name: z.string().min(1),
        entry_point: z.string().min(1),
        parameters: strings.optional(),
        named_parameters: z.record(z.string(), z.string()).optional(),
      })
      .optional(),
    spark_python_task: z.strictObject({ python_file: volumePath, parameters: strings.optional() }).optional(),
    libraries: z.array(z.strictObject({ whl: volumePath })).optional(),
    existing_cluster_id: z.string().optional(),
    new_cluster: z
      .strictObject({
        spark_version: z.string(),
        node_type_id: z.string(),
        num_workers: z.number().int().min(0).optional(),
        spark_env_vars: z.record(z.string(), z.string()).optional(),
        spark_conf: z.record(z.string(), z.string()).optional(),
        policy_id: z.string().optional(),
        data_security_mode: z.string().optional(),
        custom_tags: z.record(z.string(), z.string()).optional(),
      })
      .optional(),
    timeout_seconds: z.number().int().min(0).optional(),
  })
  .superRefine((value, context) => {
    const say = (message: string): void => void context.addIssue({ code: 'custom', message });
    if ((value.python_wheel_task === undefined) === (value.spark_python_task === undefined)) say('needs exactly one kind of task');
    if ((value.existing_cluster_id === undefined) === (value.new_cluster === undefined)) say('needs existing_cluster_id or new_cluster');
    if (value.python_wheel_task && !value.libraries?.length) say('a wheel task needs its wheel among libraries');
  });

const Submit = z
  .strictObject({
    run_name: z.string().max(4096).default('Untitled'),
    tasks: z.array(task).min(1).max(100),
    idempotency_token: z.string().max(64).optional(),
    timeout_seconds: z.number().int().min(0).default(0),
    queue: z.strictObject({ enabled: z.boolean() }).optional(),
    run_as: z.strictObject({ service_principal_name: z.string().optional(), user_name: z.string().optional() }).optional(),
  })
  .superRefine(({ tasks }, context) => {
    const before = new Set<string>();
    for (const { task_key, depends_on } of tasks) {
      if (before.has(task_key)) context.addIssue({ code: 'custom', message: `Duplicate task key '${task_key}'` });
      for (const needed of depends_on ?? []) {
        // The service takes any order without a cycle; ours is written in order (stricter than the service).
        if (!before.has(needed.task_key))
          context.addIssue({ code: 'custom', message: `'${task_key}' depends on unknown task '${needed.task_key}'` });
      }
      before.add(task_key);
    }
  });
export type Submit = z.infer<typeof Submit>;
export type SubmitTask = Submit['tasks'][number];

export function readSubmit(body: unknown): Submit {
  const parsed = Submit.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${issue?.path.map(String).join('.') || 'The request'}: ${issue?.message ?? 'is not acceptable'}`);
}
