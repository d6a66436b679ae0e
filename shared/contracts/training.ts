// Jobs for a training backend: a small graph of container steps, and the states a job goes through.
import * as z from 'zod';
import { ImageReference, Name, RunId, Sha256 } from './identifiers.ts';
import { BackendName, Nodes } from './pipeline/train.ts';

const Key = z.string().regex(/^[a-z][a-z0-9_]*$/);
const prefix = z
  .string()
  .regex(/^[A-Za-z0-9_=:-]*$/)
  .optional();

/**
 * An argument of a step: a literal, a run parameter, the path of an own output folder, the path of an earlier step's output folder, or the
 * path of the folder that holds the files of a job input. `prefix` is put before the path without a space (`gold=` for `--input gold=PATH`).
 */
export const StepArgument = z.union([
  z.string(),
  z.strictObject({ parameter: Key }),
  z.strictObject({ output: Key }),
  z.strictObject({ from: Name, output: Key, prefix }),
  z.strictObject({ input: Name, prefix }),
]);
export type StepArgument = z.infer<typeof StepArgument>;

/** What kind of thing a step leaves under an output key; backends with typed artifacts (Kubeflow's `system.*`) show it as such. */
export const OutputType = z.enum(['Artifact', 'Dataset', 'Model', 'Metrics', 'ClassificationMetrics']);
export type OutputType = z.infer<typeof OutputType>;

export const JobStep = z.strictObject({
  name: Name,
  image: ImageReference,
  command: z.array(z.string()).min(1),
  args: z.array(StepArgument),
  cpu: z.number().int().min(1),
  memoryGiB: z.number().positive(),
  component: Name.optional().describe('Folder under components/, for backends that run code from a package instead of an image'),
  outputTypes: z
    .record(Key, OutputType)
    .optional()
    .describe('Type of an output; a key that no argument names is an artifact made of the run report alone (metrics, a ROC curve)'),
});
export type JobStep = z.infer<typeof JobStep>;

/**
 * A file that a job needs. It is at `storePath` of the store's container; `url` reads it without an identity, and is a secret. A file of the
 * site has its address (`site://…`) as both.
 */
export const JobFile = z.strictObject({
  name: z.string().min(1).max(200),
  storePath: z.string(),
  sha256: Sha256,
  bytes: z.number().int().min(0),
  url: z.string(),
});
export type JobFile = z.infer<typeof JobFile>;

/** Files that a step leaves in its output folder `output`, and where they go; `url` creates, `readUrl` reads, both are secrets. */
export const JobExport = z.strictObject({
  step: Name,
  output: Key,
  file: z.string().min(1).max(200),
  storePath: z.string(),
  url: z.string(),
  readUrl: z.string(),
  optional: z.boolean().default(false).describe('The file may be absent, and the step may have failed'),
});
export type JobExport = z.infer<typeof JobExport>;

/**
 * `name` is the identity: the same name is the same job. Parameter values and URLs may carry signatures: never log them.
 * `inputs` and `exports` say what goes in and comes out; each backend brings files in its own way (a mount, a datastore path, a fetch step)
 * and leaves every export at its `storePath`, the file `run-report.json` of the result step last.
 */
export const JobSpec = z.strictObject({
  name: z
    .string()
    .max(110)
    .regex(/^[a-z0-9-]+$/),
  graph: z
    .string()
    .max(60)
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
    .describe('Name of the graph for people, e.g. ble-location-train'),
  steps: z.array(JobStep).min(1),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  labels: z.record(z.string(), z.string()),
  inputs: z.record(Name, z.array(JobFile).min(1)).default({}),
  exports: z.array(JobExport).default([]),
  transferImage: ImageReference.optional().describe('Image of the component that fetches and exports, for backends without a mount'),
  timeoutSeconds: z.number().int().min(60).optional().describe('The backend itself ends the job after this; our own deadline is shorter'),
  nodes: Nodes.optional(),
  rowsStay: z.boolean().optional().describe('No row of the inputs may leave the site: not in a log, a report, a message or a file'),
  lineage: z
    .strictObject({
      pipeline: Name,
      runId: RunId,
      goldDigest: Sha256.optional(),
      specDigest: Sha256.optional(),
      goldTable: z.string().optional(),
      goldVersion: z.number().int().optional(),
    })
    .optional()
    .describe('Becomes tags of the job where the backend has them'),
  experiment: z.string().max(200).optional().describe('Experiment name where the backend has them'),
});
export type JobSpec = z.infer<typeof JobSpec>;
/** What a caller writes; defaults are filled in by parsing. */
export type JobSpecInput = z.input<typeof JobSpec>;

/** A hyper-parameter search: trials of one graph with other values for some entries of its parameter `params`. */
export const SearchSpace = z.record(
  z.string(),
  z.union([
    z.strictObject({
      choice: z
        .array(z.union([z.number(), z.string(), z.boolean()]))
        .min(1)
        .max(50),
    }),
    z.strictObject({ uniform: z.tuple([z.number(), z.number()]) }),
    z.strictObject({ logUniform: z.tuple([z.number().positive(), z.number().positive()]) }),
  ]),
);
export type SearchSpace = z.infer<typeof SearchSpace>;

/** Where a step ran, as the backend's machines say it. */
export const Placement = z.strictObject({
  step: z.string(),
  node: z.string(),
  labels: z.record(z.string(), z.string()),
  enclave: z.enum(['none', 'gramine']),
});
export type Placement = z.infer<typeof Placement>;

/** A placement for people. `none` is never more than it is: such a machine, not inside an enclave. */
export function placementWords({ step, node, labels, enclave }: Placement): string {
  const named = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const sgx = Object.values(labels).includes('sgx') || Object.keys(labels).some((key) => /(^|[./-])sgx($|[./-])/.test(key));
  const machine = sgx ? 'on an SGX machine' : 'on this machine';
  return `${step} on ${node}${named.length > 0 ? ` (${named.join(', ')})` : ''}: ${enclave === 'none' ? `${machine}, not in an enclave` : `${machine}, in a ${enclave} enclave`}`;
}

/** Unknown vendor states map to `running` and are reported in `reason`; `absent` = the backend does not know the job. */
export const JobState = z.strictObject({
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled', 'absent']),
  reason: z.string().nullable(),
  queuedSeconds: z.number().nullable(),
  executionSeconds: z.number().nullable(),
  vendorState: z.string().max(100).optional().describe('The state in the backend’s own word'),
  placements: z.array(Placement).max(50).optional(),
});
export type JobState = z.infer<typeof JobState>;

/** True when the job will not change any more. */
export function isTerminal(state: JobState['state']): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled' || state === 'absent';
}

export { BackendName };
