// What refining these files would do: rows per layer, findings, rows that would be set aside, schemas. Everything is computed as
// refining does it and nothing is written outside the work folder.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Commit, LayerPreview, Preview, QuarantinedRow } from '../../../contracts/tables.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { PreviewFile } from '../../../ports/lake.ts';
import type { BadRows } from '../csv/bad-rows.ts';
import { noActions, recordsOf } from '../delta/actions.ts';
import { describeCommit, type WorkTable } from '../delta/table-files.ts';
import type { WritePlan } from '../delta/write.ts';
import type { LandedFile, ReadLanded } from '../landed-file.ts';
import type { BlobReading } from '../storage.ts';
import { planGold } from './gold.ts';
import { prepare } from './refine-dataset.ts';
import { tablesOf, type Work } from './work.ts';

/** Rows that would be set aside and are shown; all of them are counted. */
const SHOWN = 100;
const MAX_RAW = 4000;

/** Reads what the caller brought, and the lake for files that are named only. */
function reading(files: readonly PreviewFile[], lake: ReadLanded): ReadLanded {
  const brought = new Map(files.map((file) => [file.path, file]));
  return (file) => {
    const { content, from = file.path } = brought.get(file.path) ?? {};
    return content === undefined ? lake({ ...file, path: from }) : given(content);
  };
}

function given(content: Uint8Array | AsyncIterable<Uint8Array>): BlobReading {
  const hash = createHash('sha256');
  let bytes = 0;
  const chunks = async function* () {
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  };
  return { chunks: chunks(), streamed: () => ({ sha256: hash.copy().digest('hex'), bytes }) };
}

type PreviewWork = Omit<Work, 'read' | 'key' | 'files' | 'commit' | 'chain' | 'runId'>;

/** A refusal of the data is an answer, not an error: `refused` says what refining would say. */
export async function preview(base: PreviewWork, asked: readonly PreviewFile[], lake: ReadLanded): Promise<Preview> {
  const files: LandedFile[] = asked.map(({ path }) => ({ path, sha256: null, eTag: null }));
  const work: Work = { ...base, read: reading(asked, lake), files, key: 'preview', commit: undefined, chain: undefined, runId: undefined };
  const none = { readRows: 0, quarantinedRows: 0, findings: [], quarantined: [], layers: [] };
  try {
    return await compute(work);
  } catch (error) {
    if (error instanceof RejectedError) return { ...none, refused: { code: error.code, message: error.message } };
    throw error;
  }
}

async function compute(work: Work): Promise<Preview> {
  const tables = tablesOf(work);
  const { silver, gold } = work.pipeline.spec.tables;
  const { rows, facts, silver: plan, gold: computed } = await prepare(work, tables);
  const goldPlan = await planGold(work, tables, computed);
  const bad = [...rows.bad, computed.bad];
  return {
    refused: null,
    readRows: facts.readRows,
    quarantinedRows: facts.quarantinedRows + computed.bad.rows,
    findings: [...facts.findings, ...computed.facts.findings],
    quarantined: await firstRows(bad),
    layers: [await layerOf(tables.silver, 'silver', silver.mode, plan), await layerOf(tables.gold, 'gold', gold.mode, goldPlan)],
    ...(work.remote ? { onPremises: true } : {}),
  };
}

async function layerOf(table: WorkTable, layer: LayerPreview['layer'], mode: string, plan: WritePlan): Promise<LayerPreview> {
  const before: Commit | null = plan.snapshot && (await describeCommit(table, plan.snapshot, noActions()));
  return {
    layer,
    table: table.name,
    path: table.root,
    mode,
    version: (plan.snapshot?.version ?? -1) + 1,
    rowsBefore: before?.rows ?? 0,
    newRows: plan.request.content?.rows ?? 0,
    rowsAfter: plan.after.reduce((sum, add) => sum + (recordsOf(add) ?? 0), 0),
    columns: plan.shape.fields.map(({ name, type }) => ({ name, type: typeof type === 'string' ? type : JSON.stringify(type) })),
  };
}

/** The first rows that would be set aside, as they stand in the work folder. */
async function firstRows(all: readonly BadRows[]): Promise<QuarantinedRow[]> {
  const rows: QuarantinedRow[] = [];
  for (const { file } of all) {
    if (file === null) continue;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (rows.length >= SHOWN) return rows;
      const row = JSON.parse(line) as QuarantinedRow;
      rows.push({ ...row, raw: row.raw.slice(0, MAX_RAW) });
    }
  }
  return rows;
}
