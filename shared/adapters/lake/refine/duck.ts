// One locked-down DuckDB for one piece of work: no network, no extensions, no files outside its folder, bounded memory,
// disk and time (facts/delta.md §8.1). Owners' SQL runs here, so the lock comes before the first of it.
import type { DuckDBConnection, DuckDBType, Json } from '@duckdb/node-api';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RejectedError, TransientError } from '../../../errors/errors.ts';

export interface DuckLimits {
  /** DuckDB's `memory_limit`, e.g. `512MB`; the process takes 100–375 MiB more (facts/delta.md §8.6). */
  memoryLimit: string;
  threads: number;
  /** Spill space on disk, e.g. `20GB`. */
  diskLimit: string;
  /** One statement may run this long. */
  statementSeconds: number;
}

export interface ResultColumn {
  name: string;
  type: DuckDBType;
}

/** A row as JSON: 64-bit integers and decimals as text, so that no digit is lost. */
export type Row = Record<string, Json>;

export interface Duck {
  /** The only folder that it reads and writes. */
  readonly dir: string;
  run(sql: string, values?: string[]): Promise<void>;
  /** All rows; for small results. */
  rows(sql: string, values?: string[]): Promise<Row[]>;
  /** Rows in order, a couple of thousand at a time. */
  stream(sql: string): AsyncGenerator<Row[]>;
  /** Names and types of a query's result, without running it. */
  describe(sql: string): Promise<ResultColumn[]>;
  /** Ends the statement that runs now with an error; nothing when none runs. */
  interrupt(): void;
  close(): void;
}

/** A value of a text column. */
export function textOf(row: Row | undefined, column: string): string {
  const value = row?.[column];
  return typeof value === 'string' ? value : '';
}

/** Text as an SQL literal. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Name as an SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function duckError(error: unknown, timedOut: boolean, limits: DuckLimits): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (timedOut)
    return new RejectedError(
      'refine-too-slow',
      `a statement ran longer than ${limits.statementSeconds} s and was stopped. Give it less data or more threads.`,
      { cause: error },
    );
  if (/^(Out of Memory|OutOfRange) Error.*(memory|max_temp_directory_size)/is.test(message) || message.startsWith('Out of Memory'))
    return new RejectedError(
      'refine-too-big',
      `the work does not fit into memory (${limits.memoryLimit}) and spill space (${limits.diskLimit}). Raise the limits or simplify the SQL. DuckDB: ${message.slice(0, 300)}`,
      { cause: error },
    );
  if (/No space left on device/i.test(message))
    return new TransientError('disk-full', 'the work folder has no space left.', { cause: error });
  return error;
}

/** Opens an engine whose only folder is `dir` (absolute, exists, private). */
export async function openDuck(dir: string, limits: DuckLimits): Promise<Duck> {
  // Loaded here and not at the top: 130 ms and 70 MB that a cold start must not pay (facts/delta.md §8.1).
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const spill = join(dir, 'spill');
  await mkdir(spill, { mode: 0o700 });
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    threads: String(limits.threads),
    memory_limit: limits.memoryLimit,
  });
  const connection = await instance.connect();
  for (const setting of [
    `allowed_directories = [${sqlText(dir)}]`,
    `temp_directory = ${sqlText(spill)}`,
    `max_temp_directory_size = ${sqlText(limits.diskLimit)}`,
    "TimeZone = 'UTC'",
    'preserve_insertion_order = true',
    'enable_external_access = false',
    'lock_configuration = true',
  ])
    await connection.run(`SET ${setting}`);
  return overConnection(dir, connection, limits, () => {
    connection.closeSync();
    instance.closeSync();
  });
}

function overConnection(dir: string, connection: DuckDBConnection, limits: DuckLimits, close: () => void): Duck {
  async function timed<T>(work: () => Promise<T>): Promise<T> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      connection.interrupt();
    }, limits.statementSeconds * 1000);
    try {
      return await work();
    } catch (error) {
      throw duckError(error, timedOut, limits);
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    dir,
    run: async (sql, values) => timed(async () => void (await connection.run(sql, values))),
    rows: async (sql, values) => timed(async () => (await connection.runAndReadAll(sql, values)).getRowObjectsJson()),
    describe: async (sql) =>
      timed(async () => {
        const prepared = await connection.prepare(sql);
        const columns = Array.from({ length: prepared.columnCount }, (_, n) => ({
          name: prepared.columnName(n),
          type: prepared.columnType(n),
        }));
        prepared.destroySync();
        return columns;
      }),
    async *stream(sql) {
      const result = await timed(() => connection.stream(sql));
      const rows = result.yieldRowObjectJson();
      for (;;) {
        const next = await timed(() => rows.next());
        if (next.done) return;
        yield next.value;
      }
    },
    interrupt: () => connection.interrupt(),
    close,
  };
}
