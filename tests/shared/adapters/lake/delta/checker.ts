// Judges a Delta table as a stranger would: from the protocol's text alone, sharing no code with the writer, and reading the
// Parquet files (data and checkpoints) with another implementation (hyparquet).
import type { ContainerClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { parquetReadObjects } from 'hyparquet';
import { checkStats, type Row, type SchemaField } from './stats-checker.ts';

type Json = Record<string, unknown>;
interface File {
  path: string;
  size: number;
  stats: Json;
  tags: Record<string, string>;
  partitionValues: Record<string, string | null>;
}

/** Where a table can be read from: a blob container, or files by name. */
export type Source = ContainerClient | { files: Map<string, { content: Buffer }> };

export interface Judgement {
  versions: number;
  rows: Record<string, unknown>[];
  files: File[];
  schema: { name: string; type: unknown }[];
  partitionColumns: string[];
  protocol: Json;
  transactions: string[];
  operations: string[];
  checkpoints: number[];
  digest: string;
  /** What is wrong; empty for a good table. */
  problems: string[];
}

interface State {
  active: Map<string, File>;
  tombstones: Map<string, Json>;
  txns: Map<string, number>;
  protocol: Json;
  metaData: Json;
  schema: SchemaField[];
}

const bytesOf = async (source: Source, name: string): Promise<Buffer> =>
  'files' in source ? source.files.get(name)!.content : source.getBlobClient(name).downloadToBuffer();

async function namesOf(source: Source, prefix: string): Promise<string[]> {
  if ('files' in source) return [...source.files.keys()].filter((name) => name.startsWith(prefix)).sort();
  const names: string[] = [];
  for await (const blob of source.listBlobsFlat({ prefix })) names.push(blob.name);
  return names;
}

async function parquetRows(content: Buffer): Promise<Row[]> {
  const file = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) as ArrayBuffer;
  return (await parquetReadObjects({ file })) as Row[];
}

const actionsOf = (actions: Json[], kind: string) => actions.flatMap((action) => (action[kind] ? [action[kind] as Json] : []));

function checkCommit(version: number, actions: Json[]): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`version ${version}: ${what}`);
  if (actions.some((action) => Object.keys(action).length !== 1)) say('an action without exactly one key');
  const info = actions[0]?.['commitInfo'] as Json | undefined;
  if (!info) say('commitInfo is not first');
  if (version === 0 && (actionsOf(actions, 'protocol').length !== 1 || actionsOf(actions, 'metaData').length !== 1))
    say('not one protocol and one metaData');
  if (version > 0 && actionsOf(actions, 'protocol').length > 0) say('protocol again');
  const [adds, removes] = [actionsOf(actions, 'add'), actionsOf(actions, 'remove')];
  const paths = [...adds, ...removes].map((action) => action['path'] as string);
  if (new Set(paths).size !== paths.length) say('a path twice');
  for (const remove of removes)
    if (typeof remove['deletionTimestamp'] !== 'number' || remove['extendedFileMetadata'] !== true) say('a remove without time or size');
  const apps = actionsOf(actions, 'txn').map((txn) => txn['appId']);
  if (new Set(apps).size !== apps.length) say('an appId twice');
  if (info?.['isBlindAppend'] === true && removes.length > 0) say('a blind append that removes');
  if (typeof info?.['timestamp'] !== 'number' || typeof info['operation'] !== 'string') say('commitInfo without time or operation');
  return problems;
}

/** A later metaData may only add nullable columns at the end. */
function checkEvolution(version: number, before: Json, after: Json): string[] {
  const fields = (metaData: Json) => (JSON.parse(metaData['schemaString'] as string) as { fields: SchemaField[] }).fields;
  const [old, now] = [fields(before), fields(after)];
  const problems: string[] = [];
  if (JSON.stringify(now.slice(0, old.length)) !== JSON.stringify(old)) problems.push(`version ${version}: known columns changed`);
  if (now.slice(old.length).some((field) => !field.nullable)) problems.push(`version ${version}: a new column that may not be null`);
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    if (key !== 'schemaString' && JSON.stringify(before[key]) !== JSON.stringify(after[key]))
      problems.push(`version ${version}: ${key} changed`);
  return problems;
}

function checkProtocol(protocol: Json, schema: SchemaField[]): string[] {
  const ntz = JSON.stringify(schema).includes('"timestamp_ntz"');
  const expected = ntz
    ? '{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timestampNtz"],"writerFeatures":["timestampNtz"]}'
    : '{"minReaderVersion":1,"minWriterVersion":2}';
  return JSON.stringify(protocol) === expected ? [] : [`protocol ${JSON.stringify(protocol)}`];
}

function checkAdd(file: File, columns: string[]): string[] {
  const problems: string[] = [];
  if (Object.keys(file.partitionValues).sort().join() !== [...columns].sort().join())
    problems.push(`${file.path}: partition values of other columns`);
  if (!/^[A-Za-z0-9._=%/-]+$/.test(file.path) || /%(?!25)/.test(file.path)) problems.push(`${file.path}: not plainly encoded`);
  const folders = decodeURIComponent(file.path).split('/').slice(0, -1).map(decodeURIComponent);
  const expected = columns.map((column) => `${column}=${file.partitionValues[column] ?? '__HIVE_DEFAULT_PARTITION__'}`);
  for (const [n, each] of expected.entries())
    if (folders[n] !== each && !/\.\.\.[0-9a-f]{16}$/.test(folders[n] ?? ''))
      problems.push(`${file.path}: folder ${folders[n]} for ${each}`);
  if (folders.length !== columns.length) problems.push(`${file.path}: ${folders.length} folders`);
  if (Object.values(file.partitionValues).includes('')) problems.push(`${file.path}: an empty partition value`);
  return problems;
}

function apply(state: State, version: number, actions: Json[]): string[] {
  const problems: string[] = [];
  for (const action of actions) {
    const { add, remove, metaData, protocol, txn } = action as Record<string, Json | undefined>;
    if (protocol) state.protocol = protocol;
    if (metaData) {
      if (version > 0) problems.push(...checkEvolution(version, state.metaData, metaData));
      state.metaData = metaData;
      state.schema = (JSON.parse(metaData['schemaString'] as string) as { fields: SchemaField[] }).fields;
    }
    if (remove) {
      if (!state.active.delete(remove['path'] as string))
        problems.push(`version ${version}: removes ${String(remove['path'])}, which is not there`);
      state.tombstones.set(remove['path'] as string, remove);
    }
    if (add) {
      const file = { ...(add as unknown as File), stats: JSON.parse(add['stats'] as string) as Json };
      problems.push(...checkAdd(file, state.metaData['partitionColumns'] as string[]));
      if (state.active.has(file.path)) problems.push(`version ${version}: adds ${file.path} again`);
      state.active.set(file.path, file);
      state.tombstones.delete(file.path);
    }
    if (txn) {
      const [appId, number] = [txn['appId'] as string, txn['version'] as number];
      if (number <= (state.txns.get(appId) ?? -1)) problems.push(`version ${version}: transaction ${appId} ${number} a second time`);
      state.txns.set(appId, number);
    }
  }
  return problems;
}

/** Text to compare values by, whatever integer type a reader gives. */
const plain = (value: unknown) => JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each));
const named = (map: unknown) => plain(Object.fromEntries(Object.entries(map as Json).sort()));

/** The checkpoint says what replaying the log says. */
function checkCheckpoint(version: number, actions: Row[], state: State): string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`checkpoint ${version}: ${what}`);
  const of = (kind: string) => actionsOf(actions, kind);
  if (actions.some((action) => Object.values(action).filter((each) => each !== null && each !== undefined).length !== 1))
    say('a row without exactly one action');
  for (const problem of checkAdds(of('add'), state)) say(problem);
  for (const remove of of('remove')) if (!state.tombstones.has(remove['path'] as string)) say(`a tombstone of ${String(remove['path'])}`);
  const txns = Object.fromEntries(of('txn').map((txn) => [txn['appId'], Number(txn['version'])])) as Json;
  if (named(txns) !== named(Object.fromEntries(state.txns))) say('other transactions than the log');
  const [protocol, metaData] = [of('protocol'), of('metaData')];
  if (protocol.length !== 1 || metaData.length !== 1) return [...problems, `checkpoint ${version}: not one protocol and one metaData`];
  for (const key of ['minReaderVersion', 'minWriterVersion', 'readerFeatures', 'writerFeatures'])
    if (plain(protocol[0]![key] ?? null) !== plain(state.protocol[key] ?? null)) say(`protocol.${key} differs`);
  for (const key of ['id', 'schemaString', 'partitionColumns', 'configuration', 'createdTime'])
    if (plain(metaData[0]![key]) !== plain(state.metaData[key])) say(`metaData.${key} differs`);
  return problems;
}

function checkAdds(found: Json[], state: State): string[] {
  const problems: string[] = [];
  const adds = new Map(found.map((add) => [add['path'] as string, add]));
  if ([...adds.keys()].sort().join() !== [...state.active.keys()].sort().join() || found.length !== adds.size)
    problems.push('other files than the log');
  for (const [path, file] of state.active) {
    const add = adds.get(path);
    if (!add) continue;
    if (Number(add['size']) !== file.size || plain(JSON.parse(add['stats'] as string)) !== plain(file.stats))
      problems.push(`${path}: size or statistics differ`);
    if (named(add['partitionValues']) !== named(file.partitionValues) || named(add['tags']) !== named(file.tags))
      problems.push(`${path}: values or tags differ`);
    if (add['dataChange'] !== false) problems.push(`${path}: dataChange`);
  }
  return problems;
}

async function checkHint(source: Source, log: string, counts: Map<number, number>): Promise<string[]> {
  const names = await namesOf(source, `${log}_last_checkpoint`);
  if (names.length === 0) return counts.size === 0 ? [] : ['checkpoints without _last_checkpoint'];
  const hint = JSON.parse((await bytesOf(source, names[0]!)).toString('utf8')) as { version: number; size: number };
  return counts.get(hint.version) === hint.size ? [] : [`_last_checkpoint says ${JSON.stringify(hint)}`];
}

/** A partition value as hyparquet would give it from a file. */
function typed(type: unknown, text: string | null): unknown {
  if (text === null) return null;
  if (type === 'long') return BigInt(text);
  return ['integer', 'short', 'byte'].includes(type as string) ? Number(text) : text;
}

/** Reads and judges the table at `root` (with a trailing slash), as of `upTo` or the newest version. */
export async function judgeTable(source: Source, root: string, upTo = Number.MAX_SAFE_INTEGER): Promise<Judgement> {
  const log = `${root}_delta_log/`;
  const names = await namesOf(source, log);
  const problems: string[] = [];
  const json = names.filter((name) => /\/\d{20}\.json$/.test(name));
  const state: State = { active: new Map(), tombstones: new Map(), txns: new Map(), protocol: {}, metaData: {}, schema: [] };
  const [transactions, operations]: [string[], string[]] = [[], []];
  const counts = new Map<number, number>();
  for (const [version, name] of json.entries()) {
    if (version > upTo) break;
    if (name !== `${log}${String(version).padStart(20, '0')}.json`) problems.push(`version ${version} is missing or named ${name}`);
    const text = (await bytesOf(source, name)).toString('utf8');
    if (!text.endsWith('\n')) problems.push(`${name} does not end with a line feed`);
    const actions = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Json);
    problems.push(...checkCommit(version, actions), ...apply(state, version, actions));
    for (const txn of actionsOf(actions, 'txn')) transactions.push(txn['appId'] as string);
    for (const info of actionsOf(actions, 'commitInfo')) {
      const mode = (info['operationParameters'] as Json)['mode'];
      operations.push(
        mode === undefined ? String(info['operation']) : `${String(info['operation'])} ${JSON.stringify(mode).replaceAll('"', '')}`,
      );
    }
    const checkpoint = names.find((each) => each === `${log}${String(version).padStart(20, '0')}.checkpoint.parquet`);
    if (checkpoint) {
      const rows = await parquetRows(await bytesOf(source, checkpoint));
      counts.set(version, rows.length);
      problems.push(...checkCheckpoint(version, rows, state));
    }
  }
  if (upTo === Number.MAX_SAFE_INTEGER) problems.push(...(await checkHint(source, log, counts)));
  problems.push(...checkProtocol(state.protocol, state.schema));
  const partitionColumns = state.metaData['partitionColumns'] as string[];
  const stored = state.schema.filter((field) => !partitionColumns.includes(field.name));
  const rows: Row[] = [];
  const lines: string[] = [];
  for (const file of state.active.values()) {
    const content = await bytesOf(source, root + decodeURIComponent(file.path));
    const sha = createHash('sha256').update(content).digest('hex');
    if (content.length !== file.size) problems.push(`${file.path}: ${content.length} bytes, the log says ${file.size}`);
    if (sha !== file.tags['sluice.sha256'] || file.path.split('/').at(-1) !== `part-${sha.slice(0, 32)}.parquet`)
      problems.push(`${file.path}: SHA-256 is ${sha}`);
    lines.push(`${file.path}\0${sha}\n`);
    const read = await parquetRows(content);
    // A file from before a column was added lacks it; it has no others.
    const known = new Set(stored.map((field) => field.name));
    if (read[0] && !Object.keys(read[0]).every((name) => known.has(name)))
      problems.push(`${file.path}: columns that the schema does not have`);
    const inFile = stored.filter((field) => !read[0] || Object.hasOwn(read[0], field.name));
    problems.push(...checkStats(file, read, inFile));
    const types = new Map(state.schema.map((field) => [field.name, field.type]));
    const values = Object.entries(file.partitionValues).map(([name, text]) => [name, typed(types.get(name), text)]);
    const absent = Object.fromEntries(stored.filter((field) => !inFile.includes(field)).map((field) => [field.name, null]));
    rows.push(...read.map((row) => ({ ...absent, ...row, ...(Object.fromEntries(values) as Row) })));
  }
  return {
    versions: json.length,
    rows,
    files: [...state.active.values()],
    schema: state.schema,
    partitionColumns,
    protocol: state.protocol,
    transactions,
    operations,
    checkpoints: [...counts.keys()],
    digest: createHash('sha256').update(lines.sort().join('')).digest('hex'),
    problems,
  };
}
