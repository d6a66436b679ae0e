// Fingerprints of landed files: the digest, and the two ways in which a file is no longer the one of the event.
import { BlobServiceClient } from '@azure/storage-blob';
import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { createLake } from '../../../../shared/adapters/lake/lake.ts';

const service = BlobServiceClient.fromConnectionString(inject('storage'));
const container = `lake-${randomUUID()}`;
const lake = createLake(service, { container });

async function land(path: string, content: Buffer): Promise<string> {
  const answer = await service.getContainerClient(container).getBlockBlobClient(path).upload(content, content.length);
  return answer.etag!.replaceAll('"', '');
}

describe('fingerprint', () => {
  beforeAll(async () => {
    await service.createContainer(container);
  });

  it('streams a file of several megabytes and gives its SHA-256 and length', async () => {
    const content = Buffer.alloc(5_000_001, 'abcdefg');

    const found = await lake.fingerprint(container, 'bronze/big.bin', await land('bronze/big.bin', content));

    expect(found).toEqual({ sha256: createHash('sha256').update(content).digest('hex'), bytes: 5_000_001 });
  });

  it.each(['bronze/with space.csv', 'bronze/100%.csv', 'bronze/a%20b.csv', 'bronze/messung-größe-測定.csv', 'bronze/a+b&c#d?e.csv'])(
    'reads a file named %j',
    async (path) => {
      const eTag = await land(path, Buffer.from(path));

      expect(await lake.fingerprint(container, path, eTag)).toEqual({
        sha256: createHash('sha256').update(path).digest('hex'),
        bytes: Buffer.byteLength(path),
      });
    },
  );

  it('reads an empty file', async () => {
    expect((await lake.fingerprint(container, 'bronze/empty', await land('bronze/empty', Buffer.alloc(0)))).bytes).toBe(0);
  });

  it('rejects a file that was deleted', async () => {
    await expect(lake.fingerprint(container, 'bronze/none.csv', '0x1')).rejects.toMatchObject({
      name: 'RejectedError',
      code: 'blob-gone',
      message: expect.stringContaining('bronze/none.csv') as string,
    });
  });

  it('rejects a file that was overwritten after the event', async () => {
    const eTag = await land('bronze/twice.csv', Buffer.from('one'));
    await land('bronze/twice.csv', Buffer.from('two'));

    await expect(lake.fingerprint(container, 'bronze/twice.csv', eTag)).rejects.toMatchObject({ code: 'blob-changed' });
  });

  it.each(['*', '"*"', '0x1", "0x2', ''])('does not take %j for an eTag that matches', async (eTag) => {
    await land('bronze/any.csv', Buffer.from('any'));

    await expect(lake.fingerprint(container, 'bronze/any.csv', eTag)).rejects.toMatchObject({ name: 'RejectedError' });
  });

  it('refuses another container than the lake', async () => {
    await expect(lake.fingerprint('secrets', 'a', '0x1')).rejects.toMatchObject({ code: 'container-foreign' });
  });
});
