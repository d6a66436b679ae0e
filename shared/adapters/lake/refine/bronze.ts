// Bronze: the landed files of every source as views, `bronze_<source>` each and `bronze` when there is one source.
// Files are fetched a few at a time, in the order of their paths; rows come in that order and then in the file's own.
import type { ContainerClient } from '@azure/storage-blob';
import { join } from 'node:path';
import type { Source } from '../../../contracts/pipeline.ts';
import { RejectedError } from '../../../errors/errors.ts';
import { BadRows } from '../csv/bad-rows.ts';
import { csvNames, defineExact, definePlain, plainLineEnd, refuseNames, type CsvFiles } from '../csv/csv-rows.ts';
import type { UnpackLimits } from '../csv/gunzip.ts';
import { plainRows, type LineEnd } from '../csv/plain-file.ts';
import { createRowReader, fetchLanded, fetchText, type LandedFile, type ReadLanded, type RowReader } from '../landed-file.ts';
import { commitName } from '../delta/snapshot.ts';
import { defineDelta } from './delta-rows.ts';
import type { DeltaCommit } from './work.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { defineParquet } from './parquet-rows.ts';

/** Fetched at one time: enough to hide the way to storage, few enough to keep memory and open files small. */
const FETCH_AT_ONCE = 6;
/** Below this many bytes the exact way costs nothing that anybody would notice. */
export const PLAIN_FROM = 4 * 1024 * 1024;

/** One source with its files in the work folder. */
export interface Fetched extends CsvFiles {
  bytes: number;
  /** Of a Delta source: the commit that is the dataset. */
  version: number | null;
  /** Set when the files may be read the plain way, once they are proved plain. */
  plainEnd: LineEnd | null;
}

/** Where an output row of one source's view comes from. */
export interface Trace {
  /** Relation with `file` (path), `line`, and `raw`, or `at`, `length` and `n` for `reader`. */
  relation: string;
  reader: RowReader | null;
}

export interface Bronze {
  /** Rows of the files, bad ones included. The plain way knows it when it is proved. */
  readRows: number;
  /** Rows that are not of the declared shape or type. */
  bad: BadRows;
  /** By view name, for rows that break a rule; null where the plain way left the numbers out. */
  traces: Map<string, Trace> | null;
  close(): Promise<void>;
}

/** `bronze_<source>`; names of sources may have dashes, which SQL would take for a minus. */
export const viewOf = (source: Source): string => `bronze_${source.name.replaceAll('-', '_')}`;

/** Which source each file belongs to, by its name or else its path; sorted. Rejects `no-source`, `source-missing`. */
export function bySource(sources: readonly Source[], files: readonly LandedFile[]): Map<Source, LandedFile[]> {
  const groups = new Map<Source, LandedFile[]>(sources.map((source) => [source, []]));
  const longest = [...sources].sort((a, b) => b.path.length - a.path.length);
  for (const file of files) {
    const source = longest.find(({ name, path }) => (file.source === undefined ? file.path.startsWith(path) : name === file.source));
    if (!source)
      throw new RejectedError(
        'no-source',
        `${file.path}: no source of the pipeline has a folder that holds this file. Mend: correct "path" in sluice.yaml.`,
      );
    groups.get(source)!.push(file);
  }
  for (const [source, own] of groups) {
    if (own.length === 0)
      throw new RejectedError('source-missing', `source "${source.name}" has no file in this dataset. Mend: drop one into ${source.path}.`);
    // The order in which events came must not show in the tables.
    own.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
  return groups;
}

export interface FetchOptions {
  duck: Duck;
  read: ReadLanded;
  limits: UnpackLimits;
}

/** Brings the files of every source into the work folder. */
export async function fetchSources(options: FetchOptions, sources: readonly Source[], files: readonly LandedFile[]): Promise<Fetched[]> {
  const fetched: Fetched[] = [];
  for (const [source, own] of bySource(sources, files)) fetched.push(await fetchSource(options, source, own, fetched.length));
  return fetched;
}

async function fetchSource(
  { duck, read, limits }: FetchOptions,
  source: Source,
  files: readonly LandedFile[],
  number: number,
): Promise<Fetched> {
  refuseNames(Object.keys(source.columns));
  if (source.format === 'delta')
    throw new RejectedError(
      'not-a-commit',
      `${files[0]!.path}: source "${source.name}" is a Delta table, whose datasets are its commits. Mend: write to the table with a Delta writer.`,
    );
  const local = (n: number) => join(duck.dir, `landed-${number}-${n}.${source.format}`);
  const bytes = await inOrder(files, async (file, n) => {
    const text = source.format === 'csv';
    const size = text ? await fetchText(read, file, source.encoding, limits, local(n)) : await fetchLanded(read, file, local(n));
    if (size === 0) throw emptyFile(file.path, source);
    return size;
  });
  const group: Fetched = { source, number, paths: files.map(({ path }) => path), local, bytes: sum(bytes), version: null, plainEnd: null };
  return { ...group, plainEnd: source.format === 'csv' ? await plainLineEnd(group) : null };
}

/** A commit of a Delta source as the whole dataset. Rejects `no-source`, `source-missing`. */
export function fetchedCommit(sources: readonly Source[], commit: DeltaCommit): Fetched[] {
  const source = sources.find(({ name, format }) => name === commit.source && format === 'delta');
  if (!source || source.path !== commit.path)
    throw new RejectedError(
      'no-source',
      `${commit.path}: no Delta source "${commit.source}" of the pipeline has this folder. Mend: correct "path" in sluice.yaml.`,
    );
  const other = sources.find((each) => each !== source);
  if (other)
    throw new RejectedError(
      'source-missing',
      `source "${other.name}" has no file in this dataset, which is a commit of "${source.name}" alone.`,
    );
  refuseNames(Object.keys(source.columns));
  const { version } = commit;
  return [{ source, number: 0, paths: [commitName(source.path, version)], local: () => '', bytes: 0, version, plainEnd: null }];
}

const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

function emptyFile(path: string, source: Source): RejectedError {
  const what = source.format === 'csv' ? 'a header and rows' : 'rows';
  return new RejectedError('empty-file', `${path}: the file is empty (rule rows). Mend: drop a file with ${what}.`);
}

/** Maps with a few at work at one time; the first failure in the order of the items is the one that is told. */
async function inOrder<Item, Value>(items: readonly Item[], work: (item: Item, n: number) => Promise<Value>): Promise<Value[]> {
  const results: PromiseSettledResult<Value>[] = [];
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < items.length && !failed) {
      const n = next;
      next += 1;
      const [result] = await Promise.allSettled([work(items[n]!, n)]);
      results[n] = result;
      failed ||= result.status === 'rejected';
    }
  };
  await Promise.all(Array.from({ length: FETCH_AT_ONCE }, worker));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

export interface DefineOptions {
  duck: Duck;
  container: ContainerClient;
  /** Of silver: says which rows of a Delta source are meant. */
  mode: string;
}

/** Defines the views the exact way: bad rows are set aside, every row can be traced. Rejects with the rule that was broken. */
export async function defineBronze({ duck, container, mode }: DefineOptions, fetched: readonly Fetched[]): Promise<Bronze> {
  const traces = new Map<string, Trace>();
  const readers: RowReader[] = [];
  const bad = new BadRows(duck.dir, 'bad-bronze.ndjson');
  const close = async () => {
    for (const reader of readers) await reader.close();
  };
  let readRows = 0;
  try {
    for (const group of fetched) {
      const { source, number, paths, local } = group;
      const { view, places } = csvNames(number);
      let relation = `SELECT _file AS file, _row AS line, to_json(b)::VARCHAR AS raw FROM ${view} b`;
      let reader: RowReader | null = null;
      if (source.format === 'parquet') readRows += await defineParquet(duck, view, source, paths, local);
      else if (source.format === 'delta') readRows += await defineDelta(duck, container, view, source, group.version!, mode);
      else {
        reader = createRowReader(local);
        readers.push(reader);
        readRows += await defineExact(duck, group, bad, reader);
        relation = `SELECT ${pathOf(paths)} AS file, _row AS line, _file AS n, _at AS at, _length AS length FROM ${places}`;
      }
      traces.set(viewOf(source).toLowerCase(), { relation, reader });
    }
    await name(duck, fetched);
  } catch (error) {
    await close();
    throw error;
  } finally {
    await bad.close();
  }
  if (fetched.length === 1) traces.set('bronze', [...traces.values()][0]!);
  return { readRows, bad, traces, close };
}

/** Path by file number. */
export function pathOf(paths: readonly string[]): string {
  return paths.length === 1 ? sqlText(paths[0]!) : `list_extract([${paths.map(sqlText).join(', ')}], _file + 1)`;
}

async function name(duck: Duck, fetched: readonly Fetched[]): Promise<void> {
  for (const { source, number } of fetched) {
    const names = fetched.length === 1 ? [viewOf(source), 'bronze'] : [viewOf(source)];
    for (const each of names) await duck.run(`CREATE OR REPLACE TEMP VIEW ${sqlName(each)} AS SELECT * FROM ${csvNames(number).view}`);
  }
}

/** Whether the plain way is open and worth it: CSV only, headers as declared, and enough of it. */
export function mayBePlain(fetched: readonly Fetched[], from: number): boolean {
  return fetched.every((group) => group.plainEnd !== null) && sum(fetched.map((group) => group.bytes)) >= from;
}

/** Defines the views the plain way. `placed`: the owner's SQL asks for `_row` or `_file`. What they show must be proved by `provePlain`. */
export async function definePlainBronze(duck: Duck, fetched: readonly Fetched[], placed: boolean): Promise<Bronze> {
  for (const group of fetched) await definePlain(duck, group, group.plainEnd!, placed);
  await name(duck, fetched);
  return { readRows: 0, bad: new BadRows(duck.dir, 'bad-plain.ndjson'), traces: null, close: () => Promise.resolve() };
}

/** Rows of all files when every one is plain; null as soon as one is not, or when `stopped` says so. */
export async function provePlain(fetched: readonly Fetched[], stopped: () => boolean): Promise<number | null> {
  let rows = 0;
  for (const { source, paths, local, plainEnd } of fetched)
    for (const n of paths.keys()) {
      const found = await plainRows(local(n), source, plainEnd!, stopped);
      // A file without rows is refused by name, which is the exact way's business.
      if (found === null || found === 0) return null;
      rows += found;
    }
  return rows;
}
