// A query's result as one Parquet file, with what its `add` action needs: rows, size, SHA-256, statistics per column.
// Codec snappy and format v1: every reader knows them (facts/delta.md §7). Equal input gives equal bytes.
import type { DeltaField } from './types.ts';
import { sqlText, type Duck } from '../refine/duck.ts';
import { hashFile } from '../storage.ts';
import { countedBy, INDEXED, statsText, type Indexed } from './stats.ts';

/** A Parquet file in the work folder. */
export interface LocalFile {
  file: string;
  rows: number;
  bytes: number;
  sha256: string;
  /** Text of `add.stats`. */
  stats: string;
}

/**
 * Writes `query`, whose columns are `fields`, to `file`. `origin` goes into the file's metadata, so that equal rows of two runs are two
 * files; null leaves it out.
 */
export async function writeParquet(
  duck: Duck,
  query: string,
  file: string,
  fields: readonly DeltaField[],
  origin: string | null,
  indexed: Indexed = INDEXED,
): Promise<LocalFile> {
  const metadata = origin === null ? '' : `, KV_METADATA {'sluice.txn': ${sqlText(origin)}}`;
  const [result] = await duck.rows(
    `COPY (${query}) TO ${sqlText(file)} (FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v1, RETURN_STATS${metadata})`,
  );
  const rows = Number(result!['count']);
  const { sha256, bytes } = await hashFile(file);
  return { file, rows, bytes, sha256, stats: statsText(rows, fields, countedBy(result!), indexed) };
}
