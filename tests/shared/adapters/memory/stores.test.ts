// The stores in memory keep the contracts that the tables keep.
import { describe } from 'vitest';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import { guardsSuite } from '../../../contracts/guards.suite.ts';
import { ledgerSuite } from '../../../contracts/ledger.suite.ts';
import { recordsSuite } from '../../../contracts/records.suite.ts';
import { runStoreSuite } from '../../../contracts/run-store.suite.ts';
import { vitalsSuite } from '../../../contracts/vitals.suite.ts';

describe('ledger in memory', () => ledgerSuite(async () => createMemoryStores().ledger));
describe('guards in memory', () => guardsSuite(async () => createMemoryStores()));
describe('runs in memory', () => runStoreSuite(async () => createMemoryStores().runs));
describe('records in memory', () => recordsSuite(async () => createMemoryStores()));
describe('vitals in memory', () => vitalsSuite(async () => createMemoryStores().vitals));
