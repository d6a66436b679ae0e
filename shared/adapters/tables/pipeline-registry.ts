// Registered pipelines: the bundle as an immutable file `pipelines/<name>/<digest>.json`, the current version in table `pipelines`.
//   PK current, RK name    digest, when and by whom: one partition, because all names together are one short list
import * as z from 'zod';
import { Instant, Name, Sha256 } from '../../contracts/identifiers.ts';
import { PipelineBundle, PipelineVersion } from '../../contracts/pipeline.ts';
import type { Store } from '../../ports/lake.ts';
import type { PipelineRegistry } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { untilUncontended } from './contention.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

const CURRENT = 'current';
const MAX_PIPELINES = 1000;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

const Listed = z.strictObject({ name: Name, digest: Sha256, updatedAt: Instant, updatedBy: z.string() });
/** Both, because the parsed version must stay as it was read, whatever defaults a later release has. */
const StoredVersion = z.strictObject({ version: PipelineVersion, bundle: PipelineBundle });

export function createPipelineRegistry(table: Table, store: Pick<Store, 'read' | 'create'>): PipelineRegistry {
  async function version(name: string, digest: string): Promise<PipelineVersion | null> {
    if (!Name.safeParse(name).success || !Sha256.safeParse(digest).success) return null;
    const content = await store.read(filePath(name, digest), MAX_FILE_BYTES);
    if (!content) return null;
    const parsed = StoredVersion.safeParse(JSON.parse(Buffer.from(content).toString('utf8')));
    if (!parsed.success) throw new RejectedError('record-unreadable', `${filePath(name, digest)} is not a pipeline version`);
    return parsed.data.version;
  }

  return {
    version,

    async put(next, bundle, actor, at) {
      const content = Buffer.from(JSON.stringify({ version: next, bundle } satisfies z.input<typeof StoredVersion>));
      await store.create(filePath(next.name, next.digest), content, 'application/json');
      return untilUncontended(`Pipeline ${next.name}`, async () => {
        const row = await table.get(CURRENT, next.name);
        if (row && unpack(row, Listed).digest === next.digest) return 'unchanged';
        const listed = { name: next.name, digest: next.digest, updatedAt: at, updatedBy: actor };
        const fresh = { partitionKey: CURRENT, rowKey: next.name, ...pack(listed, `Pipeline ${next.name}`) };
        if (row) return (await table.replace(fresh, row.etag)) === 'replaced' ? 'updated' : 'contended';
        return (await table.insert(fresh)) === 'inserted' ? 'created' : 'contended';
      });
    },

    async current(name) {
      const row = Name.safeParse(name).success ? await table.get(CURRENT, name) : null;
      return row && version(name, unpack(row, Listed).digest);
    },

    async list() {
      const rows = await table.range(CURRENT, null, MAX_PIPELINES);
      return rows.map((row) => unpack(row, Listed));
    },
  };
}

function filePath(name: string, digest: string): string {
  return `pipelines/${name}/${digest}.json`;
}
