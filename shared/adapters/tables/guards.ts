// Freezes and breakers in table `guards`: two short partitions, `freeze` and `breaker`, one row for each pipeline.
//   PK freeze,  RK platform | p-<pipeline>
//   PK breaker, RK pipeline
import { Breaker, Freeze } from '../../contracts/guards.ts';
import type { BreakerStore, Freezes } from '../../ports/guards.ts';
import { untilUncontended } from './contention.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

const FREEZE = 'freeze';
const BREAKER = 'breaker';
const MAX_ROWS = 1000;

export function createFreezes(table: Table): Freezes {
  const rowKey = (pipeline: string | null): string => (pipeline === null ? 'platform' : `p-${pipeline}`);
  return {
    async set(freeze) {
      await table.put({ partitionKey: FREEZE, rowKey: rowKey(freeze.pipeline), ...pack(freeze, 'A freeze') });
    },

    async end(pipeline) {
      return untilUncontended('A freeze', async () => {
        const row = await table.get(FREEZE, rowKey(pipeline));
        if (row?.['json0'] === undefined) return 'none';
        // The row stays without a freeze in it: rows are never deleted here.
        const answer = await table.replace({ partitionKey: FREEZE, rowKey: rowKey(pipeline) }, row.etag);
        return answer === 'replaced' ? 'ended' : 'contended';
      });
    },

    async list() {
      const rows = await table.range(FREEZE, null, MAX_ROWS);
      return rows.filter((row) => row['json0'] !== undefined).map((row) => unpack(row, Freeze));
    },
  };
}

export function createBreakers(table: Table): BreakerStore {
  return {
    async get(pipeline) {
      const row = await table.get(BREAKER, pipeline);
      return row && unpack(row, Breaker);
    },

    async update(pipeline, change) {
      const { answer } = await untilUncontended(`The breaker of ${pipeline}`, async () => {
        const row = await table.get(BREAKER, pipeline);
        const before = row && unpack(row, Breaker);
        const changed = change(before);
        if (changed.breaker === null || changed.breaker === before) return { answer: changed.answer };
        const fresh = { partitionKey: BREAKER, rowKey: pipeline, ...pack(changed.breaker, `The breaker of ${pipeline}`) };
        const written = row ? (await table.replace(fresh, row.etag)) === 'replaced' : (await table.insert(fresh)) === 'inserted';
        return written ? { answer: changed.answer } : 'contended';
      });
      return answer;
    },

    async list() {
      return (await table.range(BREAKER, null, MAX_ROWS)).map((row) => unpack(row, Breaker));
    },
  };
}
