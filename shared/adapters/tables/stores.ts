// Every store of the product over its table: one call for the composition root.
import type { Store } from '../../ports/lake.ts';
import type { Stores } from '../../ports/stores.ts';
import { createAuditLog } from './audit-log.ts';
import { createBudgetStore } from './budget-store.ts';
import { createBreakers, createFreezes } from './guards.ts';
import { createLedger } from './ledger.ts';
import { createModelRegistry } from './model-registry.ts';
import type { Tables } from './open-tables.ts';
import { createPipelineRegistry } from './pipeline-registry.ts';
import { createPromotionStore } from './promotion-store.ts';
import { createCaseStore } from './quarantine-cases.ts';
import { createRunStore } from './run-store.ts';
import { createServingHistory } from './serving-history.ts';
import { createVitalsStore } from './vitals.ts';

/** `files` keeps the bundles of pipelines. */
export function createTableStores(tables: Tables, files: Pick<Store, 'read' | 'create'>): Stores {
  return {
    ledger: createLedger(tables.ledger),
    freezes: createFreezes(tables.guards),
    breakers: createBreakers(tables.guards),
    runs: createRunStore(tables.runs),
    models: createModelRegistry(tables.models),
    promotions: createPromotionStore(tables.promotions),
    serving: createServingHistory(tables.serving),
    pipelines: createPipelineRegistry(tables.pipelines, files),
    budgets: createBudgetStore(tables.budgets),
    vitals: createVitalsStore(tables.vitals),
    caseStore: createCaseStore(tables.quarantine),
    audit: createAuditLog(tables.audit),
  };
}
