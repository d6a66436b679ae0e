// A person's rows in files of the store: staged copies of gold and corrected files go whole, golden requests lose the rows.
import type { ContainerClient } from '@azure/storage-blob';
import * as z from 'zod';
import { runIdParts } from '../../../contracts/identifiers.ts';
import { Cell } from '../../../contracts/rows.ts';
import { pipelineOfCase } from '../../../decisions/quarantine.ts';
import { CALL_MS, putBlob, readBlob, storageError } from '../storage.ts';

/** Largest run report that is read. */
const MAX_REPORT = 64 * 1024 * 1024;

/** Names below a prefix that belong to the pipeline. */
async function namesOf(container: ContainerClient, prefix: string, belongs: (rest: string) => boolean): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const blob of container.listBlobsFlat({ prefix, abortSignal: AbortSignal.timeout(5 * CALL_MS) }))
      if (belongs(blob.name.slice(prefix.length))) names.push(blob.name);
  } catch (error) {
    throw storageError(error, `${container.containerName}/${prefix}`);
  }
  return names;
}

async function removeAll(container: ContainerClient, names: readonly string[]): Promise<number> {
  for (const name of names)
    try {
      await container.getBlobClient(name).deleteIfExists({ abortSignal: AbortSignal.timeout(CALL_MS) });
    } catch (error) {
      throw storageError(error, `${container.containerName}/${name}`);
    }
  return names.length;
}

/** Staged copies of every version of gold: they are made again when they are needed. */
export async function removeStaged(container: ContainerClient, pipeline: string): Promise<number> {
  return removeAll(container, await namesOf(container, `staging/${pipeline}/`, () => true));
}

/** Corrected files of the pipeline's quarantine cases. */
export async function removeCorrections(container: ContainerClient, pipeline: string): Promise<number> {
  const belongs = (rest: string) => pipelineOfCase(`q-${rest.split('/')[0]!}`) === pipeline;
  return removeAll(container, await namesOf(container, 'quarantine/q-', belongs));
}

const Report = z.looseObject({
  golden: z.looseObject({ rows: z.array(z.array(Cell)), predictions: z.array(z.unknown()) }).optional(),
});

/**
 * Whether every value of a golden row is one of the person's row in gold, each as often as it occurs. What is missing in it says nothing;
 * a row of nothing else is nobody's.
 */
export function isTheirs(golden: readonly Cell[], row: readonly Cell[]): boolean {
  const left = [...row];
  const said = golden.filter((value) => value !== null);
  return (
    said.length > 0 &&
    said.every((value) => {
      const at = left.findIndex((each) => isSame(each, value));
      if (at !== -1) left.splice(at, 1);
      return at !== -1;
    })
  );
}

function isSame(a: Cell | undefined, b: Cell): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b;
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));
}

/** Takes golden rows away that were made of these rows of gold: by value, because golden rows may go without names of columns. */
export async function eraseGolden(
  container: ContainerClient,
  pipeline: string,
  theirs: readonly (readonly Cell[])[],
): Promise<{ rows: number; files: number }> {
  if (theirs.length === 0) return { rows: 0, files: 0 };
  const belongs = (rest: string) => rest.endsWith('/run-report.json') && runIdParts(rest.split('/')[0]!)?.pipeline === pipeline;
  const done = { rows: 0, files: 0 };
  for (const name of await namesOf(container, 'runs/', belongs)) {
    const content = await readBlob(container, name, MAX_REPORT);
    const report = content === null ? null : readable(content);
    const golden = report?.golden;
    if (!report || !golden) continue;
    const kept = golden.rows.map((row) => !theirs.some((each) => isTheirs(row, each)));
    const gone = kept.filter((each) => !each).length;
    if (gone === 0) continue;
    const { golden: _, ...rest } = report;
    const stays = {
      ...golden,
      rows: golden.rows.filter((_row, n) => kept[n]),
      predictions: golden.predictions.filter((_row, n) => kept[n]),
    };
    // A golden set without rows is none: then parity must be proved by a new training.
    const written = stays.rows.length === 0 ? rest : { ...rest, golden: stays };
    await putBlob(container, name, Buffer.from(JSON.stringify(written)), 'application/json');
    done.rows += gone;
    done.files += 1;
  }
  return done;
}

function readable(content: Buffer): z.infer<typeof Report> | null {
  try {
    const parsed = Report.safeParse(JSON.parse(content.toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    // A report that nobody can read has no golden rows that anybody could use.
    return null;
  }
}
