// Promotions as they were asked for, in table `promotions`.
//   PK environment, RK promotion id    the record
//   PK ~id, RK promotion id            index: the environment of a promotion
//   PK ~recent-…                       index, newest first (newest-first.ts)
import { Promotion } from '../../contracts/runs.ts';
import type { PromotionStore } from '../../ports/stores.ts';
import { newestFirst, newestFirstRow } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

export function createPromotionStore(table: Table): PromotionStore {
  async function get(environment: string, promotionId: string): Promise<Promotion | null> {
    const row = await table.get(environment, promotionId);
    return row && unpack(row, Promotion);
  }

  return {
    async record(promotion) {
      const { environment, promotionId, modelDigest, requestedAt } = promotion;
      const where = { partition: environment, row: promotionId };
      await Promise.all([
        table.put({ partitionKey: '~id', rowKey: promotionId, environment }),
        table.put(newestFirstRow(requestedAt, promotionId, where, { environment, modelDigest })),
      ]);
      const row = { partitionKey: environment, rowKey: promotionId, ...pack(promotion, `Promotion ${promotionId}`) };
      return (await table.insert(row)) === 'inserted' ? 'recorded' : 'known';
    },

    async find(promotionId) {
      const index = await table.get('~id', promotionId);
      return index && get(String(index['environment']), promotionId);
    },

    async list({ environment, modelDigest }, limit) {
      const where = { ...(environment === undefined ? {} : { environment }), ...(modelDigest === undefined ? {} : { modelDigest }) };
      const page = await newestFirst(table, limit, undefined, where, async (index) => {
        const promotion = await get(index.partition, index.row);
        return promotion?.requestedAt === index.at ? promotion : null;
      });
      return page.items;
    },
  };
}
