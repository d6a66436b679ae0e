// A gold version as CSV for the training side: header, ISO timestamps, empty nulls, under the version's digest in the store.
// Files above a size are split at row borders (each part has the header), so that no part has to stand in memory whole twice.
import { createHash } from 'node:crypto';
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import { StagedFile } from '../../../contracts/tables.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { Store } from '../../../ports/lake.ts';
import { noActions } from '../delta/actions.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import type { DeltaField } from '../delta/types.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { describeCommit, selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';

/** Size at which a part is closed. */
const PART_BYTES = 32 * 1024 * 1024;
/** Longest row that still fits behind it. */
const MAX_ROW = 8 * 1024 * 1024;
const [LF, QUOTE] = [10, 34];
const Manifest = z.object({ files: z.array(StagedFile).min(1) });

export interface StageRequest {
  pipeline: PipelineVersion;
  gold: { path: string; version: number; digest: string };
}

/** How a column's values are written. */
function written(field: DeltaField): string {
  const name = sqlName(field.name);
  if (field.type === 'timestamp') return `strftime(${name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS ${name}`;
  if (field.type === 'binary') return `base64(${name}) AS ${name}`;
  return typeof field.type === 'object' ? `to_json(${name})::VARCHAR AS ${name}` : name;
}

/** Writes the version as CSV and gives its files. Rejects `table-foreign`, `table-gone`, `gold-changed`, `staging-differs`. */
export async function stageGold(duck: Duck, gold: WorkTable, store: Store, request: StageRequest): Promise<StagedFile[]> {
  const { path, version, digest } = request.gold;
  if (path !== gold.root)
    throw new RejectedError('table-foreign', `${path} is not the gold table of pipeline "${request.pipeline.name}" (${gold.root}).`);
  const folder = `staging/${request.pipeline.name}/${digest}/`;
  const staged = await store.read(`${folder}staged.json`, 1024 * 1024);
  if (staged !== null) return Manifest.parse(JSON.parse(Buffer.from(staged).toString('utf8'))).files;
  const snapshot = await readSnapshot(gold, version);
  if (!snapshot) throw new RejectedError('table-gone', `${gold.root}: the table does not exist any more.`);
  const commit = await describeCommit(gold, snapshot, noActions());
  if (commit.digest !== digest)
    throw new RejectedError(
      'gold-changed',
      `${gold.root} version ${version} has the digest ${commit.digest}, not ${digest}: its log was rewritten.`,
    );
  const shape = shapeOf(gold, snapshot);
  // By path, as the digest is made: equal digest, equal text.
  const files = [...snapshot.files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const csv = join(duck.dir, 'staged.csv');
  const query = `SELECT ${shape.fields.map(written).join(', ')} FROM (${await selectFiles(gold, shape, files)})`;
  await duck.run(`COPY (${query}) TO ${sqlText(csv)} (FORMAT csv, HEADER true, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '')`);
  const made: StagedFile[] = [];
  for await (const part of parts(csv)) made.push(await keep(store, `${folder}part-${String(made.length).padStart(5, '0')}.csv`, part));
  await store.create(`${folder}staged.json`, Buffer.from(JSON.stringify({ files: made })), 'application/json');
  return made;
}

async function keep(store: Store, path: string, content: Buffer): Promise<StagedFile> {
  const sha256 = createHash('sha256').update(content).digest('hex');
  if ((await store.create(path, content, 'text/csv')) === 'exists') {
    const there = await store.read(path, content.length);
    if (there === null || createHash('sha256').update(there).digest('hex') !== sha256)
      throw new RejectedError(
        'staging-differs',
        `${path}: another content is staged under this digest. Mend: remove the folder and retry.`,
      );
  }
  return { path, sha256, bytes: content.length };
}

/** The file cut at row borders into parts with the header; only one part is in memory at a time. */
async function* parts(csv: string): AsyncGenerator<Buffer> {
  const { size } = await stat(csv);
  if (size <= PART_BYTES) {
    yield await readFile(csv);
    return;
  }
  const handle = await open(csv, 'r');
  try {
    const header = await headerOf(handle);
    let at = header.length;
    while (at < size) {
      const part = Buffer.allocUnsafe(header.length + Math.min(PART_BYTES + MAX_ROW, size - at));
      header.copy(part);
      const { bytesRead } = await handle.read(part, header.length, part.length - header.length, at);
      const rows = part.subarray(header.length, header.length + bytesRead);
      const end = size - at <= PART_BYTES ? rows.length : rowBorder(rows);
      yield part.subarray(0, header.length + end);
      at += end;
    }
  } finally {
    await handle.close();
  }
}

async function headerOf(handle: FileHandle): Promise<Buffer> {
  const start = Buffer.alloc(1024 * 1024);
  const { bytesRead } = await handle.read(start, 0, start.length, 0);
  // Names of columns have no line breaks.
  return start.subarray(0, start.subarray(0, bytesRead).indexOf(LF) + 1);
}

/** Where the first row ends after PART_BYTES; rows begin at 0. A line feed between quotes ends none. */
function rowBorder(rows: Buffer): number {
  let quoted = false;
  let last = 0;
  for (let at = 0; at < rows.length; at += 1) {
    const byte = rows[at];
    if (byte === QUOTE) quoted = !quoted;
    else if (byte === LF && !quoted) {
      last = at + 1;
      if (last >= PART_BYTES) return last;
    }
  }
  throw new RejectedError(
    'row-too-long',
    `a row of gold is longer than ${MAX_ROW} bytes as CSV, so it cannot be staged. Mend: give such values another form in gold.sql.`,
  );
}
