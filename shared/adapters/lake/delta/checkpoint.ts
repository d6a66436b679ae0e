// Checkpoints: a table's whole state as one Parquet file, so that readers need not replay the log from its start.
// Written by DuckDB with exactly the columns of the protocol, after the commit and never instead of it (facts/delta.md §6).
import type { ContainerClient } from '@azure/storage-blob';
import { randomUUID } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { noActions, takeAction, type Actions } from './actions.ts';
import type { Snapshot } from './snapshot.ts';
import { sqlName, sqlText, type Duck } from '../refine/duck.ts';
import { createLineFile } from '../csv/line-file.ts';
import { createBlob, downloadBlob, putBlob } from '../storage.ts';

const KINDS = ['protocol', 'metaData', 'txn', 'add', 'remove'] as const;

/** Reads the parts of a classic checkpoint. Rejects `table-invalid` when a part is damaged: the state is all of it or an error. */
export async function readCheckpoint(duck: Duck, container: ContainerClient, names: readonly string[]): Promise<Actions> {
  const local: string[] = [];
  for (const name of names) {
    const file = join(duck.dir, `checkpoint-${randomUUID()}.parquet`);
    await downloadBlob(container, name, null, file);
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

/** Tombstones younger than this stay: `delta.deletedFileRetentionDuration` has the default of one week in our tables. */
const TOMBSTONE_MS = 7 * 24 * 3600 * 1000;

/** Writes `<version>.checkpoint.parquet` and the hint `_last_checkpoint`. */
export async function writeCheckpoint(
  duck: Duck,
  container: ContainerClient,
  root: string,
  snapshot: Snapshot,
  now: number,
): Promise<void> {
  const id = randomUUID();
  const lines = await createLineFile(join(duck.dir, `actions-${id}.ndjson`));
  const line = (kind: string, value: unknown) => lines.append('', Buffer.from(JSON.stringify({ [kind]: value })));
  line('protocol', snapshot.protocol);
  line('metaData', {
    ...snapshot.metaData,
    format: { provider: snapshot.metaData.format.provider, options: snapshot.metaData.format.options ?? {} },
    configuration: snapshot.metaData.configuration ?? {},
  });
  for (const [appId, txn] of snapshot.txns) line('txn', { appId, version: txn.version });
  for (const add of snapshot.files.values()) line('add', { ...add, dataChange: false });
  for (const remove of snapshot.tombstones.values())
    if ((remove.deletionTimestamp ?? 0) > now - TOMBSTONE_MS) line('remove', { ...remove, dataChange: false });
  await lines.close();
  const file = join(duck.dir, `checkpoint-${id}.parquet`);
  const columns = Object.entries(COLUMNS).map(([name, type]) => `${sqlText(name)}: ${sqlText(type)}`);
  const source = `read_json(${sqlText(lines.file)}, format = 'newline_delimited', maximum_object_size = 67108864, columns = {${columns.join(', ')}})`;
  await duck.run(`COPY (SELECT * FROM ${source}) TO ${sqlText(file)} (FORMAT parquet, COMPRESSION snappy)`);
  const name = `${root}_delta_log/${String(snapshot.version).padStart(20, '0')}.checkpoint.parquet`;
  const { size } = await stat(file);
  await createBlob(container, name, await readFile(file), 'application/vnd.apache.parquet');
  const hint = { version: snapshot.version, size: lines.lines, sizeInBytes: size, numOfAddFiles: snapshot.files.size };
  await putBlob(container, `${root}_delta_log/_last_checkpoint`, Buffer.from(JSON.stringify(hint)), 'application/json');
  await rm(file, { force: true });
  await rm(lines.file, { force: true });
}
