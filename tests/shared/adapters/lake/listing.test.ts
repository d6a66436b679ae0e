// Listings and dead letters over a storage account: the contracts of their ports, and what only storage has.
import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { describe, expect, inject, it } from 'vitest';
import { createDeadLetters } from '../../../../shared/adapters/lake/dead-letters.ts';
import { createLakeListing } from '../../../../shared/adapters/lake/listing.ts';
import { deadLettersSuite, listingSuite } from '../../../contracts/listing.suite.ts';

const service = BlobServiceClient.fromConnectionString(inject('storage'));

async function place() {
  const { containerClient } = await service.createContainer(`listing-${randomUUID()}`);
  const write = async (path: string, content: string, metadata: Record<string, string> = {}) => {
    const { etag = '' } = await containerClient.getBlockBlobClient(path).upload(content, Buffer.byteLength(content), { metadata });
    return etag.replaceAll('"', '');
  };
  const lake = { account: service.accountName, container: containerClient.containerName };
  return { lake, write, listing: createLakeListing(service, lake), letters: createDeadLetters(service, lake.container) };
}

describe('a listing of storage', () => {
  listingSuite(place);

  it('leaves out folders of a hierarchical namespace, and keeps empty files', async () => {
    const { listing, write } = await place();
    await write('bronze/wine/day', '', { hdi_isfolder: 'true' });
    await write('bronze/wine/day/empty.csv', '');

    const { files } = await listing.page({ folder: 'bronze/wine/', continuation: null, limit: 10 });

    expect(files.map(({ path, bytes }) => [path, bytes])).toEqual([['bronze/wine/day/empty.csv', 0]]);
  });

  it('says which container is missing', async () => {
    const listing = createLakeListing(service, { account: 'a', container: 'never-made' });

    await expect(listing.page({ folder: 'bronze/', continuation: null, limit: 1 })).rejects.toMatchObject({ code: 'container-missing' });
  });
});

describe('dead letters in storage', () => {
  deadLettersSuite(async () => {
    const { letters, write } = await place();
    return { letters, write: async (name, content) => void (await write(name, content)) };
  });

  it('are none where no container was made', async () => {
    expect(await createDeadLetters(service, 'never-made').list(5)).toEqual([]);
  });
});
