import { BlobServiceClient } from '@azure/storage-blob';
import { expect, inject, test } from 'vitest';

test('the test run has a storage account', async () => {
  const lake = BlobServiceClient.fromConnectionString(inject('storage')).getContainerClient('probe');

  await lake.createIfNotExists();

  expect(await lake.exists()).toBe(true);
});
