// Gold from the view `silver`: computed, judged, planned; committed once per key, and computed again from the newest silver when
// somebody else's commit came in between.
import { RejectedError } from '../../../errors/errors.ts';
import { BadRows } from '../csv/bad-rows.ts';
import { noActions } from '../delta/actions.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { describeCommit, selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';
import { commitWrite, planWrite, type WritePlan, type WriteRequest } from '../delta/write.ts';
import { makeContent, type Content } from './table-content.ts';
import { appIdOf, found, pathsOf, writeRequest, type Done, type Facts, type Tables, type Work } from './work.ts';

/** Gold computed, and the two versions that it was computed from. */
export interface Gold {
  content: Content;
  facts: Facts;
  bad: BadRows;
  /** -1: there was no table. */
  goldVersion: number;
  silverVersion: number;
}

/** Gold as it is at a version, or now; null when there is no gold yet. */
export async function readGold(
  table: WorkTable,
  version: number | undefined,
): Promise<{ table: string; path: string; version: number; digest: string } | null> {
  const snapshot = await readSnapshot(table, version);
  if (!snapshot) return null;
  const commit = await describeCommit(table, snapshot, noActions());
  return { table: commit.table, path: commit.path, version: commit.version, digest: commit.digest };
}

let times = 0;

/** Gold from the view `silver` as it is defined now. */
export async function computeGold(work: Work, goldVersion: number, silverVersion: number): Promise<Gold> {
  const { duck, pipeline } = work;
  times += 1;
  const bad = new BadRows(duck.dir, `bad-gold-${times}.ndjson`);
  const content = await makeContent(
    duck,
    {
      layer: 'gold',
      spec: pipeline.spec.tables.gold,
      sql: pipeline.sql.gold,
      origin: appIdOf(work.key),
      // Rows of gold come from the whole of silver: no landed file is behind them any more.
      traces: new Map(),
      paths: pathsOf(work),
    },
    bad,
  ).finally(() => bad.close());
  return {
    content,
    bad,
    goldVersion,
    silverVersion,
    facts: { readRows: 0, quarantinedRows: bad.rows, findings: bad.findings, silverVersion },
  };
}

/** Gold from the newest silver. Gold's version is read before silver's: whoever commits gold after that is seen as a conflict. */
export async function computeNewest(work: Work, tables: Tables, atLeast = 0): Promise<Gold> {
  const goldVersion = (await readSnapshot(tables.gold))?.version ?? -1;
  const snapshot = await readSnapshot(tables.silver);
  if (!snapshot) throw new RejectedError('table-gone', `${tables.silver.root}: the table does not exist.`);
  if (snapshot.version < atLeast)
    throw new RejectedError(
      'version-unknown',
      `${tables.silver.root}: version ${atLeast} does not exist, the newest is ${snapshot.version}.`,
    );
  const select = await selectFiles(tables.silver, shapeOf(tables.silver, snapshot), [...snapshot.files.values()]);
  await work.duck.run(`CREATE OR REPLACE TEMP VIEW silver AS ${select}`);
  return computeGold(work, goldVersion, snapshot.version);
}

function requestOf(work: Work, gold: Gold): WriteRequest {
  return writeRequest(work, work.pipeline.spec.tables.gold, gold.content, gold.facts, gold.goldVersion);
}

/** What committing this gold would do. */
export async function planGold(work: Work, tables: Tables, gold: Gold): Promise<WritePlan> {
  return planWrite(tables.gold, requestOf(work, gold));
}

/** Commits gold. Rows of a `merge` that were computed from an older silver than the newest are computed again first. */
export async function commitGold(work: Work, tables: Tables, computed: Gold | null): Promise<Done> {
  const known = await found(tables.gold, work);
  if (known) return known;
  let gold = computed ?? (await computeNewest(work, tables));
  if (((await readSnapshot(tables.silver))?.version ?? -1) !== gold.silverVersion) gold = await computeNewest(work, tables);
  await commitWrite(tables.gold, await planGold(work, tables, gold), {
    now: work.now,
    warn: work.warn,
    recompute: async () => requestOf(work, await computeNewest(work, tables)),
  });
  return (await found(tables.gold, work))!;
}
