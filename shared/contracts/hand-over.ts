// Refining by an engine outside this process: when it happens, what the engine is told, and what it has to leave (docs/adr/0008).
import * as z from 'zod';
import { Name, RunId, Sha256 } from './identifiers.ts';
import { Duration } from './pipeline/parts.ts';
import { Source } from './pipeline/source.ts';
import { Table } from './pipeline/table.ts';
import type { Commit } from './tables.ts';

/** Engines outside this process; each has its own adapter. */
export const LargeEngine = z.enum(['data-factory', 'databricks']);
export type LargeEngine = z.infer<typeof LargeEngine>;

/** Where the deployment sends what is too large for the embedded engine; frozen into a story's input. */
export const HandOverRule = z.strictObject({
  aboveBytes: z.number().int().min(0).describe('Unpacked bytes above which the step is handed over'),
  to: LargeEngine,
  by: z.string().min(1).max(400).describe('The data pipeline’s name, or the image of the component whose wheel refines'),
  deadline: Duration.describe('After this the engine’s run is cancelled'),
});
export type HandOverRule = z.infer<typeof HandOverRule>;

/** Who refined, and why. */
export const EngineChoice = z.strictObject({ engine: z.enum(['embedded', ...LargeEngine.options]), reason: z.string().max(300) });
export type EngineChoice = z.infer<typeof EngineChoice>;

/** How much there is to refine, as storage tells it. */
export const DatasetSize = z.strictObject({
  files: z.number().int().min(0),
  bytes: z.number().int().min(0).describe('As stored: packed files count packed'),
  packedBytes: z.number().int().min(0).describe('Of these, bytes of packed files (`.gz`)'),
});
export type DatasetSize = z.infer<typeof DatasetSize>;

const place = { path: z.string().describe('Root below the lake container, with a trailing slash'), sql: z.string() };
const table = Table.omit({ sql: true }).extend(place);

/**
 * What the engine reads, as `manifest.json`. The engine makes one commit in each table that carries `txn`, and none in a table that has
 * `txn` already; rows that break a rule make it fail before its first commit, because nothing is set aside outside the embedded engine.
 */
export const HandOverManifest = z.strictObject({
  protocol: z.literal(1),
  pipeline: Name,
  contractDigest: Sha256,
  runId: RunId,
  lake: z.string().describe('URL of the lake container: abfss://…, or http://… on this machine'),
  sources: z
    .array(Source)
    .min(1)
    .describe('Files of a source are the view bronze_<name>, with dashes as underscores; of a single one bronze too'),
  files: z
    .array(z.strictObject({ source: Name, path: z.string(), eTag: z.string(), sha256: Sha256 }))
    .describe('Sorted by path; nothing else is read'),
  tables: z.strictObject({ silver: table, gold: table }),
  txn: z.strictObject({ appId: z.string(), version: z.number().int() }).describe('Delta’s SetTransaction, in the commit of each table'),
  note: z
    .strictObject({ runId: RunId, chain: z.array(z.string()) })
    .describe('Goes into commitInfo.userMetadata as {"sluice": note}, with readRows'),
});
export type HandOverManifest = z.infer<typeof HandOverManifest>;

/** What statistics say of one column over the files that a commit added; null where a file has none. Bounds are numbers as text. */
export interface ColumnFacts {
  nulls: number | null;
  min: string | null;
  max: string | null;
}

/** The commit of a transaction, told by the table's log alone: no row is read. */
export interface ForeignCommit {
  commit: Commit;
  columns: { name: string; type: string }[];
  /** By the names of `columns`. */
  added: Readonly<Record<string, ColumnFacts>>;
  /** Rows that the engine says it read; null where it says nothing. */
  readRows: number | null;
}
