// Where and how a pipeline trains: one component or a graph of steps, the backends that may run it, the machines, and the money.
import * as z from 'zod';
import { Name } from '../identifiers.ts';
import { Duration } from './parts.ts';

/** Kinds of place that train. */
export const BackendName = z.enum(['kubeflow', 'azureml', 'databricks', 'local']);
export type BackendName = z.infer<typeof BackendName>;

export const ParamName = z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/);
export const ParamValue = z.union([z.string().max(1000), z.number(), z.boolean(), z.array(z.number()).max(20)]);
/** Scalar parameters of a component; reach it as one JSON file. */
export const Params = z.record(ParamName, ParamValue);
export type Params = z.infer<typeof Params>;

/** File that a step leaves in its folder, relative and plain. */
const KeptFile = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/, 'expected a plain file name');

/** With `data: on-premises`: what steps may read beside `gold`; then no step has these names. */
export const SITE_INPUTS = ['source', 'releasable'] as const;
export type SiteInput = (typeof SITE_INPUTS)[number];

/**
 * One step of a training graph. Inputs are `gold` (the staged data; with `data: on-premises` the files that the manifest names), the folder
 * of an earlier step by its name, and with `data: on-premises` `source` (what the pipeline says of those files) and `releasable`.
 */
export const TrainStep = z.strictObject({
  name: Name,
  component: Name.describe('Folder under components/; its image comes from the lock file'),
  inputs: z
    .record(ParamName, Name)
    .default({})
    .describe('Input name of the component → "gold", the name of an earlier step, or with data: on-premises "source" or "releasable"'),
  params: Params.default({}).describe('Own parameters; those of `train.params` are given to every step and yield to these'),
  cpu: z.number().int().min(1).max(64).default(1),
  memoryGiB: z.number().min(0.5).max(512).default(2),
  keep: z.array(KeptFile).max(20).default([]).describe('Files of the step that are kept with the run: plots, tables'),
});
export type TrainStep = z.infer<typeof TrainStep>;

/** The machines that training must be on; checked before a job is made and recorded after it. */
export const Nodes = z.strictObject({
  selector: z.record(z.string().max(253), z.string().max(63)).describe('Node labels, e.g. intelvm: sgx'),
  tolerations: z
    .array(
      z.strictObject({
        key: z.string().max(253),
        operator: z.enum(['Exists', 'Equal']).default('Equal'),
        value: z.string().max(63).optional(),
        effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
      }),
    )
    .max(10)
    .default([]),
  runtimeClass: z.string().max(63).optional(),
  minimum: z.number().int().min(1).max(100).default(1).describe('Ready nodes that must be there'),
  enclave: z.enum(['none', 'gramine']).default('none').describe('none: on such a machine, not inside an enclave; never claimed otherwise'),
});
export type Nodes = z.infer<typeof Nodes>;

/** What training may cost; the amount is reserved before a job is made. */
export const Budget = z.strictObject({
  costPerHour: z.number().positive().describe('Price of the machine for one hour, in any currency of yours'),
  perRun: z.number().positive().describe('A run is stopped when it reaches this'),
  perMonth: z.number().positive().optional().describe('All runs of a calendar month (UTC) together'),
});
export type Budget = z.infer<typeof Budget>;

export const Train = z
  .strictObject({
    backend: z.array(BackendName).min(1).max(4).describe('Where training may run, in order of preference'),
    choose: z
      .enum(['first-available', 'residency'])
      .default('first-available')
      .describe(
        'first-available: the first backend that answers and has the machines; residency: only those that keep the data where it must stay',
      ),
    residency: Name.optional().describe('With choose: residency, the region or site that data must not leave, e.g. eu or plant-3'),
    component: Name.optional().describe('Folder under components/; its image comes from the lock file'),
    steps: z.array(TrainStep).min(1).max(20).optional().describe('A graph of components instead of one'),
    result: Name.optional().describe('The step that leaves run-report.json and model.tar.gz; the last without it'),
    params: Params.default({}),
    keep: z.array(KeptFile).max(20).default([]).describe('With one component: files that are kept with the run beside report and model'),
    releasable: KeptFile.optional().describe(
      'With data: on-premises: file beside sluice.yaml with rows that may leave; golden rows come from nowhere else',
    ),
    deadline: Duration.default('2h').describe('From submission to a terminal state; then the job is cancelled'),
    queueWithin: Duration.optional().describe('From submission to the start of work; then the job is cancelled'),
    cpu: z.number().int().min(1).max(64).default(1),
    memoryGiB: z.number().min(0.5).max(512).default(2),
    nodes: Nodes.optional(),
    whenBusy: z
      .enum(['queue', 'latest-wins', 'parallel'])
      .default('queue')
      .describe('While a training of this pipeline is in flight: wait for it; wait, and give way to newer data; or do not wait'),
    budget: Budget.optional(),
    mlflow: z
      .strictObject({ experiment: z.string().min(1).max(200) })
      .optional()
      .describe('Runs of every backend are also logged to this experiment of the Azure ML workspace'),
  })
  .superRefine((train, context) => {
    const say = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
    if ((train.component === undefined) === (train.steps === undefined)) say([], 'state either "component" or "steps"');
    if (train.choose === 'residency' && train.residency === undefined) say(['residency'], 'choose: residency needs it');
    const earlier = new Set<string>(['gold']);
    train.steps?.forEach((step, index) => {
      if (earlier.has(step.name)) say(['steps', index, 'name'], `"${step.name}" is taken`);
      for (const [input, from] of Object.entries(step.inputs)) {
        if (!earlier.has(from) && !isSiteInput(from))
          say(['steps', index, 'inputs', input], `"${from}" is neither "gold" nor an earlier step`);
      }
      earlier.add(step.name);
    });
    if (train.result !== undefined && !train.steps?.some((step) => step.name === train.result))
      say(['result'], `no step "${train.result}"`);
  });
export type Train = z.infer<typeof Train>;

/** The components that a training runs, each once: the one, or those of its steps. */
export function componentsOf(train: Pick<Train, 'component' | 'steps'>): string[] {
  return [...new Set([...(train.component === undefined ? [] : [train.component]), ...(train.steps ?? []).map((step) => step.component)])];
}

/** Whether the name means one of `SITE_INPUTS`; a step of the graph that has the name comes first. */
export function isSiteInput(from: string): from is SiteInput {
  return (SITE_INPUTS as readonly string[]).includes(from);
}

/** Whether a step of the training reads the input. A training of one component gets the releasable rows where there are any. */
export function readsSiteInput(train: Pick<Train, 'steps' | 'releasable'>, input: SiteInput): boolean {
  if (train.steps) return train.steps.some((step) => Object.values(step.inputs).includes(input));
  return input === 'releasable' && train.releasable !== undefined;
}
