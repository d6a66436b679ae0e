// Writing rows to a table in two steps: a plan, whose outcome can be read before anything is visible to others, and its commit.
// Append, overwrite, and merge (rows with these keys replace); partitions split, statistics made, schema evolved where declared.
import { randomUUID } from 'node:crypto';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { sqlName, sqlText } from '../refine/duck.ts';
import type { Add } from './actions.ts';
import { filesThatMayHold, keyColumns, type Keys } from './candidates.ts';
import { checkpointIfDue } from './checkpoint.ts';
import { commitChange, isCommitted, type Change, type CommitAnswer, type NewFile, type Rewrite } from './commit.ts';
import type { LocalFile } from './parquet.ts';
import { refuseBadPartitions, refuseOtherPartitions, refuseUnwritablePartitions } from './partitions.ts';
import { refuseHiddenType, refuseUnwritable } from './protocol.ts';
import { retentionConfiguration } from './retention.ts';
import { place, rewriteWithout, type PlacedFile, type Rewritten } from './rewrite.ts';
import { evolveSchema, refuseNulls, type Evolve } from './schema.ts';
import { splitFile } from './split.ts';
import { indexedBy } from './stats.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { shapeOf, type Shape, type WorkTable } from './table-files.ts';
import type { DeltaField } from './types.ts';

export interface WriteRequest {
  /** Transaction: committed at most once (`txnVersion` defaults to 1). */
  appId: string;
  txnVersion?: number;
  /** `merge` with the columns whose values say which rows are replaced. */
  mode: 'append' | 'overwrite' | 'merge';
  keys?: readonly string[];
  fields: DeltaField[];
  /** All rows with all columns, partition columns too, as `writeParquet` made them; null: no rows. */
  content: LocalFile | null;
  /** Name of the SQL file, for messages. */
  origin: string;
  partitionBy?: readonly string[];
  evolve?: Evolve;
  /** Of a new table; a checkpoint after every so many commits. */
  retention?: { historySeconds: number; checkpointEvery: number };
  /** Overwrites only: the version that the content was computed from (-1: there was none); undefined: it was not computed from the table. */
  basis?: number;
  /** Kept with the commit. */
  facts?: Record<string, unknown>;
  chain?: readonly string[];
  runId?: string;
}

export interface WritePlan {
  request: WriteRequest;
  /** State that the plan was made on; null: a new table. */
  snapshot: Snapshot | null;
  /** The transaction is in the table already: `commitWrite` answers `found` and writes nothing. */
  found: boolean;
  /** Columns after the commit, and its files: what `selectFiles` reads before the commit as it will be after it. */
  shape: Shape;
  after: Add[];
  files: PlacedFile[];
  /** What a merge takes away; null for the other modes. */
  rewritten: Rewritten | null;
  /** A table of the engine with the keys of a merge; '' for the other modes. */
  keyRelation: string;
}

/**
 * Judges the request against the newest version and makes the data files in the work folder. Nothing is visible to others yet.
 * Rejects `schema-changed`, `bad-partition`, `bad-partition-value`, `too-many-partitions`, `bad-key`, `merge-null-key`,
 * `merge-duplicate-key`, `null-not-allowed`, `table-unsupported`, `append-only`.
 */
export async function planWrite(table: WorkTable, request: WriteRequest): Promise<WritePlan> {
  const snapshot = await readSnapshot(table);
  const now = snapshot ? shapeOf(table, snapshot) : null;
  const shape = shapeAfter(table, request, snapshot, now);
  const plan: WritePlan = { request, snapshot, found: false, shape, after: [], files: [], rewritten: null, keyRelation: '' };
  const active = [...(snapshot?.files.values() ?? [])];
  if (snapshot && isCommitted(snapshot, request)) return { ...plan, found: true, after: active };
  if (request.content !== null) await refuseNulls(table.duck, table.root, request.origin, shape.fields, request.content.file);
  if (request.mode === 'merge') {
    const keys = await mergeKeys(table, request, shape);
    plan.keyRelation = keys.relation;
    if (snapshot && now) plan.rewritten = await rewriteWithout(table, snapshot, now, keys, request.appId);
  }
  plan.files = [...(plan.rewritten?.files ?? []), ...(await filesOf(table, request, shape, snapshot))];
  const removed = new Set(plan.rewritten?.removes.map((file) => file.path));
  const kept = request.mode === 'overwrite' ? [] : active.filter((file) => !removed.has(file.path));
  return { ...plan, after: [...kept, ...plan.files.map((file) => file.add)] };
}

function shapeAfter(table: WorkTable, request: WriteRequest, snapshot: Snapshot | null, now: Shape | null): Shape {
  if (!snapshot || !now) {
    const partitionColumns = request.partitionBy ?? [];
    refuseBadPartitions(table.root, request.origin, request.fields, partitionColumns);
    return { fields: request.fields, partitionColumns };
  }
  refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, request.mode === 'overwrite' && snapshot.files.size > 0);
  refuseOtherPartitions(table.root, now.partitionColumns, request.partitionBy);
  const { fields } = evolveSchema(table.root, request.origin, now.fields, request.fields, request.evolve);
  refuseHiddenType(table.root, snapshot.protocol, fields);
  refuseUnwritablePartitions(table.root, fields, now.partitionColumns);
  return { fields, partitionColumns: now.partitionColumns };
}

/** The new rows' files. Without partitions the content is the file. */
async function filesOf(table: WorkTable, request: WriteRequest, shape: Shape, snapshot: Snapshot | null): Promise<PlacedFile[]> {
  const { content } = request;
  if (content === null || content.rows === 0) return [];
  if (shape.partitionColumns.length === 0) return [place(table, [], {}, content)];
  // Files of tables that grow carry their transaction, so that equal rows of two runs are two files.
  const origin = request.mode === 'overwrite' ? null : request.appId;
  return splitFile(table, shape, content.file, origin, indexedBy(snapshot?.metaData ?? null));
}

/** The keys of the new rows: none null, none twice. */
async function mergeKeys(table: WorkTable, request: WriteRequest, shape: Shape): Promise<Keys> {
  const { duck } = table;
  const columns = keyColumns(table.root, request.origin, shape.fields, request.keys ?? []);
  if (columns.length === 0)
    throw new RejectedError('bad-key', `${request.origin}: a merge into ${table.root} needs at least one key column.`);
  const names = columns.map((field) => sqlName(field.name));
  const relation = `_sluice_keys_${randomUUID().replaceAll('-', '')}`;
  const source =
    request.content === null
      ? `(SELECT ${columns.map((field) => `NULL AS ${sqlName(field.name)}`).join(', ')} WHERE false)`
      : `read_parquet(${sqlText(request.content.file)}, hive_partitioning = false)`;
  await duck.run(`CREATE TEMP TABLE ${relation} AS SELECT ${names.join(', ')} FROM ${source}`);
  const list = names.join(', ');
  const [nulls] = await duck.rows(`SELECT count(*) AS n FROM ${relation} WHERE ${names.map((name) => `${name} IS NULL`).join(' OR ')}`);
  if (Number(nulls!['n']) > 0)
    throw new RejectedError(
      'merge-null-key',
      `${request.origin}: ${Number(nulls!['n'])} row(s) have null in the key (${list}) of ${table.root}. Mend: leave them out or set them aside by an expectation.`,
    );
  const twice = await duck.rows(
    `SELECT ${list}, count(*) AS _n FROM ${relation} GROUP BY ${list} HAVING count(*) > 1 ORDER BY ${list} LIMIT 3`,
  );
  if (twice.length > 0)
    throw new RejectedError(
      'merge-duplicate-key',
      `${request.origin}: the same key (${list}) occurs more than once in the rows for ${table.root}: ` +
        `${twice.map((row) => JSON.stringify(row).slice(0, 200)).join(', ')}. Mend: let the SQL give one row for each key.`,
    );
  return { columns, relation };
}

export interface CommitOptions {
  now: () => number;
  /** Told of a checkpoint that was not written. */
  warn: (message: string) => void;
  /**
   * An overwrite met somebody else's commit: gives a request with newly computed content and its basis, or null to give up.
   * Merges are planned again without being asked: their rows do not come from the table.
   */
  recompute?: (snapshot: Snapshot, reason: string) => Promise<WriteRequest | null>;
  pause?: (tries: number) => Promise<void>;
}

/** Times that a plan is made again. */
const PLANS = 8;

/**
 * Uploads the plan's files and commits them. Rejects what `planWrite` and `commitChange` reject; transient `delta-conflict` when
 * somebody else's commit spoiled the plan and it was not, or too often, computed again.
 */
export async function commitWrite(
  table: WorkTable,
  first: WritePlan,
  options: CommitOptions,
): Promise<Exclude<CommitAnswer, { state: 'conflict' }> & { plan: WritePlan }> {
  let plan = first;
  let reason = '';
  for (let tries = 0; tries < PLANS; tries += 1) {
    const answer = await tryPlan(table, plan, options);
    if (answer.state === 'committed') {
      const every = plan.request.retention?.checkpointEvery;
      await checkpointIfDue(table, answer.snapshot, { ...(every === undefined ? {} : { every }), now: options.now(), warn: options.warn });
    }
    if (answer.state !== 'conflict') return { ...answer, plan };
    reason = answer.reason;
    const request = await again(table, plan, options, reason);
    if (request === null) break;
    plan = await planWrite(table, request);
  }
  throw new TransientError(
    'delta-conflict',
    `${table.root}: ${reason}; what was computed from the older version is not committed. Mend: nothing; the step is computed again.`,
  );
}

async function again(table: WorkTable, plan: WritePlan, options: CommitOptions, reason: string): Promise<WriteRequest | null> {
  if (plan.request.mode === 'merge') return plan.request;
  const snapshot = await readSnapshot(table);
  return snapshot && options.recompute ? options.recompute(snapshot, reason) : null;
}

async function tryPlan(table: WorkTable, plan: WritePlan, { now, pause }: CommitOptions): Promise<CommitAnswer> {
  if (plan.found) return { state: 'found', snapshot: plan.snapshot! };
  for (const { name, local } of plan.files) await table.storage.upload(table.root + name, local.file, local);
  return commitChange(table, changeOf(table, plan), now, pause);
}

/** The entries that are there: optional fields stay absent, not undefined. */
type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

function changeOf(table: WorkTable, plan: WritePlan): Change | Rewrite {
  const { request, snapshot, rewritten } = plan;
  const { appId, fields, origin, txnVersion, evolve, chain, runId, retention, basis } = request;
  const configuration = retention && retentionConfiguration(retention.historySeconds, retention.checkpointEvery);
  const base = {
    ...{ appId, fields, origin, files: plan.files.map(newFile), facts: request.facts ?? {}, partitionBy: plan.shape.partitionColumns },
    ...given({ txnVersion, evolve, chain, runId, configuration }),
  };
  if (request.mode === 'overwrite') return { ...base, mode: 'overwrite', ...given({ basis }) };
  if (request.mode === 'append') return { ...base, mode: 'append' };
  const names = request.keys ?? [];
  const keys = { relation: plan.keyRelation, columns: keyColumns(table.root, origin, plan.shape.fields, names) };
  const { removes, copied, dropped } = rewritten ?? { removes: [], copied: 0, dropped: 0 };
  return {
    ...base,
    mode: 'rewrite',
    operation: 'MERGE',
    predicate: names.map((key) => `target.${key} = source.${key}`).join(' AND '),
    basis: snapshot?.version ?? -1,
    removes,
    touches: async (adds) => (await filesThatMayHold(table, plan.shape, adds, keys)).length > 0,
    metrics: {
      numSourceRows: request.content?.rows ?? 0,
      numTargetRowsCopied: copied,
      numTargetRowsDeleted: dropped,
      numTargetFilesRemoved: removes.length,
    },
  };
}

/** What a commit says of a file. */
export function newFile({ add, local }: PlacedFile): NewFile {
  const { path, partitionValues } = add;
  return { path, partitionValues, bytes: local.bytes, rows: local.rows, sha256: local.sha256, stats: local.stats };
}
