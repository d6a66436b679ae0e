// Quarantine cases in Azure tables and in memory keep the contract.
import { randomBytes } from 'node:crypto';
import { describe, inject } from 'vitest';
import { createMemoryCaseStore } from '../../../../shared/adapters/memory/quarantine-cases.ts';
import { openTables } from '../../../../shared/adapters/tables/open-tables.ts';
import { createCaseStore } from '../../../../shared/adapters/tables/quarantine-cases.ts';
import { caseStoreSuite } from '../../../contracts/quarantine.suite.ts';

describe('quarantine cases in memory', () => caseStoreSuite(async () => Promise.resolve(createMemoryCaseStore())));
describe('quarantine cases in tables', () =>
  caseStoreSuite(async () => {
    const { quarantine } = openTables({ connectionString: inject('storage') }, `t${randomBytes(6).toString('hex')}`);
    await quarantine.ensure();
    return createCaseStore(quarantine);
  }));
