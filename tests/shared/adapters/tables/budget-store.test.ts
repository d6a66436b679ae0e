// Money in a table keeps the port's contract, also when runs ask at the same moment.
import { randomBytes } from 'node:crypto';
import { describe, inject } from 'vitest';
import { createBudgetStore } from '../../../../shared/adapters/tables/budget-store.ts';
import { openTables } from '../../../../shared/adapters/tables/open-tables.ts';
import { budgetStoreSuite } from '../../../contracts/budget-store.suite.ts';

describe('budgets in tables', () =>
  budgetStoreSuite(async () => {
    const { budgets } = openTables({ connectionString: inject('storage') }, `t${randomBytes(6).toString('hex')}`);
    await budgets.ensure();
    return createBudgetStore(budgets);
  }));
