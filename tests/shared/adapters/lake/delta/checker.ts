// Judges a Delta table in a container as a stranger would: from the protocol's text alone, sharing no code with the writer,
// and reading the Parquet files with another implementation (hyparquet).
import type { ContainerClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { parquetReadObjects } from 'hyparquet';

type Json = Record<string, unknown>;
interface File {
  path: string;
  size: number;
  stats: Json;
  tags: Record<string, string>;
}

export interface Judgement {
  versions: number;
  rows: Record<string, unknown>[];
  files: File[];
  schema: { name: string; type: unknown }[];
  transactions: string[];
  operations: string[];
  digest: string;
  /** What is wrong; empty for a good table. */
  problems: string[];
}

const bytesOf = async (container: ContainerClient, name: string) => container.getBlobClient(name).downloadToBuffer();

async function logOf(container: ContainerClient, root: string): Promise<{ commits: Json[][]; problems: string[] }> {
  const names: string[] = [];
  for await (const blob of container.listBlobsFlat({ prefix: `${root}_delta_log/` })) names.push(blob.name);
  const json = names.filter((name) => name.endsWith('.json'));
  const problems: string[] = [];
  const commits: Json[][] = [];
  for (const [n, name] of json.entries()) {
    if (name !== `${root}_delta_log/${String(n).padStart(20, '0')}.json`) problems.push(`version ${n} is missing or named ${name}`);
    const text = (await bytesOf(container, name)).toString('utf8');
    if (!text.endsWith('\n')) problems.push(`${name} does not end with a line feed`);
    commits.push(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Json),
    );
  }
  return { commits, problems };
}

/** A value as JSON statistics show it. */
function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'bigint' ? Number(value) : value;
}

const shown = (value: unknown) => JSON.stringify(value);

function checkStats(file: File, rows: Record<string, unknown>[], schema: { name: string; type: unknown }[]): string[] {
  const problems: string[] = [];
  if (file.stats['numRecords'] !== rows.length)
    problems.push(`${file.path}: numRecords ${String(file.stats['numRecords'])}, rows ${rows.length}`);
  for (const { name, type } of schema) {
    const values = rows.map((row) => plain(row[name])).filter((value) => value !== null && value !== undefined);
    const nulls = (file.stats['nullCount'] as Json)[name];
    if (nulls !== undefined && nulls !== rows.length - values.length)
      problems.push(`${file.path}: nullCount of ${name} is ${JSON.stringify(nulls)}`);
    const [min, max] = [(file.stats['minValues'] as Json)[name], (file.stats['maxValues'] as Json)[name]];
    // A bound may be wide, never narrow. Timestamps are cut to milliseconds; readers add one to the maximum.
    // hyparquet gives decimals as rounded numbers: no nearer than that are they compared.
    const slack = type === 'timestamp' ? 1 : 0;
    const near = (a: number, b: number) => String(type).startsWith('decimal') && Math.abs(a - b) <= 1e-12 * Math.abs(a);
    const order = (value: unknown) => (type === 'timestamp' || type === 'date' ? Date.parse(value as string) : (value as string | number));
    const below = (a: string | number, b: string | number) => a < b && !(typeof a === 'number' && typeof b === 'number' && near(a, b));
    for (const value of values) {
      if (min !== undefined && below(order(value), order(min)))
        problems.push(`${file.path}: ${name} holds ${shown(value)} below its minimum ${shown(min)}`);
      const top = max === undefined ? undefined : order(max);
      if (top !== undefined && below(typeof top === 'number' ? top + slack : top, order(value)))
        problems.push(`${file.path}: ${name} holds ${shown(value)} above its maximum ${shown(max)}`);
    }
  }
  return problems;
}

function checkCommit(version: number, actions: Json[]): string[] {
  const problems: string[] = [];
  const of = (kind: string) => actions.filter((action) => kind in action).map((action) => action[kind] as Json);
  if (actions.some((action) => Object.keys(action).length !== 1)) problems.push(`version ${version}: an action without exactly one key`);
  if (!('commitInfo' in actions[0]!)) problems.push(`version ${version}: commitInfo is not first`);
  if (version === 0 && (of('protocol').length !== 1 || of('metaData').length !== 1))
    problems.push('version 0: not one protocol and one metaData');
  if (version > 0 && (of('protocol').length > 0 || of('metaData').length > 0))
    problems.push(`version ${version}: protocol or metaData again`);
  const paths = [...of('add'), ...of('remove')].map((action) => action['path'] as string);
  if (new Set(paths).size !== paths.length) problems.push(`version ${version}: a path twice`);
  for (const remove of of('remove'))
    if (typeof remove['deletionTimestamp'] !== 'number') problems.push(`version ${version}: a remove without time`);
  return problems;
}

/** Reads and judges the table at `root` (with a trailing slash), as of `upTo` or the newest version. */
export async function judgeTable(container: ContainerClient, root: string, upTo = Number.MAX_SAFE_INTEGER): Promise<Judgement> {
  const { commits, problems } = await logOf(container, root);
  const active = new Map<string, File>();
  const transactions: string[] = [];
  const operations: string[] = [];
  let schema: { name: string; type: unknown }[] = [];
  for (const [version, actions] of commits.entries()) {
    if (version > upTo) break;
    problems.push(...checkCommit(version, actions));
    for (const action of actions) {
      const { add, remove, metaData, protocol, txn, commitInfo } = action as Record<string, Json | undefined>;
      if (protocol && JSON.stringify(protocol) !== '{"minReaderVersion":1,"minWriterVersion":2}')
        problems.push(`protocol ${JSON.stringify(protocol)}`);
      if (metaData) schema = (JSON.parse(metaData['schemaString'] as string) as { fields: typeof schema }).fields;
      if (remove && !active.delete(remove['path'] as string))
        problems.push(`version ${version}: removes ${String(remove['path'])}, which is not there`);
      if (add) active.set(add['path'] as string, { ...(add as unknown as File), stats: JSON.parse(add['stats'] as string) as Json });
      if (txn) transactions.push(txn['appId'] as string);
      if (commitInfo) operations.push(`${String(commitInfo['operation'])} ${String((commitInfo['operationParameters'] as Json)['mode'])}`);
    }
  }
  const rows: Record<string, unknown>[] = [];
  const lines: string[] = [];
  for (const file of active.values()) {
    const content = await bytesOf(container, root + file.path);
    const sha = createHash('sha256').update(content).digest('hex');
    if (content.length !== file.size) problems.push(`${file.path}: ${content.length} bytes, the log says ${file.size}`);
    if (sha !== file.tags['sluice.sha256'] || file.path !== `part-${sha.slice(0, 32)}.parquet`)
      problems.push(`${file.path}: SHA-256 is ${sha}`);
    lines.push(`${file.path}\0${sha}\n`);
    const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) as ArrayBuffer;
    const read = (await parquetReadObjects({ file: buffer })) as Record<string, unknown>[];
    if (
      read[0] &&
      Object.keys(read[0]).sort().join() !==
        schema
          .map((field) => field.name)
          .sort()
          .join()
    )
      problems.push(`${file.path}: columns differ from the schema`);
    problems.push(...checkStats(file, read, schema));
    rows.push(...read);
  }
  const digest = createHash('sha256').update(lines.sort().join('')).digest('hex');
  return { versions: commits.length, rows, files: [...active.values()], schema, transactions, operations, digest, problems };
}
