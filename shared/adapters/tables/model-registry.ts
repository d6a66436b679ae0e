// Model versions in table `models`.
//   PK pipeline, RK model digest                        the record; the first registration of a digest stays
//   PK ~digest-<8 hex>, RK <digest>-<pipeline>          index: by the beginning of a digest, in any pipeline
//   PK ~recent-…                                        index, newest first (newest-first.ts)
import { ModelVersion } from '../../contracts/runs.ts';
import type { ModelRegistry } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { newestFirst, newestFirstRow } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

const MAX_FOUND = 100;

export function createModelRegistry(table: Table): ModelRegistry {
  async function get(pipeline: string, modelDigest: string): Promise<ModelVersion | null> {
    const row = await table.get(pipeline, modelDigest);
    return row && unpack(row, ModelVersion);
  }

  return {
    get,

    async register(model) {
      const { pipeline, modelDigest, createdAt } = model;
      const byDigest = { partitionKey: `~digest-${modelDigest.slice(0, 8)}`, rowKey: `${modelDigest}-${pipeline}`, pipeline, modelDigest };
      const recent = newestFirstRow(createdAt, `${modelDigest}-${pipeline}`, { partition: pipeline, row: modelDigest }, { pipeline });
      await Promise.all([table.put(byDigest), table.put(recent)]);
      await table.insert({ partitionKey: pipeline, rowKey: modelDigest, ...pack(model, `Model ${modelDigest}`) });
    },

    async find(digestPrefix) {
      if (!/^[0-9a-f]{8,64}$/.test(digestPrefix)) {
        throw new RejectedError('digest-prefix', 'Name a model by at least 8 of its 64 lower-case hex characters');
      }
      const rows = await table.range(`~digest-${digestPrefix.slice(0, 8)}`, { from: digestPrefix, to: `${digestPrefix}~` }, MAX_FOUND);
      const models = await Promise.all(rows.map((row) => get(String(row['pipeline']), String(row['modelDigest']))));
      return models.filter((model) => model !== null);
    },

    async list(pipeline, limit) {
      const where = pipeline === undefined ? {} : { pipeline };
      const page = await newestFirst(table, limit, undefined, where, async (index) => {
        const model = await get(index.partition, index.row);
        return model?.createdAt === index.at ? model : null;
      });
      return page.items;
    },
  };
}
