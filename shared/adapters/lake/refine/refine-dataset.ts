// Refining one dataset: bronze → silver → gold, judged completely before the first commit, so that a rejected dataset leaves no
// trace; then quarantine, silver, gold, each committed once per key. A retry after a crash finds what is there and goes on.
import type { ContainerClient } from '@azure/storage-blob';
import * as z from 'zod';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import { RuleFinding, type Commit, type Refined } from '../../../contracts/tables.ts';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import { BadRows } from '../csv/bad-rows.ts';
import { takeIn, type Intake } from '../csv/intake.ts';
import { SHA_TAG, type Actions, type Add } from '../delta/actions.ts';
import { writeCheckpoint } from '../delta/checkpoint.ts';
import { commitChange, type Change, type NewFile } from '../delta/commit.ts';
import { refuseChangedSchema } from '../delta/schema.ts';
import { readSnapshot, type Snapshot } from '../delta/snapshot.ts';
import type { Duck } from './duck.ts';
import type { LandedFile } from '../landed-file.ts';
import type { LocalFile } from '../delta/parquet.ts';
import { QUARANTINE_FIELDS, quarantineFile } from './quarantine.ts';
import { uploadFile } from '../storage.ts';
import { makeContent, type Content } from './table-content.ts';
import { describeCommit, findTransaction, openTable, remember, selectFiles, shapeOf, type OpenTable } from '../delta/table-files.ts';

/** Everything one piece of work needs. */
export interface Work {
  duck: Duck;
  container: ContainerClient;
  pipeline: PipelineVersion;
  key: string;
  files: readonly LandedFile[];
  now: () => number;
  /** Told of what went wrong without failing the work. */
  warn: (message: string) => void;
}

/** What a commit remembers of the work, so that a retry can answer with it. */
const Facts = z.object({ readRows: z.number().int(), quarantinedRows: z.number().int(), findings: z.array(RuleFinding) });
type Facts = z.infer<typeof Facts>;

interface Done {
  commit: Commit;
  facts: Facts;
}

/** Gold computed, and the two versions that it was computed from. */
interface Gold {
  content: Content;
  facts: Facts;
  bad: BadRows;
  goldVersion: number;
  silverVersion: number;
}

/** Commits of other writers that may make us compute gold again. */
const GOLD_TRIES = 8;
/** A checkpoint after every so many commits: Spark's default. */
const CHECKPOINT_EVERY = 10;

interface Tables {
  silver: OpenTable;
  gold: OpenTable;
  quarantine: OpenTable;
}

export async function refineDataset(work: Work): Promise<Refined> {
  const { duck, container, pipeline } = work;
  const { silver, gold } = pipeline.spec.tables;
  const tables: Tables = {
    silver: openTable(duck, container, 'silver', pipeline.name, silver.name),
    gold: openTable(duck, container, 'gold', pipeline.name, gold.name),
    quarantine: openTable(duck, container, 'quarantine', pipeline.name, silver.name),
  };
  const before = await found(tables.silver, work);
  const first = before ? { silver: before, gold: null } : await firstTime(work, tables);
  const last = (await found(tables.gold, work)) ?? (await commitGold(work, tables, first.gold));
  return {
    silver: first.silver.commit,
    gold: last.commit,
    readRows: first.silver.facts.readRows,
    quarantinedRows: first.silver.facts.quarantinedRows + last.facts.quarantinedRows,
    findings: [...first.silver.facts.findings, ...last.facts.findings],
  };
}

const appId = (work: Work) => `sluice-${work.key}`;

/** The commit of this key in a table, when there is one. */
async function found(table: OpenTable, work: Work): Promise<Done | null> {
  const known = await findTransaction(table, appId(work));
  return known && done(table, known.snapshot, known.actions);
}

async function done(table: OpenTable, snapshot: Snapshot, actions: Actions): Promise<Done> {
  return { commit: await describeCommit(table, snapshot, actions), facts: Facts.parse(actions.info?.sluice) };
}

/** Reads, judges and computes everything; then commits quarantine and silver. */
async function firstTime(work: Work, tables: Tables): Promise<{ silver: Done; gold: Gold | null }> {
  const { duck, pipeline, container, files } = work;
  const spec = pipeline.spec.tables.silver;
  const intake = await takeIn(duck, container, pipeline.spec.sources[0]!, files);
  const bad = new BadRows(duck.dir, 'bad-silver.ndjson');
  const content = await silverContent(work, intake, bad);
  // Gold's version is read before silver's: whoever commits gold after that is seen as a conflict.
  const goldVersion = (await readSnapshot(tables.gold))?.version ?? -1;
  const silverVersion = await showSilver(work, tables.silver, content);
  const gold = await computeGold(work, goldVersion, silverVersion + 1);

  const setAside = await quarantineFile(duck, [intake.bad, bad, gold.bad], work.key, appId(work));
  if (setAside !== null)
    await commit(work, tables.quarantine, { mode: 'append', fields: QUARANTINE_FIELDS, origin: 'quarantine', facts: {} }, setAside);
  const facts: Facts = {
    readRows: intake.readRows,
    quarantinedRows: intake.bad.rows + bad.rows,
    findings: [...intake.bad.findings, ...bad.findings],
  };
  await commit(work, tables.silver, { mode: writeMode(spec.name, spec.mode), fields: content.fields, origin: spec.sql, facts }, content.file);
  const silver = (await found(tables.silver, work))!;
  // Somebody committed in between: silver holds something else than gold was computed from.
  return { silver, gold: silver.commit.version === gold.silverVersion ? gold : null };
}

/** Runs silver's SQL over `bronze`. Rows are traced to lines where one file stands behind them. */
async function silverContent(work: Work, intake: Intake, bad: BadRows): Promise<Content> {
  const { duck, pipeline, files } = work;
  const trace = files.length === 1 ? { file: files[0]!.path, reader: intake.reader } : null;
  const paths = files.map(({ path }) => path);
  const request = {
    layer: 'silver' as const,
    spec: pipeline.spec.tables.silver,
    sql: pipeline.sql.silver,
    origin: appId(work),
    trace,
    paths,
  };
  try {
    return await makeContent(duck, request, bad);
  } finally {
    await intake.reader.close();
    await bad.close();
  }
}

/** Defines the view `silver` as the table will be after the commit; gives the version that it stands on (-1: a new table). */
async function showSilver(work: Work, table: OpenTable, content: Content): Promise<number> {
  const spec = work.pipeline.spec.tables.silver;
  const snapshot = await readSnapshot(table);
  const shape = snapshot ? shapeOf(table, snapshot) : { fields: content.fields, partitionColumns: [] };
  if (snapshot) refuseChangedSchema(table.root, spec.sql, shape.fields, content.fields);
  const kept = spec.mode === 'append' && snapshot ? [...snapshot.files.values()] : [];
  const fresh = content.file === null ? [] : [pseudoAdd(table, content.file)];
  await work.duck.run(`CREATE OR REPLACE TEMP VIEW silver AS ${await selectFiles(table, shape, [...kept, ...fresh])}`);
  return snapshot?.version ?? -1;
}

/** Gold from the view `silver` as it is defined now. */
async function computeGold(work: Work, goldVersion: number, silverVersion: number): Promise<Gold> {
  const { duck, pipeline } = work;
  const paths = work.files.map(({ path }) => path);
  const bad = new BadRows(duck.dir, `bad-gold-${silverVersion}-${goldVersion}.ndjson`);
  const request = {
    layer: 'gold' as const,
    spec: pipeline.spec.tables.gold,
    sql: pipeline.sql.gold,
    origin: appId(work),
    trace: null,
    paths,
  };
  const content = await makeContent(duck, request, bad).finally(() => bad.close());
  return { content, bad, goldVersion, silverVersion, facts: { readRows: 0, quarantinedRows: bad.rows, findings: bad.findings } };
}

/** Commits gold; computes it (again) from the newest silver where it was not computed yet or somebody else's commit came first. */
async function commitGold(work: Work, tables: Tables, computed: Gold | null): Promise<Done> {
  const spec = work.pipeline.spec.tables.gold;
  let gold = computed;
  let reason = '';
  for (let tries = 0; tries < GOLD_TRIES; tries += 1) {
    gold ??= await computeNewest(work, tables);
    const { content, facts, goldVersion } = gold;
    const change = {
      mode: writeMode(spec.name, spec.mode),
      fields: content.fields,
      origin: spec.sql,
      facts,
      ...(spec.mode === 'overwrite' ? { basis: goldVersion } : {}),
    };
    const answer = await commit(work, tables.gold, change, content.file);
    if (answer.state !== 'conflict') return (await found(tables.gold, work))!;
    reason = answer.reason;
    gold = null;
  }
  throw new TransientError(
    'table-busy',
    `${tables.gold.root}: computed ${GOLD_TRIES} times and each time somebody else committed first: ${reason}.`,
  );
}

/** Gold's version is read before silver's: whoever commits gold after that is seen as a conflict. */
async function computeNewest(work: Work, tables: Tables): Promise<Gold> {
  const goldVersion = (await readSnapshot(tables.gold))?.version ?? -1;
  const snapshot = (await readSnapshot(tables.silver))!;
  const select = await selectFiles(tables.silver, shapeOf(tables.silver, snapshot), [...snapshot.files.values()]);
  await work.duck.run(`CREATE OR REPLACE TEMP VIEW silver AS ${select}`);
  return computeGold(work, goldVersion, snapshot.version);
}

/** How a table's mode is written to the log; rows that are replaced by their keys are not written yet. */
function writeMode(table: string, mode: string): 'append' | 'overwrite' {
  if (mode === 'append' || mode === 'overwrite') return mode;
  throw new RejectedError('mode-unsupported', `table "${table}": the mode "${mode}" is not supported by this engine.`);
}

const partName = (file: LocalFile) => `part-${file.sha256.slice(0, 32)}.parquet`;

/** The file as it will stand in the log, for reading it before the commit. */
function pseudoAdd(table: OpenTable, file: LocalFile): Add {
  remember(table, partName(file), file);
  return {
    path: partName(file),
    partitionValues: {},
    size: file.bytes,
    modificationTime: 0,
    dataChange: true,
    tags: { [SHA_TAG]: file.sha256 },
  };
}

/** Uploads the file and commits it under this key; now and then a checkpoint follows. */
async function commit(work: Work, table: OpenTable, change: Omit<Change, 'appId' | 'files'>, file: LocalFile | null) {
  const files: NewFile[] = [];
  if (file !== null) {
    const path = partName(file);
    await uploadFile(table.container, table.root + path, file.file, file);
    remember(table, path, file);
    files.push({ path, bytes: file.bytes, rows: file.rows, sha256: file.sha256, stats: file.stats });
  }
  const answer = await commitChange(table, { ...change, appId: appId(work), files }, work.now);
  if (answer.state === 'committed' && answer.snapshot.version > 0 && answer.snapshot.version % CHECKPOINT_EVERY === 0)
    await writeCheckpoint(work.duck, table.container, table.root, answer.snapshot, work.now()).catch((error: unknown) =>
      work.warn(
        `${table.root}: the checkpoint at version ${answer.snapshot.version} was not written: ${error instanceof Error ? error.message : String(error)}`,
      ),
    );
  return answer;
}
