// A lake and a refine engine that do what a test wrote down: files with contents and eTags in, commits with digests out.
// They keep the rules of their ports (one commit per key, staged files under their digest), nothing else.
import type { Refined, StagedFile } from '../../shared/contracts/tables.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Lake, RefineEngine, Store } from '../../shared/ports/lake.ts';

/** A lake that a test fills. */
export interface ScriptedLake extends Lake {
  /** Writes a file; every write gives a new eTag. */
  put(container: string, path: string, content: string): string;
  remove(container: string, path: string): void;
}

export function createScriptedLake(): ScriptedLake {
  const files = new Map<string, { content: string; eTag: string }>();
  let writes = 0;
  return {
    put(container, path, content) {
      writes += 1;
      const eTag = `0x8DC${String(writes).padStart(4, '0')}`;
      files.set(`${container}/${path}`, { content, eTag });
      return eTag;
    },
    remove: (container, path) => void files.delete(`${container}/${path}`),
    async fingerprint(container, path, eTag) {
      const file = files.get(`${container}/${path}`);
      if (!file) throw new RejectedError('blob-gone', `${path} is not there any more`);
      if (file.eTag !== eTag) throw new RejectedError('blob-changed', `${path} was replaced: it is ${file.eTag} now`);
      return { sha256: sha256Hex(file.content), bytes: Buffer.byteLength(file.content) };
    },
    probe: async () => undefined,
  };
}

/** An engine whose gold follows the content of the files, whatever their names. */
export interface ScriptedEngine extends RefineEngine {
  /** Keys for which a commit was made, in order. */
  readonly commits: readonly string[];
  /** Digests for which data was copied, in order. */
  readonly staged: readonly string[];
}

export function createScriptedEngine(store: Store): ScriptedEngine {
  const done = new Map<string, Refined>();
  const staged: string[] = [];
  return {
    get commits() {
      return [...done.keys()];
    },
    staged,
    async refine({ pipeline, key, files }) {
      const known = done.get(key);
      if (known) return known;
      const content = files.map((file) => file.sha256).sort();
      const version = done.size;
      const commit = { version, rows: 400, addedRows: 400, digest: sha256Hex(content.join('\n')) };
      const { silver, gold } = pipeline.spec.tables;
      const refined: Refined = {
        silver: { layer: 'silver', table: silver.name, path: `silver/${pipeline.name}/${silver.name}/`, ...commit },
        gold: { layer: 'gold', table: gold.name, path: `gold/${pipeline.name}/${gold.name}/`, ...commit },
        readRows: 400,
        quarantinedRows: 0,
        findings: [],
      };
      done.set(key, refined);
      return refined;
    },
    async stage({ gold }): Promise<StagedFile[]> {
      const csv = Buffer.from(`gold,${gold.digest}\n`);
      const path = `staged/${gold.digest}/part-0.csv`;
      if ((await store.create(path, csv, 'text/csv')) === 'created') staged.push(gold.digest);
      return [{ path, sha256: sha256Hex(csv.toString('utf8')), bytes: csv.byteLength }];
    },
  };
}
