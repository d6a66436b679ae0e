// The memory store keeps the contract of the port.
import { afterAll, describe } from 'vitest';
import { createMemoryStore, type MemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { storeSuite } from '../../../contracts/store.suite.ts';

describe('memory store', () => {
  const made: MemoryStore[] = [];
  afterAll(async () => {
    for (const store of made) await store.close();
  });
  storeSuite(async () => {
    const store = createMemoryStore();
    made.push(store);
    return store;
  });
});
