// What a large engine is told by Sluice, as far as this one uses it. Read leniently: the manifest's own contract is Sluice's business.
import * as z from 'zod';

const action = z.enum(['warn', 'quarantine', 'fail']);

const Table = z.object({
  name: z.string(),
  path: z.string().regex(/^[A-Za-z0-9._=-]+(\/[A-Za-z0-9._=-]+)*\/$/),
  sql: z.string(),
  mode: z.string(),
  columns: z
    .record(
      z.string(),
      z.object({
        required: z.boolean().default(false),
        min: z.number().optional(),
        max: z.number().optional(),
        values: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
        unique: z.boolean().default(false),
        onFail: action.default('fail'),
      }),
    )
    .default({}),
  expect: z.array(z.object({ name: z.string(), check: z.string(), onFail: action })).default([]),
  partitionBy: z.array(z.string()).default([]),
});
export type Table = z.infer<typeof Table>;

const Source = z.object({
  name: z.string(),
  format: z.enum(['csv', 'parquet', 'delta']),
  columns: z.record(z.string(), z.string()),
  encoding: z.string().default('utf-8'),
  timestampFormat: z.string().optional(),
});
export type Source = z.infer<typeof Source>;

const File = z.object({ source: z.string(), path: z.string(), eTag: z.string(), sha256: z.string() });
export type File = z.infer<typeof File>;

export const Manifest = z.object({
  protocol: z.literal(1),
  runId: z.string(),
  sources: z.array(Source),
  files: z.array(File).min(1),
  tables: z.object({ silver: Table, gold: Table }),
  txn: z.object({ appId: z.string(), version: z.number().int() }),
  note: z.unknown(),
});
export type Manifest = z.infer<typeof Manifest>;

/** Parameters of a Data Factory run come as the environment: what the pipeline was given counts, where it was given. */
export function withParameters(manifest: Manifest, env: Readonly<Record<string, string | undefined>>): Manifest {
  const { silver, gold } = manifest.tables;
  return {
    ...manifest,
    tables: {
      silver: { ...silver, sql: env['ADF_SILVERSQL'] ?? silver.sql, path: env['ADF_SILVERTABLE'] ?? silver.path },
      gold: { ...gold, sql: env['ADF_GOLDSQL'] ?? gold.sql, path: env['ADF_GOLDTABLE'] ?? gold.path },
    },
    txn: { ...manifest.txn, appId: env['ADF_APPID'] ?? manifest.txn.appId },
  };
}
