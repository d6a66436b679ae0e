import { describe } from 'vitest';
import { createMemoryBudgetStore } from '../../../../shared/adapters/memory/budget-store.ts';
import { budgetStoreSuite } from '../../../contracts/budget-store.suite.ts';

describe('budgets in memory', () => budgetStoreSuite(async () => createMemoryBudgetStore()));
