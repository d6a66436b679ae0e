// Tables in memory with one engine for a whole test file: rows come from SQL, and every table is judged by the checker.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { writeParquet, type LocalFile } from '../../../../../shared/adapters/lake/delta/parquet.ts';
import { readSnapshot } from '../../../../../shared/adapters/lake/delta/snapshot.ts';
import { selectFiles, shapeOf, workTable, type WorkTable } from '../../../../../shared/adapters/lake/delta/table-files.ts';
import type { TableStorage } from '../../../../../shared/adapters/lake/delta/table-storage.ts';
import { deltaSchema, type DeltaField, type Timestamps } from '../../../../../shared/adapters/lake/delta/types.ts';
import {
  commitWrite,
  planWrite,
  type CommitOptions,
  type WritePlan,
  type WriteRequest,
} from '../../../../../shared/adapters/lake/delta/write.ts';
import { openDuck, type Duck, type Row } from '../../../../../shared/adapters/lake/refine/duck.ts';
import { judgeTable, type Judgement, type Source } from './checker.ts';
import { memoryStorage, type MemoryStorage } from './memory-storage.ts';

export interface TableRig {
  readonly duck: Duck;
  /** An empty table in a storage of its own. */
  table(): WorkTable & { storage: MemoryStorage };
  at(storage: TableStorage): WorkTable;
  content(sql: string, timestamps?: Timestamps, origin?: string | null): Promise<{ fields: DeltaField[]; content: LocalFile }>;
  /** Plans and commits the rows of `sql`. */
  write(table: WorkTable, sql: string, parts?: Parts): Promise<Awaited<ReturnType<typeof commitWrite>>>;
  plan(table: WorkTable, sql: string, parts?: Parts): Promise<WritePlan>;
  commit(table: WorkTable, plan: WritePlan, options?: Partial<CommitOptions>): ReturnType<typeof commitWrite>;
  /** All rows as our reader gives them, as JSON, sorted. */
  read(table: WorkTable, version?: number): Promise<Row[]>;
  /** The checker's judgement, which must have no problem. */
  judge(table: WorkTable & { storage: Source }): Promise<Judgement>;
  warnings: string[];
}
type Parts = Partial<WriteRequest> & { timestamps?: Timestamps };

export function tableRig(): TableRig {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-delta-'));
  const warnings: string[] = [];
  let duck: Duck;
  let contents = 0;
  beforeAll(async () => {
    duck = await openDuck(dir, { memoryLimit: '512MB', threads: 2, diskLimit: '1GB', statementSeconds: 60 });
  });
  afterAll(() => {
    duck.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const at = (storage: TableStorage) => workTable(duck, storage, 'silver', 't', 'silver/p/t/');
  const rig: TableRig = {
    get duck() {
      return duck;
    },
    warnings,
    at,
    table() {
      const storage = memoryStorage();
      return { ...at(storage), storage };
    },
    async content(sql, timestamps = 'utc', origin = null) {
      // Taken before anything is awaited: several writers of a race make their contents at once.
      contents += 1;
      const file = join(dir, `content-${contents}.parquet`);
      const { fields, select } = deltaSchema(await duck.describe(sql), 'silver.sql', timestamps);
      const content = await writeParquet(duck, `SELECT ${select} FROM (${sql})`, file, fields, origin);
      return { fields, content };
    },
    async plan(table, sql, { timestamps, ...parts } = {}) {
      const appId = parts.appId ?? `sluice-${randomUUID()}`;
      const mode = parts.mode ?? 'append';
      const made = await rig.content(sql, timestamps, mode === 'overwrite' ? null : appId);
      return planWrite(table, { mode, origin: 'silver.sql', ...made, ...parts, appId });
    },
    async commit(table, plan, options = {}) {
      const storage = table.storage as Partial<MemoryStorage>;
      return commitWrite(table, plan, { now: () => storage.now ?? Date.now(), warn: (message) => warnings.push(message), ...options });
    },
    async write(table, sql, parts) {
      return rig.commit(table, await rig.plan(table, sql, parts));
    },
    async read(table, version) {
      const snapshot = (await readSnapshot(table, version))!;
      const rows = await selectFiles(table, shapeOf(table, snapshot), [...snapshot.files.values()]);
      return duck.rows(`SELECT * FROM (${rows}) ORDER BY ALL NULLS FIRST`);
    },
    async judge(table) {
      const judged = await judgeTable(table.storage, table.root);
      expect(judged.problems).toEqual([]);
      return judged;
    },
  };
  return rig;
}

/** `VALUES` with column names: `rows('k, v', "1, 'a'", "2, 'b'")`. */
export const rows = (names: string, ...values: string[]) =>
  `SELECT * FROM (VALUES ${values.map((value) => `(${value})`).join(', ')}) t(${names})`;
