// The budget that all instances share, in a real table: two that take at once never get the same calls.
import { randomBytes } from 'node:crypto';
import { TableClient } from '@azure/data-tables';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { createTableRateBudget } from '../../../../shared/adapters/tables/rate-budget.ts';
import type { CallBudget } from '../../../../shared/clients/arm.ts';
import { createTable, type Table } from '../../../../shared/adapters/tables/table.ts';

const limits = { read: { burst: 6, perSecond: 2 }, write: { burst: 2, perSecond: 1 } };
let table: Table;
let client: TableClient;
beforeAll(async () => {
  client = TableClient.fromConnectionString(inject('storage'), `rates${randomBytes(6).toString('hex')}`, { allowInsecureConnection: true });
  table = createTable(client);
  await table.ensure();
});
/** Typed as what the ARM client takes. */
const budgetOf = (budget: string, now: () => number): CallBudget => createTableRateBudget({ table, budget, now, limits });

describe('a rate budget in a table', () => {
  it('is one bucket for all instances', async () => {
    const [here, there] = [budgetOf('shared', () => 1_000), budgetOf('shared', () => 1_000)];

    const waits = await Promise.all(Array.from({ length: 10 }, (_, index) => (index % 2 ? here : there).take('read', 1)));

    expect(waits.map(({ waitMs }) => waitMs).sort((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 0, 500, 1_000, 1_500, 2_000]);
  });

  it('fills again with time, and keeps kinds and budgets apart', async () => {
    let now = 0;
    const budget = budgetOf('filling', () => now);
    await budget.take('read', 6);
    now = 1_000;

    await expect(budget.take('read', 2)).resolves.toEqual({ waitMs: 0 });
    await expect(budget.take('write', 2)).resolves.toEqual({ waitMs: 0 });
    await expect(budgetOf('another', () => now).take('read', 6)).resolves.toEqual({ waitMs: 0 });
  });

  it('holds all instances back when the service asked one of them to wait', async () => {
    const [here, there] = [budgetOf('quiet', () => 0), budgetOf('quiet', () => 0)];

    await here.throttled('write', 30_000);

    await expect(there.take('write', 1)).resolves.toEqual({ waitMs: 30_000 });
  });

  it('does not stand still for a row that somebody spoiled, or a clock that ran ahead', async () => {
    await client.upsertEntity({ partitionKey: 'spoiled', rowKey: 'read', tokens: 'many', at: '' });
    await client.upsertEntity({ partitionKey: 'ahead', rowKey: 'read', tokens: '-2', at: String(10 * 365 * 86_400_000) });

    await expect(budgetOf('spoiled', () => 0).take('read', 1)).resolves.toEqual({ waitMs: 0 });
    const ahead = budgetOf('ahead', () => 120_000);
    expect((await ahead.take('read', 1)).waitMs).toBeLessThanOrEqual(2_000);
  });
});
