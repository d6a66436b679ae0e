// Reads a pipeline's folder (sluice.yaml, SQL, lock file of images) into the bundle that `apply` sends.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { componentsOf, type Pipeline, type PipelineBundle } from '../shared/contracts/pipeline.ts';
import { parsePipelineFile } from '../shared/contracts/pipeline-file.ts';
import { CommandError, EXIT } from './failure.ts';

/** Checks the file before anything is sent; problems name file, line and mend. */
export async function readPipelineFolder(
  folder: string,
  images: Record<string, string>,
): Promise<{ pipeline: Pipeline; bundle: PipelineBundle }> {
  const path = join(folder, 'sluice.yaml');
  const file = await text(path);
  const parsed = parsePipelineFile(file);
  if (!parsed.ok) {
    const lines = parsed.problems.map(
      ({ line, column, where, problem, mend }) =>
        `  ${path}:${line}:${column}  ${where ? `${where}: ` : ''}${problem}${mend ? `; ${mend}` : ''}`,
    );
    throw new CommandError(EXIT.usage, [`${path} is not a pipeline:`, ...lines].join('\n'), null, 'pipeline-invalid');
  }
  const { pipeline } = parsed;
  const names = new Set([pipeline.tables.silver.sql, pipeline.tables.gold.sql]);
  const sql = Object.fromEntries(await Promise.all([...names].map(async (name) => [name, await text(join(folder, name))] as const)));
  const { releasable } = pipeline.train;
  const rows = releasable === undefined ? {} : { releasable: await text(join(folder, releasable)) };
  return { pipeline, bundle: { file, sql, images: neededImages(pipeline, images), ...rows } };
}

/** The images that the pipeline names, and the transfer component that every job uses. */
function neededImages(pipeline: Pipeline, images: Record<string, string>): Record<string, string> {
  const served = Object.values(pipeline.environments).flatMap((environment) => environment.targets.map((target) => target.component));
  const needed = [...new Set(['transfer', ...componentsOf(pipeline.train), ...served])];
  const missing = needed.filter((name) => !images[name]);
  if (missing.length > 0) {
    throw new CommandError(
      EXIT.usage,
      `The lock file has no image for ${missing.join(', ')}`,
      `it knows ${Object.keys(images).join(', ') || 'none'}; correct the component's name, build its image (npm run images), or end the local stack and start it again: it knows the components that were there when it began`,
    );
  }
  return Object.fromEntries(needed.map((name) => [name, images[name] as string]));
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new CommandError(
      EXIT.usage,
      `${path} cannot be read`,
      'name a folder that holds a sluice.yaml, its SQL files and what else it names',
    );
  }
}
