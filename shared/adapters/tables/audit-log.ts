// Who did what, in table `audit`: PK day, RK sequence without gaps, so that a missing entry shows.
// Row `last` holds the newest number; it and the entry are written in one batch.
import { AuditEntry } from '../../contracts/runs.ts';
import type { AuditLog } from '../../ports/stores.ts';
import { untilUncontended } from './contention.ts';
import { pack, unpack } from './row.ts';
import type { Step, Table } from './table.ts';

const LAST = 'last';

export function createAuditLog(table: Table): AuditLog {
  return {
    async record(entry) {
      const partitionKey = entry.at.slice(0, 10);
      await untilUncontended(`The audit log of ${partitionKey}`, async () => {
        const last = await table.get(partitionKey, LAST);
        const number = Number(last?.['number'] ?? 0) + 1;
        const lastRow = { partitionKey, rowKey: LAST, number: String(number) };
        const count: Step = last ? { kind: 'replace', row: lastRow, etag: last.etag } : { kind: 'insert', row: lastRow };
        const row = { partitionKey, rowKey: sequence(number), ...pack(entry, 'An audit entry') };
        return (await table.batch([{ kind: 'insert', row }, count])) === 'done' ? number : 'contended';
      });
    },

    async list(day, limit) {
      const last = await table.get(day, LAST);
      const number = Number(last?.['number'] ?? 0);
      const newest = { from: sequence(Math.max(1, number - limit + 1)), to: 's.' };
      const rows = await table.range(day, newest, limit);
      return rows.map((row) => unpack(row, AuditEntry)).reverse();
    },
  };
}

function sequence(number: number): string {
  return `s-${String(number).padStart(9, '0')}`;
}
