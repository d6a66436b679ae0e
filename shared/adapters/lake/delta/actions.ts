// Actions of a Delta log as JSON: what a commit file holds, read with every field judged; unknown actions and fields are
// ignored, null and absent are the same (facts/delta.md §1, §2).
import * as z from 'zod';
import { RejectedError } from '../../../errors/errors.ts';

const Text = z.string();
const Whole = z.number().int();
const Flat = z.record(Text, Text.nullable());

export const Protocol = z.object({
  minReaderVersion: Whole,
  minWriterVersion: Whole,
  readerFeatures: z.array(Text).nullish(),
  writerFeatures: z.array(Text).nullish(),
});
export type Protocol = z.infer<typeof Protocol>;

export const MetaData = z.object({
  id: Text,
  name: Text.nullish(),
  description: Text.nullish(),
  format: z.object({ provider: Text, options: z.record(Text, Text).nullish() }),
  schemaString: Text,
  partitionColumns: z.array(Text),
  configuration: z.record(Text, Text).nullish(),
  createdTime: Whole.nullish(),
});
export type MetaData = z.infer<typeof MetaData>;

export const Add = z.object({
  path: Text,
  partitionValues: Flat,
  size: Whole,
  modificationTime: Whole,
  dataChange: z.boolean(),
  stats: Text.nullish(),
  tags: Flat.nullish(),
  deletionVector: z.unknown().optional(),
});
export type Add = z.infer<typeof Add>;

export const Remove = z.object({
  path: Text,
  dataChange: z.boolean(),
  deletionTimestamp: Whole.nullish(),
  extendedFileMetadata: z.boolean().nullish(),
  partitionValues: Flat.nullish(),
  size: Whole.nullish(),
  deletionVector: z.unknown().optional(),
});
export type Remove = z.infer<typeof Remove>;

export const Txn = z.object({ appId: Text, version: Whole, lastUpdated: Whole.nullish() });
export type Txn = z.infer<typeof Txn>;

/** A field of free JSON: of the expected form, or as if it were absent. */
const loose = <T extends z.ZodType>(schema: T) => schema.nullish().catch(null);

/** `commitInfo` is free JSON; these are the parts that are used here. `sluice` is what we noted of our own commit. */
export const CommitInfo = z.object({
  timestamp: loose(Whole),
  inCommitTimestamp: loose(Whole),
  operation: loose(Text),
  operationParameters: loose(z.record(Text, z.unknown())),
  operationMetrics: loose(z.record(Text, z.unknown())),
  isBlindAppend: loose(z.boolean()),
  engineInfo: loose(Text),
  txnId: loose(Text),
  userMetadata: loose(Text),
  sluice: z.unknown().optional(),
});
export type CommitInfo = z.infer<typeof CommitInfo>;

export interface Actions {
  protocol: Protocol | null;
  metaData: MetaData | null;
  adds: Add[];
  removes: Remove[];
  txns: Txn[];
  info: CommitInfo | null;
}

export function noActions(): Actions {
  return { protocol: null, metaData: null, adds: [], removes: [], txns: [], info: null };
}

/** Puts one action, `{kind: fields}`, where it belongs. `where` names file and line for the error `table-invalid`. */
export function takeAction(actions: Actions, action: unknown, where: string): void {
  if (typeof action !== 'object' || action === null || Array.isArray(action)) throw invalid(where, 'it is not a JSON object');
  const read = <T>(kind: string, schema: z.ZodType<T>): T | null => {
    const value: unknown = Object.hasOwn(action, kind) ? (action as Record<string, unknown>)[kind] : null;
    if (value === null || value === undefined) return null;
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw invalid(where, `${kind}.${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
    return parsed.data;
  };
  actions.protocol = read('protocol', Protocol) ?? actions.protocol;
  actions.metaData = read('metaData', MetaData) ?? actions.metaData;
  const [add, remove, txn] = [read('add', Add), read('remove', Remove), read('txn', Txn)];
  if (add) actions.adds.push(add);
  if (remove) actions.removes.push(remove);
  if (txn) actions.txns.push(txn);
  const info = CommitInfo.safeParse((action as Record<string, unknown>)['commitInfo']);
  if (info.success) actions.info = info.data;
}

function invalid(where: string, why: string): RejectedError {
  return new RejectedError('table-invalid', `${where}: ${why}. Mend: the table's log is damaged; restore that file.`);
}

function corrupt(where: string, why: string): RejectedError {
  return new RejectedError(
    'delta-log-corrupt',
    `${where}: ${why}. Mend: the writer was cut off or is still writing; let it finish, or restore that file. It is never passed over.`,
  );
}

/** Reads a commit file. Rejects `delta-log-corrupt` for a torn or empty one, `table-invalid` for a JSON object of the wrong form. */
export function parseCommit(text: string, file: string): Actions {
  const actions = noActions();
  const lines = text.split('\n');
  if (!lines.some((line) => line.trim() !== '')) throw corrupt(file, 'the commit is empty');
  for (const [n, line] of lines.entries()) {
    if (line.trim() === '') continue;
    let action: unknown;
    try {
      action = JSON.parse(line);
    } catch {
      throw corrupt(`${file}, line ${n + 1}`, 'it is not JSON');
    }
    takeAction(actions, action, `${file}, line ${n + 1}`);
  }
  return actions;
}

/** `add.stats` → numRecords; null when the writer gave none. */
export function recordsOf(add: Add): number | null {
  const match = /"numRecords"\s*:\s*(\d{1,15})\b/.exec(add.stats ?? '');
  return match ? Number(match[1]) : null;
}

/** The tag in which our writer keeps a data file's SHA-256. */
export const SHA_TAG = 'sluice.sha256';
