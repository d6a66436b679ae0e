// Refining one dataset: bronze → silver → gold, judged completely before the first commit, so that a rejected dataset leaves no
// trace; then quarantine, silver, gold, each committed once per key. A retry after a crash finds what is there and goes on.
import type { Refined } from '../../../contracts/tables.ts';
import type { BadRows } from '../csv/bad-rows.ts';
import { noActions } from '../delta/actions.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { describeCommit, selectFiles } from '../delta/table-files.ts';
import { commitWrite, planWrite, type WritePlan } from '../delta/write.ts';
import { commitGold, computeGold, computeNewest, type Gold } from './gold.ts';
import { commitQuarantine, quarantineFile } from './quarantine.ts';
import { silverRows, type SilverRows } from './silver.ts';
import { appIdOf, found, tablesOf, writeRequest, type Done, type Facts, type Tables, type Work } from './work.ts';

export async function refineDataset(work: Work): Promise<Refined> {
  const tables = tablesOf(work);
  const before = await found(tables.silver, work);
  const first = before ? { silver: before, gold: null } : await firstTime(work, tables);
  return outcome(work, first.silver, await commitGold(work, tables, first.gold));
}

/** The step silver → gold alone, for a commit of silver that somebody else made: gold of that version or a newer one. */
export async function refineGold(work: Work, silverVersion: number): Promise<Refined> {
  const tables = tablesOf(work);
  let last = await found(tables.gold, work);
  if (last === null) {
    const gold = await computeNewest(work, tables, silverVersion);
    await setAside(work, tables, [gold.bad]);
    last = await commitGold(work, tables, gold);
  }
  const snapshot = await readSnapshot(tables.silver, last.facts.silverVersion ?? silverVersion);
  const silver = await describeCommit(tables.silver, snapshot!, noActions());
  return outcome(work, { commit: silver, facts: { readRows: 0, quarantinedRows: 0, findings: [] } }, last);
}

function outcome({ pipeline }: Work, silver: Done, gold: Done): Refined {
  return {
    silver: silver.commit,
    gold: gold.commit,
    readRows: silver.facts.readRows,
    quarantinedRows: silver.facts.quarantinedRows + gold.facts.quarantinedRows,
    findings: [...silver.facts.findings, ...gold.facts.findings],
    ...(pipeline.spec.data === 'on-premises' ? { onPremises: true } : {}),
  };
}

/** Everything computed and judged, nothing visible to others. */
export interface Prepared {
  rows: SilverRows;
  facts: Facts;
  silver: WritePlan;
  gold: Gold;
}

/** Reads, judges and computes everything. */
export async function prepare(work: Work, tables: Tables): Promise<Prepared> {
  const rows = await silverRows(work);
  const facts: Facts = {
    readRows: rows.readRows,
    quarantinedRows: rows.bad.reduce((sum, bad) => sum + bad.rows, 0),
    findings: rows.bad.flatMap((bad) => bad.findings),
  };
  // Gold's version is read before silver's: whoever commits gold after that is seen as a conflict.
  const goldVersion = (await readSnapshot(tables.gold))?.version ?? -1;
  const silver = await planWrite(tables.silver, writeRequest(work, work.pipeline.spec.tables.silver, rows.content, facts));
  await work.duck.run(`CREATE OR REPLACE TEMP VIEW silver AS ${await selectFiles(tables.silver, silver.shape, silver.after)}`);
  return { rows, facts, silver, gold: await computeGold(work, goldVersion, (silver.snapshot?.version ?? -1) + 1) };
}

/** Prepares, then commits quarantine and silver. */
async function firstTime(work: Work, tables: Tables): Promise<{ silver: Done; gold: Gold | null }> {
  const { rows, silver: plan, gold } = await prepare(work, tables);
  await setAside(work, tables, [...rows.bad, gold.bad]);
  await commitWrite(tables.silver, plan, { now: work.now, warn: work.warn });
  const silver = (await found(tables.silver, work))!;
  // Somebody committed in between: silver holds something else than gold was computed from.
  return { silver, gold: silver.commit.version === gold.silverVersion ? gold : null };
}

async function setAside(work: Work, tables: Tables, bad: readonly BadRows[]): Promise<void> {
  await commitQuarantine(work, tables, await quarantineFile(work.duck, bad, work.key, appIdOf(work.key)));
}
