// Refines what a manifest names: bronze files → silver → gold by the given SQL, one commit in each table under the given transaction.
// Everything is computed and judged before the first commit; a table that has the transaction already is left as it is.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerClient } from '@azure/storage-blob';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { File, Manifest, Table } from './manifest.ts';
import { defineSource, duckType, fieldsOf, judge, keysOf, name, rows, text, writeParquet } from './rows.ts';
import { type AddFile, commit, type Field, readTable, type TableState } from './table-log.ts';

export interface Bench {
  lake: ContainerClient;
  duck: DuckDBConnection;
  /** Private folder. */
  folder: string;
  now: () => number;
}

const CALL_MS = 60_000;
const TRIES = 10;

export async function refine(bench: Bench, manifest: Manifest): Promise<{ readRows: number }> {
  const { silver, gold } = manifest.tables;
  await bench.duck.run("SET TimeZone = 'UTC'");
  const { appId } = manifest.txn;
  let readRows = 0;
  let state = await readTable(bench.lake, silver.path);
  let write: Write | null = null;
  if (!state.appIds.has(appId)) {
    readRows = await defineBronze(bench, manifest);
    write = await compute(bench, silver, state, 'silver');
  }
  await showTable(bench, silver, state, write, 'silver');
  const goldState = await readTable(bench.lake, gold.path);
  const goldWrite = goldState.appIds.has(appId) ? null : await compute(bench, gold, goldState, 'gold');
  if (write) state = await commitTable(bench, manifest, silver, state, write, readRows);
  if (goldWrite) await commitTable(bench, manifest, gold, goldState, goldWrite, readRows);
  return { readRows };
}

/** New rows of a table, in the engine, and what they take the place of. */
interface Write {
  relation: string;
  fields: Field[];
}

async function defineBronze({ lake, duck, folder }: Bench, { sources, files }: Manifest): Promise<number> {
  let count = 0;
  for (const source of sources) {
    const own = files.filter((file) => file.source === source.name);
    const local: string[] = [];
    for (const [n, file] of own.entries()) local.push(await fetched(lake, file, join(folder, `${source.name}-${n}.${source.format}`)));
    const view = `bronze_${source.name.replaceAll('-', '_')}`;
    await defineSource(duck, view, source, local);
    if (sources.length === 1) await duck.run(`CREATE TEMP VIEW bronze AS SELECT * FROM ${name(view)}`);
    const [found] = await rows(duck, `SELECT count(*) AS n FROM ${name(view)}`);
    count += Number(found?.['n']);
  }
  return count;
}

/** The very version that was handed over, or nothing. */
async function fetched(lake: ContainerClient, file: File, to: string): Promise<string> {
  const content = await lake
    .getBlobClient(file.path)
    .downloadToBuffer(0, undefined, { conditions: { ifMatch: `"${file.eTag}"` }, abortSignal: AbortSignal.timeout(CALL_MS) });
  const sha256 = createHash('sha256').update(content).digest('hex');
  if (sha256 !== file.sha256) throw new Error(`${file.path} has SHA-256 ${sha256}, the manifest says ${file.sha256}`);
  await writeFile(to, content);
  return to;
}

async function compute({ duck }: Bench, table: Table, state: TableState, layer: string): Promise<Write> {
  const relation = `${layer}_new`;
  await duck.run(`CREATE TEMP TABLE ${relation} AS ${table.sql.trim().replace(/;\s*$/, '')}\n`);
  await judge(duck, relation, table);
  const fields = await fieldsOf(duck, relation);
  if (state.version >= 0 && JSON.stringify(shapeOf(fields)) !== JSON.stringify(shapeOf(state.fields)))
    throw new Error(
      `${table.path}: its columns are ${JSON.stringify(shapeOf(state.fields))}, the SQL gives ${JSON.stringify(shapeOf(fields))}`,
    );
  return { relation, fields };
}

const shapeOf = (fields: readonly Field[]): string[] => fields.map(({ name: column, type }) => `${column} ${type}`);

/** Defines the view `layer` as the table will be after the write; without one, as it is. */
async function showTable(bench: Bench, table: Table, state: TableState, write: Write | null, layer: string): Promise<void> {
  const before = table.mode === 'overwrite' && write ? null : await existing(bench, table, state);
  const fresh = write ? `SELECT * FROM ${write.relation}` : null;
  const kept = before && write ? `SELECT * FROM (${before})${withoutKeys(table, write)}` : before;
  const parts = [kept, fresh].filter((part) => part !== null);
  if (parts.length === 0) throw new Error(`${table.path}: the table does not exist`);
  await bench.duck.run(`CREATE TEMP TABLE ${layer} AS ${parts.join(' UNION ALL BY NAME ')}`);
}

function withoutKeys({ mode }: Table, { relation }: Write): string {
  const keys = keysOf(mode).map(name);
  return keys.length === 0 ? '' : ` WHERE (${keys.join(', ')}) NOT IN (SELECT (${keys.join(', ')}) FROM ${relation})`;
}

/** Rows of a table's active files as a SELECT; null when it has none. */
async function existing({ lake, folder }: Bench, table: Table, state: TableState): Promise<string | null> {
  const selects: string[] = [];
  for (const add of state.files.values()) {
    const file = join(folder, `existing-${selects.length}-${randomUUID()}.parquet`);
    const content = await lake
      .getBlobClient(table.path + decodeURIComponent(add.path))
      .downloadToBuffer(0, undefined, { abortSignal: AbortSignal.timeout(CALL_MS) });
    await writeFile(file, content);
    const columns = state.fields.map(({ name: column, type }) => {
      const value = Object.hasOwn(add.partitionValues, column) ? literal(add.partitionValues[column]) : name(column);
      return `CAST(${value} AS ${duckType(type)}) AS ${name(column)}`;
    });
    selects.push(`SELECT ${columns.join(', ')} FROM read_parquet(${text(file)}, hive_partitioning = false)`);
  }
  return selects.length === 0 ? null : selects.join(' UNION ALL BY NAME ');
}

const literal = (value: string | null | undefined): string =>
  value === null || value === undefined || value === '' ? 'NULL' : text(value);

async function commitTable(
  bench: Bench,
  manifest: Manifest,
  table: Table,
  known: TableState,
  write: Write,
  readRows: number,
): Promise<TableState> {
  let state = known;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const rewrites = keysOf(table.mode).length > 0;
    const before = rewrites ? await existing(bench, table, state) : null;
    const kept = before === null ? '' : `SELECT * FROM (${before})${withoutKeys(table, write)} UNION ALL BY NAME `;
    const add = await writtenFile(bench, table, `${kept}SELECT * FROM ${write.relation}`, write.fields);
    const change = {
      adds: add.stats.includes('"numRecords":0,') ? [] : [add],
      removes: rewrites || table.mode === 'overwrite' ? [...state.files.keys()] : [],
      fields: write.fields,
      partitionBy: table.partitionBy,
      txn: manifest.txn,
      operation: rewrites ? 'MERGE' : 'WRITE',
      userMetadata: JSON.stringify({ sluice: { ...(manifest.note as object), readRows } }),
    };
    if (await commit(bench.lake, table.path, state, change, bench.now())) return readTable(bench.lake, table.path);
    state = await readTable(bench.lake, table.path);
    if (state.appIds.has(manifest.txn.appId)) return state;
  }
  throw new Error(`${table.path}: other writers took ${TRIES} versions in a row`);
}

async function writtenFile({ lake, duck, folder, now }: Bench, table: Table, select: string, fields: readonly Field[]): Promise<AddFile> {
  if (table.partitionBy.length > 0) throw new Error(`${table.path}: this engine writes no partitions`);
  await mkdir(folder, { recursive: true });
  const path = `part-00000-${randomUUID()}-c000.snappy.parquet`;
  const file = join(folder, path);
  const { size, stats } = await writeParquet(duck, select, file, fields);
  await lake.getBlockBlobClient(table.path + path).uploadFile(file, { abortSignal: AbortSignal.timeout(CALL_MS) });
  return { path, partitionValues: {}, size, modificationTime: now(), dataChange: true, stats };
}
