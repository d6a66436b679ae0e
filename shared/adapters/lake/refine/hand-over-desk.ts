// Port `HandOverDesk`: manifests for engines outside this process are left in the lake, and the commits of such an engine are told from
// the tables' logs. Of silver no file is read, however large it is; gold is read once, because what is trained on is named by content.
import { createHash } from 'node:crypto';
import type { ColumnFacts, ForeignCommit } from '../../../contracts/hand-over.ts';
import { digestOfFiles } from '../../../decisions/digest.ts';
import { RejectedError } from '../../../errors/errors.ts';
import type { HandOverDesk } from '../../../ports/hand-over.ts';
import { recordsOf, SHA_TAG, type Actions, type Add } from '../delta/actions.ts';
import { noteOf } from '../delta/commit-entry.ts';
import type { Snapshot } from '../delta/snapshot.ts';
import { readBounds } from '../delta/stats.ts';
import { takeBack } from '../delta/take-back.ts';
import { describeCommit, findTransaction, shapeOf, type Shape, type WorkTable } from '../delta/table-files.ts';
import { createBlob, hashBlob } from '../storage.ts';
import { appIdOf, tablesOf } from './work.ts';
import type { Workshop } from './workshop.ts';

export interface HandOverDeskOptions {
  workshop: Workshop;
  /** URL of the lake container as engines reach it. */
  lake: string;
  now?: () => number;
  warn?: (message: string) => void;
}

export function createHandOverDesk({ workshop, lake, now = Date.now, warn = () => undefined }: HandOverDeskOptions): HandOverDesk {
  const { container } = workshop;
  return {
    lake,
    async leave(path, content) {
      if ((await createBlob(container, path, content, 'application/json')) === 'created') return;
      const there = await hashBlob(container, path);
      if (there.sha256 === createHash('sha256').update(content).digest('hex')) return;
      throw new RejectedError(
        'hand-over-differs',
        `${path}: another manifest is there under this run's name. Mend: remove it and try the run again.`,
      );
    },
    async committed({ pipeline, key }) {
      return workshop.inTurn(async (duck) => {
        const { silver, gold } = tablesOf({ duck, container, pipeline });
        const appId = appIdOf(key);
        return { silver: await foreignCommit(silver, appId), gold: await foreignCommit(gold, appId) };
      });
    },
    async takeBack({ pipeline, key, reason }) {
      return workshop.inTurn(async (duck) => {
        const { silver, gold } = tablesOf({ duck, container, pipeline });
        const said: string[] = [];
        // Gold first: it is what trainings read.
        for (const table of [gold, silver]) {
          const taken = await takeBack(table, { appId: appIdOf(key), reason }, { now, warn });
          if (taken.state === 'built-upon') said.push(`${taken.reason}, so it is still there: RESTORE the table by hand`);
          else if (taken.version !== null) said.push(`taken back in ${table.root} by version ${taken.version}`);
        }
        return said;
      });
    },
  };
}

async function foreignCommit(table: WorkTable, appId: string): Promise<ForeignCommit | null> {
  const known = await findTransaction(table, appId);
  if (!known) return null;
  const { snapshot, actions } = known;
  const shape = shapeOf(table, snapshot);
  const commit = table.layer === 'gold' ? await describeCommit(table, snapshot, actions) : describedByName(table, snapshot, actions);
  return {
    commit,
    columns: shape.fields.map(({ name, type }) => ({ name, type: typeof type === 'string' ? type : type.type })),
    added: factsOf(shape, actions.adds),
    readRows: noteOf(actions.info).readRows,
  };
}

/** As `describeCommit`, with files named by path, size and time where their writer left no digest: Delta never writes a path twice. */
function describedByName(table: WorkTable, snapshot: Snapshot, actions: Actions): ForeignCommit['commit'] {
  const files = [...snapshot.files.values()];
  const named = (add: Add) =>
    add.tags?.[SHA_TAG] ?? createHash('sha256').update(`${add.path}\0${add.size}\0${add.modificationTime}`).digest('hex');
  return {
    layer: table.layer,
    table: table.name,
    path: table.root,
    version: snapshot.version,
    rows: rowsIn(table, files),
    addedRows: rowsIn(table, actions.adds),
    digest: digestOfFiles(files.map((add) => ({ path: add.path, sha256: named(add) }))),
  };
}

function rowsIn(table: WorkTable, adds: readonly Add[]): number {
  return adds.reduce((sum, add) => {
    const rows = recordsOf(add);
    if (rows !== null) return sum + rows;
    throw new RejectedError(
      'hand-over-unjudged',
      `${table.root}: ${add.path} has no statistics, so its rows are not counted. Mend: let the engine write them (delta.dataSkippingNumIndexedCols above 0).`,
    );
  }, 0);
}

/** Of each column, over all files: unknown as soon as one file does not say it. */
function factsOf({ fields, partitionColumns }: Shape, adds: readonly Add[]): Record<string, ColumnFacts> {
  const names = fields.map(({ name }) => name);
  const files = adds.map((add) => ({ add, bounds: readBounds(add.stats, names), nulls: nullCounts(add) }));
  return Object.fromEntries(
    names.map((name) => {
      const each = files.map(({ add, bounds, nulls }): InFile => {
        const rows = recordsOf(add);
        if (partitionColumns.includes(name)) return partitionFacts(add, name, rows);
        return { rows, nulls: nulls[name] ?? null, ...(bounds.get(name) ?? { min: null, max: null }) };
      });
      return [name, together(each)];
    }),
  );
}

type InFile = ColumnFacts & { rows: number | null };

function together(files: readonly InFile[]): ColumnFacts {
  const nulls = files.some((file) => file.nulls === null) ? null : files.reduce((sum, file) => sum + file.nulls!, 0);
  // A file of nulls alone has no bounds, and needs none.
  const valued = files.filter((file) => file.nulls === null || file.nulls !== file.rows);
  const extreme = (kind: 'min' | 'max'): string | null => {
    const bounds = valued.map((file) => file[kind]);
    if (bounds.length === 0 || bounds.some((bound) => bound === null)) return null;
    const isNearer = (one: string, other: string) => (kind === 'min' ? Number(one) < Number(other) : Number(one) > Number(other));
    return bounds.reduce((best, bound) => (isNearer(bound!, best!) ? bound : best));
  };
  return { nulls, min: extreme('min'), max: extreme('max') };
}

/** A partition column stands in the log, not in the files: empty and absent are null (facts/delta.md §3.1). */
function partitionFacts(add: Add, name: string, rows: number | null): InFile {
  const value = add.partitionValues[name] ?? '';
  return value === '' ? { rows, nulls: rows, min: null, max: null } : { rows, nulls: 0, min: value, max: value };
}

/** `stats.nullCount` of top-level columns; broken statistics are as good as none. */
function nullCounts(add: Add): Record<string, number | undefined> {
  try {
    const { nullCount } = JSON.parse(add.stats ?? '{}') as { nullCount?: unknown };
    if (typeof nullCount !== 'object' || nullCount === null) return {};
    const counts = Object.entries(nullCount).filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]));
    return Object.fromEntries(counts);
  } catch {
    return {};
  }
}
