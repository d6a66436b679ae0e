// What is registered and what is held back, read once for many events: versions never change, lists are fresh within a moment.
import type { Guards } from '../../shared/decisions/guards.ts';
import { type Owner, ownersOf, type OwnTable, tablesOf } from '../../shared/decisions/lake-places.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { BreakerStore, Freezes } from '../../shared/ports/guards.ts';
import type { PipelineRegistry } from '../../shared/ports/stores.ts';

export interface Registered {
  owners: readonly Owner[];
  tables: readonly OwnTable[];
  versions: ReadonlyMap<string, PipelineVersion>;
}

export interface Catalog {
  /** `newest`: read again, whatever was read a moment ago. */
  registered(newest?: boolean): Promise<Registered>;
  guards(): Promise<(pipeline: string) => Guards>;
}

/** Events come in bursts: one read serves all that arrive while it runs and shortly after. */
const FRESH_MS = 250;
/** Versions that are kept: more than a deployment has pipelines. */
const MAX_VERSIONS = 500;

export interface CatalogDeps {
  pipelines: PipelineRegistry;
  freezes: Freezes;
  breakers: BreakerStore;
  now: () => Date;
}

export function createCatalog(deps: CatalogDeps): Catalog {
  const versions = new Map<string, PipelineVersion>();

  async function version(name: string, digest: string): Promise<PipelineVersion | null> {
    const known = versions.get(digest);
    if (known) return known;
    const read = await deps.pipelines.version(name, digest);
    if (versions.size >= MAX_VERSIONS) versions.clear();
    if (read) versions.set(digest, read);
    return read;
  }

  const registered = shared(deps.now, async (): Promise<Registered> => {
    const listed = await deps.pipelines.list();
    const current = (await Promise.all(listed.map(({ name, digest }) => version(name, digest)))).filter((one) => one !== null);
    return {
      owners: current.flatMap(ownersOf),
      tables: current.flatMap(tablesOf),
      versions: new Map(current.map((one) => [one.name, one])),
    };
  });

  const held = shared(deps.now, async () => {
    const [freezes, breakers] = await Promise.all([deps.freezes.list(), deps.breakers.list()]);
    return { freezes, breakers: new Map(breakers.map((breaker) => [breaker.pipeline, breaker])) };
  });

  return {
    registered,
    async guards() {
      const { freezes, breakers } = await held();
      const now = deps.now().toISOString();
      return (pipeline) => ({ freezes, breaker: breakers.get(pipeline) ?? null, now });
    },
  };
}

/** One read for all who ask while it runs or shortly after. A failed read is not kept. */
function shared<Value>(now: () => Date, read: () => Promise<Value>): (newest?: boolean) => Promise<Value> {
  let last: { at: number; value: Promise<Value> } | null = null;
  return (newest = false) => {
    const at = now().getTime();
    if (last && !newest && Math.abs(at - last.at) < FRESH_MS) return last.value;
    const value = read();
    const mine = { at, value };
    last = mine;
    value.catch(() => {
      if (last === mine) last = null;
    });
    return value;
  };
}
