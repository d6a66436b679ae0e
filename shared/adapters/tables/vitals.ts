// Port VitalsStore in table `vitals`: one row for each pipeline, and the bookmarks of the timers.
//   PK pipeline, RK pipeline name
//   PK bookmark, RK watch | reconciling | retaining
import type { z } from 'zod';
import { PipelineVitals, Reconciling, Retaining, Watch } from '../../contracts/vitals.ts';
import type { VitalsStore } from '../../ports/vitals.ts';
import { untilUncontended } from './contention.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

const PIPELINE = 'pipeline';
const BOOKMARK = 'bookmark';
/** More than a deployment has pipelines. */
const MAX_ROWS = 5000;

export function createVitalsStore(table: Table): VitalsStore {
  async function bookmark<Schema extends z.ZodType>(name: string, schema: Schema): Promise<z.output<Schema> | null> {
    const row = await table.get(BOOKMARK, name);
    return row && unpack(row, schema);
  }
  const setBookmark = (name: string, value: unknown): Promise<void> =>
    table.put({ partitionKey: BOOKMARK, rowKey: name, ...pack(value, `The bookmark ${name}`) });

  return {
    async list() {
      return (await table.range(PIPELINE, null, MAX_ROWS)).map((row) => unpack(row, PipelineVitals));
    },

    async update(pipeline, change) {
      return untilUncontended(`The vitals of ${pipeline}`, async () => {
        const row = await table.get(PIPELINE, pipeline);
        const before = row && unpack(row, PipelineVitals);
        const after = change(before);
        if (after === before) return after;
        const fresh = { partitionKey: PIPELINE, rowKey: pipeline, ...pack(after, `The vitals of ${pipeline}`) };
        const written = row ? (await table.replace(fresh, row.etag)) === 'replaced' : (await table.insert(fresh)) === 'inserted';
        return written ? after : 'contended';
      });
    },

    watch: () => bookmark('watch', Watch),
    setWatch: (watch) => setBookmark('watch', watch),
    reconciling: () => bookmark('reconciling', Reconciling),
    setReconciling: (reconciling) => setBookmark('reconciling', reconciling),
    retaining: () => bookmark('retaining', Retaining),
    setRetaining: (retaining) => setBookmark('retaining', retaining),
  };
}
