// The data that an example lands in a demo: a file that was given, the real set where the machine has it, or what its generator makes.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import * as z from 'zod';

export interface DataSource {
  file: string;
  /** Says to people which data it is. */
  words: string;
  kind: 'given' | 'real' | 'generated';
}

/** `examples/<pipeline>/data.yaml`. Real sets are beside the project, never part of it. */
const ExampleData = z.strictObject({
  site: z
    .strictObject({ dataset: z.string().regex(/^[a-z][a-z0-9-]*$/) })
    .optional()
    .describe('The data goes to the site, and a manifest of it lands'),
  real: z.strictObject({ file: z.string(), words: z.string() }),
  generated: z.strictObject({
    example: z
      .string()
      .regex(/^[a-z][a-z0-9-]*$/)
      .optional()
      .describe('Another example, whose generator makes it'),
    rows: z.number().int(),
    words: z.string(),
  }),
});
type ExampleData = z.infer<typeof ExampleData>;

const REAL_FOLDER = '../shared/data';

/** What an example's `data.yaml` says. */
export async function describedData(folder: string): Promise<ExampleData> {
  return ExampleData.parse(parse(await readFile(join(folder, 'data.yaml'), 'utf8')));
}

export async function exampleData(options: {
  root: string;
  /** Folder of the example. */
  folder: string;
  /** Where generated data goes. */
  workDir: string;
  python: string;
  given: string | undefined;
}): Promise<DataSource> {
  const { root, folder, workDir, python, given } = options;
  if (given !== undefined) return { file: resolve(given), words: `on ${given}`, kind: 'given' };
  const { real, generated } = await describedData(folder);
  const there = resolve(root, REAL_FOLDER, real.file);
  if (existsSync(there)) return { file: there, words: `on ${real.words}`, kind: 'real' };
  const file = join(workDir, 'generated.csv');
  const generator = generated.example === undefined ? folder : join(root, 'examples', generated.example);
  const args = [join(generator, 'generate.py'), '--rows', String(generated.rows), '--out', file];
  await promisify(execFile)(python, args, { timeout: 60_000 });
  return { file, words: `on ${generated.words}`, kind: 'generated' };
}
