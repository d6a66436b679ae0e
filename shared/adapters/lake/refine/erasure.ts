// Port `ErasureEngine`: a person's rows leave every table and file of a pipeline, the files that held them go at once, and a record
// without the value stays. Whatever is cut off can be asked for again: each step is committed once.
import type { ContainerClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { ErasureRecord, type ErasedPlace, type VacuumedTable } from '../../../contracts/erasure.ts';
import type { PipelineVersion } from '../../../contracts/pipeline.ts';
import type { Cell } from '../../../contracts/rows.ts';
import { durationSeconds } from '../../../decisions/durations.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { ErasureEngine } from '../../../ports/lake.ts';
import { eraseRows } from '../delta/erase.ts';
import { readSnapshot } from '../delta/snapshot.ts';
import { findTransaction, selectFiles, shapeOf, type WorkTable } from '../delta/table-files.ts';
import type { DeltaField } from '../delta/types.ts';
import { cleanLog } from '../delta/log-cleanup.ts';
import { vacuum } from '../delta/vacuum.ts';
import { CALL_MS, createBlob, readBlob, storageError } from '../storage.ts';
import type { Duck } from './duck.ts';
import { sqlName } from './duck.ts';
import { formerTables } from './erase-former.ts';
import { eraseGolden, removeCorrections, removeStaged } from './erase-files.ts';
import { eraseQuarantined } from './erase-quarantine.ts';
import { commitGold } from './gold.ts';
import { trimLog } from './trim-log.ts';
import { appIdOf, tablesOf, type Tables, type Work } from './work.ts';
import type { Workshop } from './workshop.ts';

type Asked = Parameters<ErasureEngine['erase']>[0];
const MAX_RECORD = 1024 * 1024;
/** Says of a place why it is one. */
const FORMER = 'a table that sluice.yaml names no more';
/** Of a person's rows in gold, those that golden requests are compared with. */
const COMPARED = 10_000;

export function createErasureEngine({ workshop, store }: { workshop: Workshop; store: ContainerClient }): ErasureEngine {
  const pathOf = (pipeline: string, id: string) => `erasures/${pipeline}/${id}.json`;
  const recordAt = async (path: string): Promise<ErasureRecord | null> => {
    const content = await readBlob(store, path, MAX_RECORD);
    return content === null ? null : ErasureRecord.parse(JSON.parse(content.toString('utf8')));
  };
  return {
    async erase(asked) {
      const id = `erase-${asked.pipeline.name}-${digest(asked.requestId).slice(0, 16)}`;
      const path = pathOf(asked.pipeline.name, id);
      const before = await recordAt(path);
      if (before) return before;
      const { places, unsearched } = await workshop.inTurn(async (duck) => eraseEverywhere(workshop, store, duck, asked, id));
      const touched = places.some(({ place, rows }) => ['silver', 'gold', 'golden'].includes(place) && rows !== 0);
      const record: ErasureRecord = {
        id,
        pipeline: asked.pipeline.name,
        column: asked.column,
        valueSha256: digest(asked.value),
        by: asked.by,
        at: asked.at,
        reason: asked.reason,
        places,
        notCovered: [
          `landed files below ${asked.pipeline.spec.sources.map((source) => source.path).join(', ')}: they belong to whoever drops them`,
          ...unsearched,
          'models that were trained on the rows: answer the question of training again',
        ],
        retrain: touched ? 'pending' : 'not-asked',
      };
      await createBlob(store, path, Buffer.from(JSON.stringify(record)), 'application/json');
      return record;
    },
    async erasures(pipeline, limit) {
      const prefix = `erasures/${pipeline}/`;
      const names: { name: string; at: number }[] = [];
      try {
        for await (const blob of store.listBlobsFlat({ prefix, abortSignal: AbortSignal.timeout(5 * CALL_MS) }))
          names.push({ name: blob.name, at: blob.properties.lastModified.getTime() });
      } catch (error) {
        throw storageError(error, `${store.containerName}/${prefix}`);
      }
      const newest = names.sort((a, b) => b.at - a.at).slice(0, limit);
      const records = await Promise.all(newest.map(async ({ name }) => recordAt(name)));
      return records.filter((record) => record !== null).sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
    },
    async vacuum({ pipeline, keepGold, dryRun }) {
      return workshop.inTurn(async (duck) => vacuumTables(workshop, duck, pipeline, keepGold, dryRun));
    },
  };
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex');

async function fieldsOf(table: WorkTable): Promise<readonly DeltaField[] | null> {
  const snapshot = await readSnapshot(table);
  return snapshot && shapeOf(table, snapshot).fields;
}

interface Erased {
  places: ErasedPlace[];
  /** Tables in which the person cannot be told apart. */
  unsearched: string[];
}

/** Erases place by place. What can be refused is refused before anything is changed. */
async function eraseEverywhere(workshop: Workshop, store: ContainerClient, duck: Duck, asked: Asked, id: string): Promise<Erased> {
  const { pipeline, column, value } = asked;
  const keyOf = (place: string) => digest([id, place].join('\0'));
  const base: Work = {
    ...workshop.bench,
    duck,
    pipeline,
    key: keyOf('gold'),
    files: [],
    commit: undefined,
    chain: undefined,
    runId: undefined,
  };
  const tables = tablesOf(base);
  const has = (fields: readonly DeltaField[] | null) => fields?.some((field) => field.name === column) === true;
  const [silver, gold] = [await fieldsOf(tables.silver), await fieldsOf(tables.gold)];
  refuseUnsearchable(asked, { silver: has(silver), gold: has(gold), goldThere: gold !== null });
  const theirs = has(gold) ? await valuesOf(duck, tables.gold, column, value) : [];
  const options = { now: base.now, warn: base.warn };

  const places: ErasedPlace[] = [];
  if (has(silver)) places.push(await eraseTable(tables.silver, 'silver', keyOf('silver'), asked, options));
  if (has(gold)) places.push(await eraseTable(tables.gold, 'gold', keyOf('gold rows'), asked, options));
  // Without rows of theirs in silver there are none in what is computed from it.
  else if (gold !== null && places.some(({ rows }) => rows !== 0)) places.push(await computeAgain(base, tables));
  const { sources } = pipeline.spec;
  const transaction = (n: number) => appIdOf(keyOf(`quarantine ${n}`));
  const quarantined = await eraseQuarantined(duck, tables.quarantine, { sources, column, value, appIdOf: transaction }, options);
  const set = { place: 'quarantine' as const, path: tables.quarantine.root, files: 0, note: '' };
  if (quarantined.version !== null) places.push({ ...set, rows: quarantined.rows, version: quarantined.version });
  const secret = { id, reason: asked.reason, value };
  for (const place of places) await forget(tables[place.place as keyof Tables], place, secret, base.now);
  const former = await eraseFormer(base, tables, asked, keyOf, secret);
  places.push(...former.places);
  const file = { rows: null, version: null };
  places.push(
    {
      ...file,
      place: 'corrections',
      path: 'quarantine/',
      files: await removeCorrections(store, pipeline.name),
      note: 'corrected files of quarantine cases',
    },
    {
      ...file,
      place: 'staged',
      path: `staging/${pipeline.name}/`,
      files: await removeStaged(store, pipeline.name),
      note: 'copies of gold; they are made again when needed',
    },
  );
  const golden = await eraseGolden(store, pipeline.name, theirs);
  places.push({
    place: 'golden',
    path: 'runs/',
    ...golden,
    version: null,
    note: has(gold)
      ? 'golden requests with the values of an erased row of gold'
      : 'gold has no such column, so golden requests were not compared',
  });
  return { places, unsearched: former.unsearched };
}

/** Tables that the pipeline had under other names: what can be searched is erased, the others are named. */
async function eraseFormer(
  work: Work,
  tables: Tables,
  asked: Asked,
  keyOf: (place: string) => string,
  secret: { id: string; reason: string; value: string },
): Promise<Erased> {
  const { duck, container, pipeline, now, warn } = work;
  const [places, unsearched]: [ErasedPlace[], string[]] = [[], []];
  for (const { layer, table } of await formerTables(duck, container, pipeline.name, tables)) {
    const fields = await fieldsOf(table);
    if (fields === null) continue;
    if (layer === 'quarantine') {
      const request = { sources: pipeline.spec.sources, column: asked.column, value: asked.value };
      const done = await eraseQuarantined(duck, table, { ...request, appIdOf: (n) => appIdOf(keyOf(`${table.root} ${n}`)) }, { now, warn });
      places.push({ place: layer, path: table.root, rows: done.rows, files: 0, version: done.version, note: FORMER });
    } else if (fields.some(({ name }) => name === asked.column))
      places.push({ ...(await eraseTable(table, layer, keyOf(table.root), asked, { now, warn })), note: FORMER });
    else unsearched.push(`${table.root}: a table that sluice.yaml names no more, without a column "${asked.column}"; delete the folder`);
    const place = places.at(-1);
    if (place?.path === table.root) await forget(table, place, secret, now);
  }
  return { places, unsearched };
}

function refuseUnsearchable({ pipeline, column }: Asked, has: { silver: boolean; gold: boolean; goldThere: boolean }): void {
  const { gold } = pipeline.spec.tables;
  const landed = pipeline.spec.sources.some((source) => Object.hasOwn(source.columns, column));
  if (!has.silver && !has.gold && !landed)
    throw new RejectedError(
      'bad-key',
      `pipeline ${pipeline.name}: no table and no source has a column "${column}". Mend: name the column that tells persons apart.`,
    );
  if (has.goldThere && !has.gold && gold.mode !== 'overwrite')
    throw new RejectedError(
      'erase-incomplete',
      `pipeline ${pipeline.name}: gold has no column "${column}" and mode ${gold.mode}, so its rows can neither be found nor computed again. Mend: name a column that gold has, or let gold be replaced ("mode: overwrite").`,
    );
}

async function eraseTable(
  table: WorkTable,
  place: 'silver' | 'gold',
  key: string,
  { column, value }: Asked,
  options: { now: () => number; warn: (message: string) => void },
): Promise<ErasedPlace> {
  const appId = appIdOf(key);
  const done = await eraseRows(table, { appId, column, values: [value] }, options);
  const { rows, version } = done.found ? await committed(table, appId) : done;
  return { place, path: table.root, rows, files: 0, version, note: '' };
}

/** What an erasure took that was committed by an earlier try; null where the log has forgotten the commit since. */
async function committed(table: WorkTable, appId: string): Promise<{ rows: number | null; version: number | null }> {
  try {
    const known = await findTransaction(table, appId);
    return { rows: Number(known?.actions.info?.operationMetrics?.['numDeletedRows'] ?? 0), version: known?.snapshot.version ?? null };
  } catch (error) {
    if (error instanceof RejectedError && error.code === 'version-gone')
      return { rows: null, version: (await readSnapshot(table))!.version };
    throw error;
  }
}

/** Gold that has no such column is computed again from what silver is now. */
async function computeAgain(work: Work, tables: Tables): Promise<ErasedPlace> {
  const known = (await readSnapshot(tables.gold))?.txns.has(appIdOf(work.key)) === true;
  if (!known) await commitGold(work, tables, null);
  const { version } = await committed(tables.gold, appIdOf(work.key));
  return { place: 'gold', path: tables.gold.root, rows: null, files: 0, version, note: 'computed again from silver' };
}

/** What golden rows can hold of the person's rows in gold: numbers, texts, and true or false. */
async function valuesOf(duck: Duck, table: WorkTable, column: string, value: string): Promise<Cell[][]> {
  const snapshot = await readSnapshot(table);
  const shape = shapeOf(table, snapshot!);
  const columns = shape.fields.flatMap(({ type, name }) => {
    const cast = typeof type === 'string' ? castOf(type) : null;
    return cast ? [`CAST(${sqlName(name)} AS ${cast})`] : [];
  });
  if (columns.length === 0) return [];
  const files = await selectFiles(table, shape, [...snapshot!.files.values()]);
  const rows = await duck.rows(
    `SELECT ${columns.map((one, n) => `${one} AS c${n}`).join(', ')} FROM (${files}) WHERE CAST(${sqlName(column)} AS VARCHAR) = $1 LIMIT ${COMPARED}`,
    [value],
  );
  return rows.map((row) =>
    columns.map((_, n) => row[`c${n}`]).filter((each) => typeof each === 'number' || typeof each === 'string' || typeof each === 'boolean'),
  );
}

function castOf(type: string): string | null {
  if (/^(byte|short|integer|long|float|double|decimal)/.test(type)) return 'DOUBLE';
  return type === 'string' ? 'VARCHAR' : type === 'boolean' ? 'BOOLEAN' : null;
}

/** Removes the files that the table no longer names, at once, and the history that still shows the value. */
async function forget(
  table: WorkTable,
  place: ErasedPlace,
  erasure: { id: string; reason: string; value: string },
  now: () => number,
): Promise<void> {
  if (place.version === null || place.rows === 0) return;
  const { id, reason } = erasure;
  place.files = (await vacuum(table, { retentionMs: 0, dryRun: false, erasure: { id, reason } }, now)).files.length;
  const trimmed = await trimLog(table, erasure.value, now);
  if (trimmed > 0)
    place.note = [place.note, `older versions of the log showed the value and were given up (${trimmed} log files)`]
      .filter(Boolean)
      .join('; ');
}

/** Retention where sluice.yaml says none. */
const HISTORY = '30d';

async function vacuumTables(
  workshop: Workshop,
  duck: Duck,
  pipeline: PipelineVersion,
  keepGold: readonly number[],
  dryRun: boolean,
): Promise<VacuumedTable[]> {
  const tables = tablesOf({ duck, container: workshop.container, pipeline });
  const { silver, gold } = pipeline.spec.tables;
  const done: VacuumedTable[] = [];
  for (const layer of ['silver', 'gold', 'quarantine'] as const) {
    const table = tables[layer];
    if ((await readSnapshot(table)) === null) continue;
    const retention = (layer === 'gold' ? gold : silver).retention?.history ?? HISTORY;
    const request = { retentionMs: durationSeconds(retention) * 1000, dryRun, ...(layer === 'gold' ? { keepVersions: keepGold } : {}) };
    const { files, bytes } = await vacuum(table, request, workshop.bench.now);
    const log = await cleanLog(table, { what: 'retention', dryRun }, workshop.bench.now);
    done.push({ layer, path: table.root, retention, files: files.length, bytes, logFiles: log.files.length });
  }
  return done;
}
