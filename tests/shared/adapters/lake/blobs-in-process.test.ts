// The blob account inside this process answers as a storage account does: the same cases against both, through the lake's own calls.
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { blobStorage } from '../../../../shared/adapters/lake/delta/table-storage.ts';
import { createBlob, hashBlob, hashFile, putBlob, readBlob, streamBlob, uploadFile } from '../../../../shared/adapters/lake/storage.ts';
import { blobsInProcess } from '../../../support/blobs-in-process.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-blobs-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

const services = {
  azurite: () => BlobServiceClient.fromConnectionString(inject('storage')),
  'in memory': () => blobsInProcess().service,
  'on disk': () => blobsInProcess(dir).service,
};

async function answers(container: ContainerClient): Promise<unknown> {
  const code = async (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
  const read = async (path: string) => (await readBlob(container, path, 1000))?.toString('utf8') ?? null;
  const text = Buffer.from('ünicode, "quoted"');
  const created = [
    await createBlob(container, 'a/b c%20ü.txt', text, 'text/plain'),
    await createBlob(container, 'a/b c%20ü.txt', text, 'text/plain'),
  ];
  const before = (await container.getBlobClient('a/b c%20ü.txt').getProperties()).etag!.replaceAll('"', '');
  await putBlob(container, 'a/b c%20ü.txt', Buffer.from('other'), 'text/plain');
  await createBlob(container, 'empty', Buffer.alloc(0), 'text/plain');
  const large = join(dir, randomUUID());
  await writeFile(large, Buffer.alloc(9 * 1024 * 1024, 'block '));
  const found = await hashFile(large);
  await uploadFile(container, 'a/large', large, found);
  const again = await code(uploadFile(container, 'a/large', large, found));
  const differs = await code(uploadFile(container, 'a/large', large, { ...found, sha256: '0' }));
  const listed = [];
  for await (const { name, bytes } of blobStorage(container).list('a/')) listed.push([name, bytes]);
  const old = await code(streamBlob(container, 'a/b c%20ü.txt', before, () => undefined));
  await blobStorage(container).remove('a/b c%20ü.txt');
  await blobStorage(container).remove('a/b c%20ü.txt');
  return {
    created,
    again,
    differs,
    listed,
    old,
    large: (await hashBlob(container, 'a/large')).sha256 === found.sha256,
    empty: await read('empty'),
    absent: [await read('a/b c%20ü.txt'), await code(streamBlob(container, 'nowhere', 'abc', () => undefined))],
    exists: [await container.getBlobClient('empty').exists(), await container.getBlobClient('nowhere').exists()],
  };
}

describe('a blob account', () => {
  it.each(Object.keys(services) as (keyof typeof services)[])('%s keeps what storage promises', async (service) => {
    const { containerClient } = await services[service]().createContainer(`blobs-${randomUUID()}`);

    expect(await answers(containerClient)).toEqual({
      created: ['created', 'exists'],
      again: 'done',
      differs: 'file-differs',
      listed: [
        ['a/b c%20ü.txt', 5],
        ['a/large', 9 * 1024 * 1024],
      ],
      old: 'blob-changed',
      large: true,
      empty: '',
      absent: [null, 'blob-gone'],
      exists: [true, false],
    });
  });
});
