// Checkpoints: a table's whole state as one Parquet file, so that readers need not replay the log from its start.
// Written by DuckDB with exactly the columns of the protocol, after the commit and never instead of it (facts/delta.md §6).
import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { noActions, takeAction, type Actions } from './actions.ts';
import type { Snapshot } from './snapshot.ts';
import { sqlName, sqlText, type Duck } from '../refine/duck.ts';
import { createLineFile } from '../csv/line-file.ts';
import { removedFilesMs } from './retention.ts';
import type { TableStorage } from './table-storage.ts';

const KINDS = ['protocol', 'metaData', 'txn', 'add', 'remove'] as const;

/** Reads the parts of a classic checkpoint. Rejects `table-invalid` when a part is damaged: the state is all of it or an error. */
export async function readCheckpoint(duck: Duck, storage: TableStorage, names: readonly string[]): Promise<Actions> {
  const local: string[] = [];
  for (const name of names) {
    const file = join(duck.dir, `checkpoint-${randomUUID()}.parquet`);
    await storage.download(name, file);
    local.push(file);
  }
  try {
    return await actionsIn(duck, names, local);
  } catch (error) {
    if (error instanceof RejectedError || error instanceof TransientError || !(error instanceof Error)) throw error;
    throw new RejectedError(
      'table-invalid',
      `${names.join(', ')}: the checkpoint cannot be read (${error.message.split('\n')[0]!.slice(0, 200)}). Mend: restore or remove it.`,
      {
        cause: error,
      },
    );
  } finally {
    for (const file of local) await rm(file, { force: true });
  }
}

async function actionsIn(duck: Duck, names: readonly string[], local: readonly string[]): Promise<Actions> {
  const actions = noActions();
  const source = `read_parquet([${local.map(sqlText).join(', ')}], hive_partitioning = false, union_by_name = true)`;
  const present = new Set((await duck.describe(`SELECT * FROM ${source}`)).map((column) => column.name));
  const kinds = KINDS.filter((kind) => present.has(kind));
  for await (const rows of duck.stream(
    `SELECT ${kinds.map((kind) => `to_json(${sqlName(kind)})::VARCHAR AS ${sqlName(kind)}`).join(', ')} FROM ${source}`,
  ))
    for (const row of rows)
      for (const kind of kinds) {
        const text = row[kind];
        if (typeof text === 'string') takeAction(actions, { [kind]: JSON.parse(text) as unknown }, `${names[0]} (${kind})`);
      }
  return actions;
}

const MAP = 'MAP(VARCHAR, VARCHAR)';
/** Column → DuckDB type; names and nesting are the protocol's. */
const COLUMNS = {
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  add: `STRUCT("path" VARCHAR, "partitionValues" ${MAP}, "size" BIGINT, "modificationTime" BIGINT, "dataChange" BOOLEAN, "stats" VARCHAR, "tags" ${MAP})`,
  remove: `STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" ${MAP}, "size" BIGINT)`,
  metaData: `STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" ${MAP}), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" ${MAP}, "createdTime" BIGINT)`,
  protocol: 'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[])',
};

/** Writes `<version>.checkpoint.parquet` and the hint `_last_checkpoint` for a state that is committed. */
export async function checkpointAt(duck: Duck, storage: TableStorage, root: string, snapshot: Snapshot, now: number): Promise<void> {
  const id = randomUUID();
  const file = join(duck.dir, `checkpoint-${id}.parquet`);
  const lines = await createLineFile(join(duck.dir, `actions-${id}.ndjson`));
  try {
    try {
      for (const [kind, value] of actionsOf(snapshot, now)) lines.append('', Buffer.from(JSON.stringify({ [kind]: value })));
    } finally {
      await lines.close();
    }
    const columns = Object.entries(COLUMNS).map(([name, type]) => `${sqlText(name)}: ${sqlText(type)}`);
    const source = `read_json(${sqlText(lines.file)}, format = 'newline_delimited', maximum_object_size = 67108864, columns = {${columns.join(', ')}})`;
    await duck.run(`COPY (SELECT * FROM ${source}) TO ${sqlText(file)} (FORMAT parquet, COMPRESSION snappy)`);
    const name = `${root}_delta_log/${String(snapshot.version).padStart(20, '0')}.checkpoint.parquet`;
    const content = await readFile(file);
    await storage.create(name, content, 'application/vnd.apache.parquet');
    const hint = { version: snapshot.version, size: lines.lines, sizeInBytes: content.length, numOfAddFiles: snapshot.files.size };
    await storage.put(`${root}_delta_log/_last_checkpoint`, Buffer.from(JSON.stringify(hint)), 'application/json');
  } finally {
    await rm(file, { force: true });
    await rm(lines.file, { force: true });
  }
}

/** The state as actions; tombstones stay while their files do. */
function* actionsOf(snapshot: Snapshot, now: number): Generator<[string, unknown]> {
  const { protocol, metaData } = snapshot;
  yield ['protocol', protocol];
  yield [
    'metaData',
    {
      ...metaData,
      format: { provider: metaData.format.provider, options: metaData.format.options ?? {} },
      configuration: metaData.configuration ?? {},
    },
  ];
  for (const [appId, { version, lastUpdated }] of snapshot.txns) yield ['txn', { appId, version, lastUpdated }];
  for (const add of snapshot.files.values()) yield ['add', { ...add, dataChange: false }];
  const expired = now - removedFilesMs(metaData);
  for (const remove of snapshot.tombstones.values())
    if ((remove.deletionTimestamp ?? 0) > expired) yield ['remove', { ...remove, dataChange: false }];
}

/** Checkpoint interval where neither caller nor table says one: Spark's default. */
const EVERY = 10;

/**
 * Writes a checkpoint when the version is due. A failure is told to `warn` and harms nothing: the log alone says everything.
 * `every`: commits from one checkpoint to the next; undefined: what the table's configuration says.
 */
export async function checkpointIfDue(
  table: { duck: Duck; storage: TableStorage; root: string },
  snapshot: Snapshot,
  options: { every?: number; now: number; warn: (message: string) => void },
): Promise<void> {
  const configured = Number(snapshot.metaData.configuration?.['delta.checkpointInterval'] ?? EVERY);
  const every = options.every ?? (Number.isInteger(configured) && configured > 0 ? configured : EVERY);
  if (snapshot.version === 0 || snapshot.version % every !== 0) return;
  try {
    await checkpointAt(table.duck, table.storage, table.root, snapshot, options.now);
  } catch (error) {
    options.warn(
      `${table.root}: the checkpoint at version ${snapshot.version} was not written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
