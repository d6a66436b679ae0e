// Listings and dead letters in memory keep the contracts that those over storage keep.
import { describe } from 'vitest';
import { createMemoryDeadLetters, createMemoryListing } from '../../../../shared/adapters/memory/listing.ts';
import { deadLettersSuite, listingSuite } from '../../../contracts/listing.suite.ts';

describe('a listing in memory', () =>
  listingSuite(async () => {
    const listing = createMemoryListing({ account: 'lake', container: 'data' });
    let writes = 0;
    const write = async (path: string, content: string) => {
      const eTag = `0x${(writes += 1)}`;
      listing.put(path, { eTag, bytes: Buffer.byteLength(content), lastModified: '2026-03-02T00:00:00.000Z' });
      return eTag;
    };
    return { listing, write };
  }));

describe('dead letters in memory', () =>
  deadLettersSuite(async () => {
    const letters = createMemoryDeadLetters();
    return { letters, write: async (name, content) => letters.put(name, content) };
  }));
