// Silver's new rows from bronze. Plain CSV is read by DuckDB as it is while the plain check runs beside it; when it turns out not to
// be plain, or a row that breaks a rule must be traced to its line, the work is done again the exact way.
import type { RemoteFile } from '../../../ports/lake.ts';
import { BadRows } from '../csv/bad-rows.ts';
import {
  defineBronze,
  definePlainBronze,
  fetchedCommit,
  fetchSources,
  mayBePlain,
  provePlain,
  type Bronze,
  type Fetched,
} from './bronze.ts';
import { LinesNeeded } from './expectations.ts';
import { defineManifest } from './manifest-rows.ts';
import { defineView, keepsOrder, needsPlaces, withoutRowOrder } from './sql-views.ts';
import { makeContent, type Content } from './table-content.ts';
import { appIdOf, pathsOf, type Work } from './work.ts';

export interface SilverRows {
  content: Content;
  readRows: number;
  /** Rows set aside, in the order in which they were found. */
  bad: BadRows[];
}

/** Fetches, reads and judges bronze, and runs silver's SQL over it. Rejects with the rule that was broken. */
export async function silverRows(work: Work): Promise<SilverRows> {
  const { sources } = work.pipeline.spec;
  if (work.remote) return manifested(work, work.remote);
  const fetched = work.commit ? fetchedCommit(sources, work.commit) : await fetchSources(work, sources, work.files);
  return (mayBePlain(fetched, work.plainFrom) ? await plainly(work, fetched) : null) ?? exactly(work, fetched);
}

function request(work: Work, traces: Bronze['traces'], sql = work.pipeline.sql.silver) {
  return {
    layer: 'silver' as const,
    spec: work.pipeline.spec.tables.silver,
    sql,
    origin: appIdOf(work.key),
    traces,
    paths: pathsOf(work),
  };
}

/** The rows are those of the manifest: they were judged when it landed. */
async function manifested(work: Work, remote: readonly RemoteFile[]): Promise<SilverRows> {
  const { duck } = work;
  const traces = await defineManifest(duck, remote);
  const bad = new BadRows(duck.dir, 'bad-silver.ndjson');
  const content = await makeContent(duck, request(work, traces), bad).finally(() => bad.close());
  return { content, readRows: remote.length, bad: [bad] };
}

async function exactly(work: Work, fetched: readonly Fetched[]): Promise<SilverRows> {
  const { duck, container } = work;
  const bronze = await defineBronze({ duck, container, mode: work.pipeline.spec.tables.silver.mode }, fetched);
  const bad = new BadRows(duck.dir, 'bad-silver.ndjson');
  try {
    const content = await makeContent(duck, request(work, bronze.traces), bad);
    return { content, readRows: bronze.readRows, bad: [bronze.bad, bad] };
  } finally {
    await bronze.close();
    await bad.close();
  }
}

/** null: the files are not plain, or lines are needed. */
async function plainly(work: Work, fetched: readonly Fetched[]): Promise<SilverRows | null> {
  const { duck } = work;
  const sql = await definePlainly(work, fetched);
  const bad = new BadRows(duck.dir, 'bad-silver-plain.ndjson');
  let given = false;
  const proof = provePlain(fetched, () => given).then((rows) => {
    // What DuckDB still computes is of no use any more.
    if (rows === null) duck.interrupt();
    return rows;
  });
  const making = makeContent(duck, request(work, null, sql), bad).catch((error: unknown) => {
    given = error instanceof LinesNeeded;
    throw error;
  });
  const [proved, made] = await Promise.allSettled([proof, making]);
  await bad.close();
  if (proved.status === 'rejected') throw proved.reason;
  if (proved.value === null) return null;
  if (made.status === 'fulfilled') return { content: made.value, readRows: proved.value, bad: [bad] };
  if (made.reason instanceof LinesNeeded) return null;
  throw made.reason;
}

/** Defines the views and gives the statement to run over them: without `ORDER BY _row` where the rows come in that order anyway. */
async function definePlainly(work: Work, fetched: readonly Fetched[]): Promise<string> {
  const { duck, pipeline } = work;
  const { sql: file } = pipeline.spec.tables.silver;
  const { silver } = pipeline.sql;
  const shorter = fetched.length === 1 && fetched[0]!.paths.length === 1 ? await withoutRowOrder(duck, file, silver) : null;
  if (shorter !== null && !(await needsPlaces(duck, file, shorter))) {
    await definePlainBronze(duck, fetched, false);
    const query = await defineView(duck, 'sluice_silver_unordered', file, shorter);
    if (await keepsOrder(duck, query.view)) return shorter;
  }
  await definePlainBronze(duck, fetched, await needsPlaces(duck, file, silver));
  return silver;
}
