// Every store of the product in memory: for unit tests of triggers and activities, under the same contract suites as the tables.
import type { PipelineVersion } from '../../contracts/pipeline.ts';
import type { AuditEntry } from '../../contracts/runs.ts';
import type { AuditLog, PipelineRegistry, Stores } from '../../ports/stores.ts';
import { createMemoryBudgetStore } from './budget-store.ts';
import { createMemoryBreakers, createMemoryFreezes } from './guards.ts';
import { createKept } from './kept.ts';
import { createMemoryLedger } from './ledger.ts';
import { createMemoryCaseStore } from './quarantine-cases.ts';
import { createMemoryModelRegistry, createMemoryPromotionStore, createMemoryRunStore, createMemoryServingHistory } from './records.ts';
import { createMemoryVitals } from './vitals.ts';

/** Empty stores; each call gives its own. */
export function createMemoryStores(): Stores {
  return {
    ledger: createMemoryLedger(),
    freezes: createMemoryFreezes(),
    breakers: createMemoryBreakers(),
    runs: createMemoryRunStore(),
    models: createMemoryModelRegistry(),
    promotions: createMemoryPromotionStore(),
    serving: createMemoryServingHistory(),
    pipelines: createMemoryPipelineRegistry(),
    budgets: createMemoryBudgetStore(),
    vitals: createMemoryVitals(),
    caseStore: createMemoryCaseStore(),
    audit: createMemoryAuditLog(),
  };
}

function createMemoryPipelineRegistry(): PipelineRegistry {
  const versions = createKept<PipelineVersion>();
  const current = createKept<{ name: string; digest: string; updatedAt: string; updatedBy: string }>();
  return {
    async put(version, _bundle, actor, at) {
      const key = `${version.name}/${version.digest}`;
      if (!versions.get(key)) versions.set(key, version);
      const before = current.get(version.name);
      if (before?.digest === version.digest) return 'unchanged';
      current.set(version.name, { name: version.name, digest: version.digest, updatedAt: at, updatedBy: actor });
      return before ? 'updated' : 'created';
    },
    async current(name) {
      const listed = current.get(name);
      return listed && versions.get(`${name}/${listed.digest}`);
    },
    async version(name, digest) {
      return versions.get(`${name}/${digest}`);
    },
    async list() {
      return current.all().sort((a, b) => (a.name < b.name ? -1 : 1));
    },
  };
}

function createMemoryAuditLog(): AuditLog {
  const entries: AuditEntry[] = [];
  return {
    async record(entry) {
      entries.push(structuredClone(entry));
    },
    async list(day, limit) {
      const ofDay = entries.filter((entry) => entry.at.startsWith(day));
      return structuredClone(ofDay.slice(-limit).reverse());
    },
  };
}
