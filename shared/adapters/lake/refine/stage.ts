// A gold version as CSV for the training side: header, ISO timestamps, empty nulls, under the version's digest in the store.
// Files above a size are split at row borders (each part has the header), so that no part has to stand in memory whole twice.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import { StagedFile } from '../../../contracts/tables.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { Store } from '../../../ports/lake.ts';
import { scanCsv } from '../csv/scan.ts';
import { noActions } from '../delta/actions.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import type { DeltaField } from '../delta/types.ts';
import { sqlName, sqlText, type Duck } from './duck.ts';
import { describeCommit, selectFiles, shapeOf, type OpenTable } from '../delta/table-files.ts';

/** Size at which a part is closed. */
const PART_BYTES = 32 * 1024 * 1024;
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
export async function stageGold(duck: Duck, gold: OpenTable, store: Store, request: StageRequest): Promise<StagedFile[]> {
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

/** The file whole when it is small, else cut at row borders. */
async function* parts(csv: string): AsyncGenerator<Buffer> {
  if ((await stat(csv)).size <= PART_BYTES) {
    yield await readFile(csv);
    return;
  }
  const ready: Buffer[] = [];
  let header: Buffer | null = null;
  let part: Buffer[] = [];
  let bytes = 0;
  const lf = Buffer.from('\n');
  const close = () => {
    if (part.length > 0) ready.push(Buffer.concat([header!, lf, ...part]));
    [part, bytes] = [[], 0];
  };
  await scanCsv(csv, (record) => {
    if (record.problem !== null)
      throw new RejectedError(
        'row-too-long',
        `a row of gold cannot be staged as CSV: ${record.problem}. Mend: give such values another form in gold.sql.`,
      );
    const copy = Buffer.from(record.bytes);
    if (header === null) header = copy;
    else {
      part.push(copy, lf);
      bytes += copy.length + 1;
      if (bytes >= PART_BYTES) close();
    }
  });
  close();
  yield* ready;
}
