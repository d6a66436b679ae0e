// Runs in table `runs`.
//   PK pipeline, RK run id   the record. A run id holds pipeline, key and attempt (`<story>-<pipeline>-<16 hex>-a<n>`), so `find` and
//                            `attempts` need no index: the first reads the pipeline from it, the second reads three short ranges.
//   PK ~recent-…             index, newest first (newest-first.ts)
import { isSameRecord, patchedRun } from '../../decisions/patched-run.ts';
import { runIdParts } from '../../contracts/identifiers.ts';
import { Run, Story } from '../../contracts/runs.ts';
import type { RunStore } from '../../ports/stores.ts';
import { RejectedError } from '../../errors/errors.ts';
import { untilUncontended } from './contention.ts';
import { newestFirst, newestFirstRow } from './newest-first.ts';
import { pack, unpack } from './row.ts';
import type { NewRow, Table } from './table.ts';

const MAX_ATTEMPTS = 1000;

export function createRunStore(table: Table): RunStore {
  async function get(pipeline: string, runId: string): Promise<Run | null> {
    const row = await table.get(pipeline, runId);
    return row && unpack(row, Run);
  }

  return {
    get,

    async open(run) {
      const parts = runIdParts(run.runId);
      if (
        parts?.pipeline !== run.pipeline ||
        parts.attempt !== run.attempt ||
        !run.key.startsWith(parts.key) ||
        parts.story !== run.story
      ) {
        throw new RejectedError('run-id-mismatch', `The id ${run.runId} does not name this story, pipeline, key and attempt`);
      }
      await table.put(newestFirstRow(run.startedAt, run.runId, { partition: run.pipeline, row: run.runId }, { pipeline: run.pipeline }));
      if ((await table.insert(runRow(run))) === 'inserted') return run;
      const stored = await get(run.pipeline, run.runId);
      if (!stored) throw new RejectedError('run-unknown', `Run ${run.runId} was there a moment ago and is not there any more`);
      if (stored.key !== run.key) throw new RejectedError('key-collision', `Run ${run.runId} exists with another key: ${stored.key}`);
      return stored;
    },

    async find(runId) {
      const parts = runIdParts(runId);
      return parts && get(parts.pipeline, runId);
    },

    async attempts(pipeline, key) {
      const ranges = Story.options.map((story) => `${story}-${pipeline}-${key.slice(0, 16)}-a`);
      const rows = await Promise.all(ranges.map((start) => table.range(pipeline, { from: start, to: `${start}~` }, MAX_ATTEMPTS)));
      return rows
        .flat()
        .map((row) => unpack(row, Run))
        .filter((run) => run.key === key)
        .sort((a, b) => a.attempt - b.attempt);
    },

    async patch(pipeline, runId, patch) {
      return untilUncontended(`Run ${runId}`, async () => {
        const row = await table.get(pipeline, runId);
        if (!row) throw new RejectedError('run-unknown', `There is no run ${runId} in pipeline ${pipeline}`);
        const stored = unpack(row, Run);
        const run = patchedRun(stored, patch);
        if (isSameRecord(stored, run)) return stored;
        return (await table.replace(runRow(run), row.etag)) === 'replaced' ? run : 'contended';
      });
    },

    async list({ pipeline, status }, limit, after) {
      return newestFirst(table, limit, after, pipeline === undefined ? {} : { pipeline }, async (index) => {
        const run = await get(index.partition, index.row);
        return run && run.startedAt === index.at && (status === undefined || run.status === status) ? run : null;
      });
    },
  };
}

function runRow(run: Run): NewRow {
  return { partitionKey: run.pipeline, rowKey: run.runId, ...pack(run, `Run ${run.runId}`) };
}
