// Port `QuarantineCases`: the rows are in the quarantine table, the state of a case in its store. A resolution is computed first, then
// noted in the case, then committed (silver, gold, quarantine, each once by key), then noted as done: whatever is cut off goes on.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import {
  MAX_FIX_BYTES,
  type Merge,
  type PendingWork,
  type QuarantineCase,
  type Resolved,
  type Resolution,
} from '../../../contracts/quarantine.ts';
import { assigned, begun, recounted, resolved, retrainAnswered } from '../../../decisions/quarantine.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { Store } from '../../../ports/lake.ts';
import type { CaseStore, Deed, QuarantineCases } from '../../../ports/quarantine.ts';
import { createLineFile } from '../csv/line-file.ts';
import { writeParquet } from '../delta/parquet.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { commitWrite, planWrite } from '../delta/write.ts';
import { CASE_VIEW, caseFile, caseRow, defineCase, pageOfCase } from './case-rows.ts';
import { correctedFile, judgeCorrection, onlySource, rowsAsTheyAre, specFor, type Judgement } from './case-work.ts';
import type { Duck } from './duck.ts';
import { commitGold } from './gold.ts';
import { commitQuarantine, jsonRows, QUARANTINE_FIELDS, revisionSql } from './quarantine.ts';
import { appIdOf, found, tablesOf, writeRequest, type Done, type Tables, type Work } from './work.ts';
import type { Workshop } from './workshop.ts';

export interface QuarantineCasesOptions {
  workshop: Workshop;
  cases: CaseStore;
  /** Keeps corrected files while work on them is not through. */
  store: Store;
}

const SHOWN = 100;

/** What is to be done, before it is noted. */
interface Job {
  pipeline: PipelineVersion;
  one: QuarantineCase;
  work: PendingWork;
  content: Uint8Array | null;
  at: string;
}

export function createQuarantineCases({ workshop, cases, store }: QuarantineCasesOptions): QuarantineCases {
  async function known(caseId: string): Promise<QuarantineCase> {
    const one = await cases.get(caseId);
    if (!one)
      throw new RejectedError('case-unknown', `There is no quarantine case ${caseId}. Mend: take an id from "sluice quarantine list".`);
    return one;
  }

  async function resolve(job: Job): Promise<Resolved> {
    const { one, work, pipeline } = job;
    const done = one.merges.find(({ key }) => key === work.key);
    if (done) return { case: one, resolvedRows: done.rows, stillBad: [], merge: done };
    refuseOther(one, pipeline);
    begun(one, work, job.at);
    return workshop.inTurn(async (duck) => resolveIn(duck, job));
  }

  async function resolveIn(duck: Duck, job: Job): Promise<Resolved> {
    const { one, work, pipeline, content } = job;
    const base: Work = {
      ...workshop.bench,
      duck,
      pipeline,
      key: work.key,
      files: [],
      commit: undefined,
      chain: undefined,
      runId: undefined,
    };
    const tables = tablesOf(base);
    await defineCase(duck, tables.quarantine, one);
    const open = (await duck.rows(`SELECT case_row AS n FROM ${CASE_VIEW} ORDER BY case_row`)).map((row) => Number(row['n']));
    const { rows, judgement } = await judged(base, job, open);
    if (work.file !== null && content !== null) await store.create(work.file, content, 'text/csv');
    await cases.change(one.caseId, (current) => {
      if (current.revision !== one.revision && !current.merges.some(({ key }) => key === work.key))
        throw new RejectedError('case-busy', `${one.caseId}: somebody else resolved rows of it meanwhile. Mend: look at it again.`);
      return begun(current, work, job.at);
    });
    const bad = judgement?.bad ?? [];
    const commits = await commitRows(base, tables, judgement);
    const left = await commitRevision(base, tables, one, rows, bad, open);
    const merge: Merge = {
      key: work.key,
      resolution: work.resolution,
      rows: rows.size - bad.length,
      addedRows: commits?.silver.commit.addedRows ?? 0,
      silverVersion: commits?.silver.commit.version ?? null,
      goldVersion: commits?.gold.commit.version ?? null,
    };
    const after = await cases.change(one.caseId, (current) =>
      resolved(current, merge, left, { by: work.by, at: job.at, reason: work.note }),
    );
    const stillBad = bad.slice(0, SHOWN).map((row) => caseRow(pipeline.spec.sources, { ...row }));
    return { case: after, resolvedRows: merge.rows, stillBad, merge };
  }

  async function resume(pipeline: PipelineVersion, caseId: string, at: string): Promise<Resolved | null> {
    const one = await known(caseId);
    const work = one.pending;
    if (work === null) return null;
    const content = work.file === null ? null : await store.read(work.file, MAX_FIX_BYTES);
    if (work.file !== null && content === null)
      throw new RejectedError(
        'case-file-gone',
        `${caseId}: the corrected file ${work.file} is not in the store any more. Mend: bring it again.`,
      );
    return resolve({ pipeline, one, work, content, at });
  }

  /** Rows by number, or all; `all` of a case that this very resolution has closed is that resolution again. */
  async function byNumber(
    resolution: Resolution,
    pipeline: PipelineVersion,
    caseId: string,
    rows: 'all' | readonly number[],
    deed: Deed,
  ): Promise<Resolved> {
    const one = await known(caseId);
    const numbers = rows === 'all' ? null : [...new Set(rows)].sort((a, b) => a - b);
    const keyAt = (revision: number) => keyOf(resolution, caseId, numbers === null ? `all ${revision}` : numbers.join());
    const key = one.state === 'closed' && numbers === null ? keyAt(one.revision - 1) : keyAt(one.revision);
    const work: PendingWork = { key, resolution, rows: numbers, file: null, by: deed.by, note: deed.reason };
    return resolve({ pipeline, one, work, content: null, at: deed.at });
  }

  return {
    list: async (query) => cases.list(query),
    get: known,
    async show(pipeline, caseId, query) {
      const one = await known(caseId);
      refuseOther(one, pipeline);
      return workshop.inTurn(async (duck) => {
        await defineCase(duck, tablesOf({ duck, container: workshop.container, pipeline }).quarantine, one);
        return { case: one, ...(await pageOfCase(duck, pipeline.spec.sources, query)) };
      });
    },
    async download(pipeline, caseId) {
      const one = await known(caseId);
      refuseOther(one, pipeline);
      const source = onlySource(pipeline.spec.sources);
      return workshop.inTurn(async (duck) => {
        await defineCase(duck, tablesOf({ duck, container: workshop.container, pipeline }).quarantine, one);
        return caseFile(duck, source);
      });
    },
    async fix(pipeline, caseId, content, deed) {
      if (content.byteLength > MAX_FIX_BYTES)
        throw new RejectedError(
          'file-too-large',
          `the corrected file has ${content.byteLength} bytes; at most ${MAX_FIX_BYTES} are taken.`,
        );
      const one = await known(caseId);
      const key = keyOf('fix', caseId, createHash('sha256').update(content).digest('hex'));
      const work: PendingWork = {
        key,
        resolution: 'fix',
        rows: null,
        file: `quarantine/${caseId}/${key}.csv`,
        by: deed.by,
        note: deed.reason,
      };
      return resolve({ pipeline, one, work, content, at: deed.at });
    },
    release: async (pipeline, caseId, rows, deed) => byNumber('release', pipeline, caseId, rows, deed),
    discard: async (pipeline, caseId, rows, deed) => byNumber('discard', pipeline, caseId, rows, deed),
    resume,
    async assign(caseId, change, deed) {
      return cases.change(caseId, (current) => assigned(current, change, deed));
    },
    async recount(pipeline, caseId, deed) {
      const one = await known(caseId);
      refuseOther(one, pipeline);
      const open = await workshop.inTurn(async (duck) => {
        const { quarantine } = tablesOf({ duck, container: workshop.container, pipeline });
        if ((await readSnapshot(quarantine)) === null) return [];
        await defineCase(duck, quarantine, one);
        return duck.rows(`SELECT count(*) AS n FROM ${CASE_VIEW}`);
      });
      // Rows that are being resolved meanwhile are counted by that.
      return cases.change(caseId, (current) =>
        current.revision === one.revision && current.pending === null ? recounted(current, Number(open[0]?.['n'] ?? 0), deed) : current,
      );
    },
    async answerRetrain(caseId, retrain, deed) {
      return cases.change(caseId, (current) => retrainAnswered(current, retrain, deed));
    },
  };
}

/** Key of a resolution's commits: the same again finds them. */
function keyOf(resolution: Resolution, caseId: string, what: string): string {
  return createHash('sha256').update([resolution, caseId, what].join('\0')).digest('hex');
}

function refuseOther(one: QuarantineCase, pipeline: PipelineVersion): void {
  if (one.pipeline !== pipeline.name)
    throw new RejectedError('case-unknown', `${one.caseId} is a case of pipeline ${one.pipeline}, not of ${pipeline.name}.`);
}

/** The rows that the job is about, and what becomes of them. */
async function judged(
  base: Work,
  { one, work, content, pipeline }: Job,
  open: readonly number[],
): Promise<{ rows: Set<number>; judgement: Judgement | null }> {
  const { duck } = base;
  if (work.resolution === 'fix') {
    const correction = await correctedFile(duck, onlySource(pipeline.spec.sources), one, open, content!);
    return { rows: new Set(correction.rowAt.values()), judgement: await judgeCorrection(base, correction, 'same') };
  }
  const wanted = new Set(work.rows ?? open);
  const foreign = [...wanted].find((row) => !open.includes(row));
  if (foreign !== undefined)
    throw new RejectedError(
      'case-row-unknown',
      `${one.caseId}: row ${foreign} is none of the open rows of the case. Mend: take numbers from "quarantine show".`,
    );
  if (work.resolution === 'discard') return { rows: wanted, judgement: null };
  const correction = await rowsAsTheyAre(duck, onlySource(pipeline.spec.sources), one, wanted);
  return { rows: wanted, judgement: await judgeCorrection(base, correction, 'keys') };
}

/** Good rows into silver, then gold; each once. null: there are none. */
async function commitRows(work: Work, tables: Tables, judgement: Judgement | null): Promise<{ silver: Done; gold: Done } | null> {
  const file = judgement?.content.file ?? null;
  if (judgement === null || file === null) return null;
  const spec = specFor(work.pipeline.spec.tables.silver, 'same');
  const facts = { readRows: file.rows, quarantinedRows: 0, findings: [] };
  const plan = await planWrite(tables.silver, writeRequest(work, spec, judgement.content, facts));
  await commitWrite(tables.silver, plan, { now: work.now, warn: work.warn });
  return { silver: (await found(tables.silver, work))!, gold: await commitGold(work, tables, null) };
}

/** The rows that stay open, as the next revision of the case; gives their number. */
async function commitRevision(
  work: Work,
  tables: Tables,
  one: QuarantineCase,
  rows: ReadonlySet<number>,
  bad: Judgement['bad'],
  open: readonly number[],
): Promise<number> {
  const { duck } = work;
  const untouched = open.filter((row) => !rows.has(row));
  const left = untouched.length + bad.length;
  if (left === 0) return 0;
  const again = await createLineFile(join(duck.dir, 'again.ndjson'));
  for (const row of bad) again.append('', Buffer.from(JSON.stringify(row)));
  await again.close();
  const numbers = await createLineFile(join(duck.dir, 'untouched.ndjson'));
  for (const row of untouched) numbers.append('', Buffer.from(JSON.stringify({ case_row: row })));
  await numbers.close();
  const columns = ['layer', 'rule', 'reason', 'raw', 'case_row'];
  const parts = [
    ...(untouched.length === 0
      ? []
      : [
          `SELECT layer, rule, file, line, reason, raw, case_row FROM ${CASE_VIEW} WHERE case_row IN (SELECT case_row FROM ${jsonRows([numbers.file], ['case_row'])})`,
        ]),
    ...(bad.length === 0
      ? []
      : [
          `SELECT b.layer, b.rule, v.file, v.line, b.reason, b.raw, b.case_row FROM ${jsonRows([again.file], columns)} b JOIN ${CASE_VIEW} v ON v.case_row = b.case_row`,
        ]),
  ];
  const query = `${revisionSql(parts.join(' UNION ALL '), one.key, one.revision + 1)} ORDER BY case_row`;
  const file = await writeParquet(duck, query, join(duck.dir, 'revision.parquet'), QUARANTINE_FIELDS, appIdOf(work.key));
  await commitQuarantine(work, tables, file);
  return left;
}
