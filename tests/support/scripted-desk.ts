// A desk for stories: what is left on it, and the commits that a test lets an engine outside make.
import type { ForeignCommit } from '../../shared/contracts/hand-over.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { tablesOf } from '../../shared/decisions/lake-places.ts';
import type { HandOverDesk } from '../../shared/ports/hand-over.ts';

export interface ScriptedDesk extends HandOverDesk {
  /** Text by path. */
  readonly left: ReadonlyMap<string, string>;
  /** What was taken back: key and reason. */
  readonly takenBack: { key: string; reason: string }[];
  /** Commits both tables, or those that are named, under a transaction; `change` makes them other than asked for. */
  commit(appId: string, layers?: readonly ('silver' | 'gold')[], change?: (found: ForeignCommit) => void): void;
}

/** `rowsOf`: the number of rows that a commit adds. */
export function createScriptedDesk(version: PipelineVersion, rowsOf = 400): ScriptedDesk {
  const left = new Map<string, string>();
  const commits = new Map<string, ForeignCommit>();
  const takenBack: { key: string; reason: string }[] = [];
  const columnsOf = (layer: 'silver' | 'gold') => Object.entries(version.spec.tables[layer].columns ?? {});

  return {
    lake: 'http://lake/data/',
    left,
    takenBack,
    commit(appId, layers = ['silver', 'gold'], change = () => undefined) {
      for (const layer of layers) {
        const root = tablesOf(version).find((table) => table.layer === layer)?.root ?? '';
        const table = version.spec.tables[layer].name;
        const made = { layer, table, path: root, version: 7, rows: rowsOf, addedRows: rowsOf, digest: sha256Hex(`${appId} ${layer}`) };
        const found: ForeignCommit = {
          commit: made,
          columns: columnsOf(layer).map(([name, { type }]) => ({ name, type: type ?? 'string' })),
          added: Object.fromEntries(
            columnsOf(layer).map(([name, { min, max }]) => [name, { nulls: 0, min: String(min ?? 0), max: String(max ?? min ?? 0) }]),
          ),
          readRows: 500,
        };
        change(found);
        commits.set(`${appId} ${layer}`, found);
      }
    },
    async leave(path, content) {
      left.set(path, Buffer.from(content).toString('utf8'));
    },
    async takeBack({ key, reason }) {
      takenBack.push({ key, reason });
      return ['taken back in gold/ by version 8', 'taken back in silver/ by version 8'];
    },
    async committed({ key }) {
      const of = (layer: string) => commits.get(`sluice-${key} ${layer}`) ?? null;
      return { silver: of('silver'), gold: of('gold') };
    },
  };
}
