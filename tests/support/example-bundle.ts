// The examples as they are, or changed in a few places, as bundles that the API takes; and data for them.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { componentsOf, type PipelineBundle } from '../../shared/contracts/pipeline.ts';
import { landingFolder } from './pipeline-variant.ts';

export interface ExampleFile {
  pipeline: string;
  data: string;
  complete: string;
  sources: Record<string, unknown>[];
  tables: Record<'silver' | 'gold', Record<string, unknown>>;
  train: Record<string, unknown>;
  gates: unknown[];
  environments: { dev: { start: string; targets: Record<string, unknown>[] } };
  [key: string]: unknown;
}

/** An example under another name (landing folder and endpoint follow it), after `change`. */
export async function exampleBundle(
  root: string,
  images: Readonly<Record<string, string>>,
  example: string,
  name: string,
  change: (file: ExampleFile) => void = () => undefined,
): Promise<PipelineBundle> {
  const folder = join(root, 'examples', example);
  const read = (file: string): Promise<string> => readFile(join(folder, file), 'utf8');
  const file = parse(await read('sluice.yaml')) as ExampleFile;
  file.pipeline = name;
  for (const source of file.sources) source['path'] = landingFolder(name);
  for (const target of file.environments.dev.targets) target['endpoint'] = `${name}-dev`;
  change(file);
  const components = [
    'transfer',
    ...componentsOf(file.train),
    ...file.environments.dev.targets.map((target) => String(target['component'])),
  ];
  const { releasable } = file.train;
  return {
    file: stringify(file),
    sql: { 'silver.sql': await read('silver.sql'), 'gold.sql': await read('gold.sql') },
    images: Object.fromEntries([...new Set(components)].map((one) => [one, images[one] ?? `no image of ${one}`])),
    ...(typeof releasable === 'string' ? { releasable: await read(releasable) } : {}),
  };
}

/** What the example's own generator makes. */
export async function generated(root: string, python: string, example: string, rows: number, folder: string): Promise<Buffer> {
  const file = join(folder, `${example}.csv`);
  const args = [join(root, 'examples', example, 'generate.py'), '--rows', String(rows), '--out', file];
  await promisify(execFile)(python, args, { timeout: 60_000 });
  return readFile(file);
}
