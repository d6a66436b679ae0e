// A job as a folder: everything about it is a file that appears whole or not at all, so any process of ours can go on with it after a restart.
//   job.json       what it is, without values that may carry signatures        secrets.json               those values; removed when the job has ended
//   inputs/NAME/   files that were fetched                                     cancel.json, problem.json  why it has to end
//   steps/STEP/    claim/ (taken), pid, log, exit, killed.json, out/OUTPUT/    end.json                   how it ended
import { link, mkdir, mkdtemp, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { JobSpec } from '../../contracts/training.ts';
import { graphDigest } from '../../decisions/job-graph.ts';

const Secrets = JobSpec.pick({ parameters: true, inputs: true, exports: true });
const Stored = z.strictObject({ graph: z.string(), createdAt: z.string(), spec: JobSpec });

/** How a job ended. */
export const End = z.strictObject({
  state: z.enum(['succeeded', 'failed', 'cancelled']),
  reason: z.string().nullable(),
  queuedSeconds: z.number().nullable(),
  executionSeconds: z.number().nullable(),
});
export type End = z.infer<typeof End>;

export const Cancel = z.strictObject({ reason: z.string() });
/** Why the job cannot succeed any more. */
export const Problem = z.strictObject({ problem: z.string() });
/** When a step's processes were asked to end, in milliseconds since 1970. */
export const Asked = z.strictObject({ at: z.number() });
/** Why we ended a step's processes ourselves. */
export const Killed = z.strictObject({ why: z.string() });

export interface JobFolder {
  readonly path: string;
  readonly name: string;
  /** The job with all its values while it goes on; without parameters, URLs and files once it has ended. null when it is gone. */
  spec(): Promise<JobSpec | null>;
  graph(): Promise<string | null>;
  createdAt(): Promise<number>;
  step(name: string): StepFolder;
  inputPath(input: string): string;
  read<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema> | null>;
  /** Writes a file that nobody has written yet; false when somebody has. */
  once(file: string, value: unknown): Promise<boolean>;
  /** Forgets parameters and URLs. */
  forgetSecrets(): Promise<void>;
}

export interface StepFolder {
  readonly path: string;
  readonly log: string;
  output(name: string): string;
}

/** Names of jobs are file names: nothing else is looked up. */
export function isJobName(name: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,109}$/.test(name);
}

/** Makes the folder of a job, all of it at once; `exists` when there is one of this name. */
export async function createJobFolder(root: string, job: JobSpec, at: string): Promise<'created' | 'exists'> {
  await mkdir(root, { recursive: true });
  const fresh = await mkdtemp(join(root, '.new-'));
  try {
    const { parameters, inputs, exports, ...rest } = job;
    const spec = { ...rest, parameters: {}, inputs: {}, exports: [] };
    await writeFile(
      join(fresh, 'job.json'),
      JSON.stringify({ graph: graphDigest(job), createdAt: at, spec } satisfies z.input<typeof Stored>),
    );
    await writeFile(join(fresh, 'secrets.json'), JSON.stringify({ parameters, inputs, exports }), { mode: 0o600 });
    await mkdir(join(fresh, 'steps'));
    await rename(fresh, join(root, job.name));
    return 'created';
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    // A folder that holds something is not replaced by a rename: whoever came first has made the job.
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) return 'exists';
    throw error;
  }
}

export function openJobFolder(root: string, name: string): JobFolder {
  const path = join(root, name);

  async function read<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema> | null> {
    const text = await readFile(join(path, file), 'utf8').catch((error: unknown) => {
      if (isAbsent(error)) return null;
      throw error;
    });
    return text === null ? null : schema.parse(JSON.parse(text));
  }

  return {
    path,
    name,
    read,
    async spec() {
      const stored = await read('job.json', Stored);
      if (!stored) return null;
      const secrets = await read('secrets.json', Secrets);
      return { ...stored.spec, ...secrets };
    },
    graph: async () => (await read('job.json', Stored))?.graph ?? null,
    createdAt: async () => (await stat(join(path, 'job.json'))).mtimeMs,
    step(step) {
      const folder = join(path, 'steps', step);
      return { path: folder, log: join(folder, 'log'), output: (output) => join(folder, 'out', output) };
    },
    inputPath: (input) => join(path, 'inputs', input),
    async once(file, value) {
      const target = join(path, file);
      const fresh = `${target}.${process.pid}-${Math.random().toString(36).slice(2)}`;
      await writeFile(fresh, JSON.stringify(value));
      try {
        await link(fresh, target);
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      } finally {
        await unlink(fresh);
      }
    },
    forgetSecrets: () => rm(join(path, 'secrets.json'), { force: true }),
  };
}

/** Whether a file, or the folder it is in, is not there. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
}

export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
