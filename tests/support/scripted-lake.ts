// A lake and a refine engine that do what a test wrote down: files with contents and eTags in, commits with digests out.
// They keep the rules of their ports (one commit per key, staged files under their digest), nothing else.
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { Refined, StagedFile } from '../../shared/contracts/tables.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { CommitFacts, Lake, RefineEngine, Store } from '../../shared/ports/lake.ts';

/** A lake that a test fills. Commits are JSON of what `readCommit` gives. */
export interface ScriptedLake extends Lake {
  /** Writes a file; every write gives a new eTag. */
  put(container: string, path: string, content: string): string;
  remove(container: string, path: string): void;
}

export function createScriptedLake(): ScriptedLake {
  const files = new Map<string, { content: string; eTag: string }>();
  let writes = 0;
  const at = (container: string, path: string, eTag: string | null) => {
    const file = files.get(`${container}/${path}`);
    if (!file) throw new RejectedError('blob-gone', `${path} is not there any more`);
    if (eTag !== null && file.eTag !== eTag) throw new RejectedError('blob-changed', `${path} was replaced: it is ${file.eTag} now`);
    return file;
  };
  return {
    put(container, path, content) {
      writes += 1;
      const eTag = `0x8DC${String(writes).padStart(4, '0')}`;
      files.set(`${container}/${path}`, { content, eTag });
      return eTag;
    },
    remove: (container, path) => void files.delete(`${container}/${path}`),
    async fingerprint(container, path, eTag) {
      const file = at(container, path, eTag);
      return { sha256: sha256Hex(file.content), bytes: Buffer.byteLength(file.content) };
    },
    async readSmall(container, path, eTag, maxBytes) {
      const { content } = at(container, path, eTag);
      if (content.length > maxBytes) throw new RejectedError('file-too-large', `${path} is larger than ${maxBytes} bytes`);
      return { content: Buffer.from(content), sha256: sha256Hex(content) };
    },
    async readCommit(container, path, eTag) {
      const { content } = at(container, path, eTag);
      const [, version = ''] = /_delta_log\/([0-9]{20})\.json$/.exec(path) ?? [];
      const unmarked: CommitFacts = { version: Number(version), operation: null, appIds: [], chain: [], runId: null, changesData: true };
      try {
        return { ...unmarked, ...(JSON.parse(content) as Partial<CommitFacts>) };
      } catch {
        throw new RejectedError('commit-unreadable', `${path} is half written`);
      }
    },
    probe: async () => undefined,
  };
}

/** What the engine was given. */
export interface Given {
  key: string;
  paths: string[];
  remote: string[];
  commit: { source: string; path: string; version: number } | null;
  silver: number | null;
  chain: readonly string[];
}

/** An engine whose gold follows the content of the files, whatever their names. */
export interface ScriptedEngine extends RefineEngine {
  /** Keys for which a commit was made, in order. */
  readonly commits: readonly string[];
  /** Datasets that were committed, in order. */
  readonly given: readonly Given[];
  /** Digests for which data was copied, in order. */
  readonly staged: readonly string[];
  /** Makes gold as somebody else would, at the next version. */
  foreignGold(pipeline: PipelineVersion, content: string): Refined['gold'];
}

export function createScriptedEngine(store: Store): ScriptedEngine {
  const done = new Map<string, Refined>();
  const golds: Refined['gold'][] = [];
  const given: Given[] = [];
  const staged: string[] = [];

  function goldOf({ name, spec }: PipelineVersion, content: string): Refined['gold'] {
    const { gold } = spec.tables;
    const made = {
      layer: 'gold' as const,
      table: gold.name,
      path: `gold/${name}/${gold.name}/`,
      version: golds.length,
      rows: 400,
      addedRows: 400,
      digest: sha256Hex(content),
    };
    golds.push(made);
    return made;
  }

  function commit(pipeline: PipelineVersion, what: Given, content: readonly string[]): Refined {
    const known = done.get(what.key);
    if (known) return known;
    const gold = goldOf(pipeline, [...content].sort().join('\n'));
    const { silver } = pipeline.spec.tables;
    const silverCommit = { ...gold, layer: 'silver' as const, table: silver.name, path: `silver/${pipeline.name}/${silver.name}/` };
    const refined: Refined = { silver: silverCommit, gold, readRows: 400, quarantinedRows: 0, findings: [] };
    done.set(what.key, refined);
    given.push(what);
    return refined;
  }

  return {
    get commits() {
      return [...done.keys()];
    },
    given,
    staged,
    foreignGold: goldOf,
    async refine({ pipeline, key, files, remote = [], commit: source, chain = [] }) {
      const found: { path: string; sha256: string }[] = [];
      for await (const { path, sha256 } of files) found.push({ path, sha256 });
      const what: Given = {
        key,
        paths: found.map(({ path }) => path).sort(),
        remote: remote.map(({ uri }) => uri),
        commit: source ?? null,
        silver: null,
        chain,
      };
      const content = [
        ...found.map(({ sha256 }) => sha256),
        ...remote.map(({ sha256 }) => sha256),
        ...(source ? [JSON.stringify(source)] : []),
      ];
      return commit(pipeline, what, content);
    },
    async refineGold({ pipeline, key, silver, chain = [] }) {
      return commit(pipeline, { key, paths: [], remote: [], commit: null, silver: silver.version, chain }, [`silver ${silver.version}`]);
    },
    async readGold({ version }) {
      const gold = version === undefined ? golds.at(-1) : golds[version];
      return gold ? { table: gold.table, path: gold.path, version: gold.version, digest: gold.digest } : null;
    },
    async size({ files }) {
      let count = 0;
      for await (const _ of files) count += 1;
      return { files: count, bytes: count, packedBytes: 0 };
    },
    preview: () => Promise.reject(new Error('these stories look at nothing before it lands')),
    async stage({ gold }): Promise<StagedFile[]> {
      const csv = Buffer.from(`gold,${gold.digest}\n`);
      const path = `staged/${gold.digest}/part-0.csv`;
      if ((await store.create(path, csv, 'text/csv')) === 'created') staged.push(gold.digest);
      return [{ path, sha256: sha256Hex(csv.toString('utf8')), bytes: csv.byteLength }];
    },
  };
}
