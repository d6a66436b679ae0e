// Erasure: every row with one of these values leaves the table, touched files are rewritten, nothing else moves. The old files
// stay until `vacuum` removes them for this erasure.
import { randomUUID } from 'node:crypto';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { sqlName, sqlText } from '../refine/duck.ts';
import { filesThatMayHold, keyColumns, type Keys } from './candidates.ts';
import { checkpointIfDue } from './checkpoint.ts';
import { commitChange, isCommitted, type CommitAnswer } from './commit.ts';
import { refuseUnwritable } from './protocol.ts';
import { rewriteWithout } from './rewrite.ts';
import { duckType } from './schema.ts';
import { readSnapshot } from './snapshot.ts';
import { shapeOf, type WorkTable } from './table-files.ts';
import { newFile } from './write.ts';

export interface EraseRequest {
  /** Transaction of this erasure: committed at most once. */
  appId: string;
  column: string;
  /** As text; each must be a value of the column's type. 1 to 10,000. */
  values: readonly string[];
  chain?: readonly string[];
  runId?: string;
}

export interface Erased {
  /** Version that no longer has the rows; null: the table does not exist. */
  version: number | null;
  /** Rows that left in this commit; 0 when no row had the values, and then nothing was committed. */
  rows: number;
  /** Files that held them: still in the folder until they are vacuumed. */
  removedFiles: string[];
  /** The erasure had been committed before. */
  found: boolean;
}

const MOST_VALUES = 10_000;
const PLANS = 8;

/** Erases. Rejects `bad-key`, `bad-value`, `append-only`, `table-unsupported`; transient `delta-conflict`. The values are in no message. */
export async function eraseRows(
  table: WorkTable,
  request: EraseRequest,
  options: { now: () => number; warn: (message: string) => void; pause?: (tries: number) => Promise<void> },
): Promise<Erased> {
  let reason = '';
  for (let tries = 0; tries < PLANS; tries += 1) {
    const done = await eraseOnce(table, request, options);
    if (!('state' in done)) return done;
    if (done.state === 'conflict') reason = done.reason;
  }
  throw new TransientError(
    'delta-conflict',
    `${table.root}: the erasure was computed ${PLANS} times and each time ${reason}. It is tried again.`,
  );
}

async function eraseOnce(
  table: WorkTable,
  request: EraseRequest,
  options: Parameters<typeof eraseRows>[2],
): Promise<Erased | CommitAnswer> {
  const snapshot = await readSnapshot(table);
  if (!snapshot) return { version: null, rows: 0, removedFiles: [], found: false };
  const none = { version: snapshot.version, rows: 0, removedFiles: [] };
  if (isCommitted(snapshot, request)) return { ...none, found: true };
  const shape = shapeOf(table, snapshot);
  const columns = keyColumns(table.root, 'erase', shape.fields, [request.column]);
  refuseLooseValues(table, columns[0]!.type as string, request);
  const relation = await values(table, request, duckType(columns[0]!.type));
  const keys: Keys = { columns, relation };
  try {
    refuseUnwritable(table.root, snapshot.protocol, snapshot.metaData, snapshot.files.size > 0);
    const { removes, files, dropped, copied } = await rewriteWithout(table, snapshot, shape, keys, request.appId);
    if (removes.length === 0) return { ...none, found: false };
    for (const { name, local } of files) await table.storage.upload(table.root + name, local.file, local);
    const answer = await commitChange(
      table,
      {
        mode: 'rewrite',
        appId: request.appId,
        operation: 'DELETE',
        // The log outlives the rows: what was erased must not stand in it.
        predicate: `${request.column} in (${request.values.length} erased value(s))`,
        basis: snapshot.version,
        removes,
        touches: async (adds) => (await filesThatMayHold(table, shape, adds, keys)).length > 0,
        fields: [...shape.fields],
        files: files.map(newFile),
        facts: { erasure: request.appId },
        origin: 'erase',
        metrics: { numDeletedRows: dropped, numCopiedRows: copied },
        ...(request.chain === undefined ? {} : { chain: request.chain }),
        ...(request.runId === undefined ? {} : { runId: request.runId }),
      },
      options.now,
      options.pause,
    );
    if (answer.state === 'conflict') return answer;
    if (answer.state === 'found') return { ...none, version: answer.snapshot.version, found: true };
    await checkpointIfDue(table, answer.snapshot, { now: options.now(), warn: options.warn });
    return { version: answer.snapshot.version, rows: dropped, removedFiles: removes.map((file) => file.path), found: false };
  } finally {
    await table.duck.run(`DROP TABLE ${relation}`);
  }
}

/** Casts round and trim; an erasure must hit exactly what was named. */
const EXACT: Record<string, RegExp> = {
  string: /^[^\u0000]+$/,
  byte: /^-?\d+$/,
  short: /^-?\d+$/,
  integer: /^-?\d+$/,
  long: /^-?\d+$/,
  date: /^\d{4}-\d{2}-\d{2}$/,
};

function refuseLooseValues(table: WorkTable, type: string, request: EraseRequest): void {
  const form = /^decimal\(\d+,0\)$/.test(type) ? EXACT['long'] : EXACT[type];
  if (form === undefined)
    throw new RejectedError(
      'bad-key',
      `${table.root}: column "${request.column}" is ${type}; rows are erased by text, whole numbers or dates. Mend: name such a column.`,
    );
  if (request.values.length === 0 || request.values.length > MOST_VALUES)
    throw new RejectedError('bad-value', `${table.root}: ${request.values.length} values to erase; 1 to ${MOST_VALUES} are taken at once.`);
  if (!request.values.every((value) => form.test(value))) throw badValue(table, type, request.column);
}

function badValue(table: WorkTable, type: string, column: string): RejectedError {
  return new RejectedError(
    'bad-value',
    `${table.root}: a value to erase is no ${type}, the type of column "${column}". Mend: write it exactly as that type.`,
  );
}

/** The values as a table of the engine, typed. */
async function values(table: WorkTable, request: EraseRequest, type: string): Promise<string> {
  const relation = `_sluice_erase_${randomUUID().replaceAll('-', '')}`;
  const list = request.values.map((value) => `(${sqlText(value)})`).join(', ');
  await table.duck.run(
    `CREATE TEMP TABLE ${relation} AS SELECT DISTINCT TRY_CAST(v AS ${type}) AS ${sqlName(request.column)} FROM (VALUES ${list}) t(v)`,
  );
  const [bad] = await table.duck.rows(`SELECT count(*) AS n FROM ${relation} WHERE ${sqlName(request.column)} IS NULL`);
  if (Number(bad!['n']) === 0) return relation;
  await table.duck.run(`DROP TABLE ${relation}`);
  throw badValue(table, type, request.column);
}
