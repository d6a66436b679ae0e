// Commits as a trigger reads them: one file, whoever wrote it, and whatever is wrong with it; and small files with their digests.
import { BlobServiceClient } from '@azure/storage-blob';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { createLake } from '../../../../shared/adapters/lake/lake.ts';

const service = BlobServiceClient.fromConnectionString(inject('storage'));
const container = `lake-${randomUUID()}`;
const lake = createLake(service, { container });
const GOLDEN = '../shared/data/delta-golden';
const log = (version: number): string => `_delta_log/${String(version).padStart(20, '0')}.json`;
const lines = (...actions: unknown[]): string => actions.map((action) => JSON.stringify(action)).join('\n');
const add = (dataChange: boolean) => ({ add: { path: 'p.parquet', partitionValues: {}, size: 1, modificationTime: 1, dataChange } });

async function put(path: string, content: string | Buffer): Promise<string> {
  const answer = await service.getContainerClient(container).getBlockBlobClient(path).upload(content, Buffer.byteLength(content));
  return answer.etag!.replaceAll('"', '');
}

beforeAll(async () => {
  await service.createContainer(container);
});

describe('a commit', () => {
  it('of ours says who made it and by what chain', async () => {
    const path = `silver/p/t/${log(12)}`;
    const info = { commitInfo: { operation: 'WRITE', sluice: { chain: ['p@refine-1'], runId: 'refine-1' } } };
    const eTag = await put(path, lines(info, add(true), { txn: { appId: 'sluice-abc', version: 1 } }));

    expect(await lake.readCommit(container, path, eTag)).toEqual({
      version: 12,
      operation: 'WRITE',
      appIds: ['sluice-abc'],
      chain: ['p@refine-1'],
      runId: 'refine-1',
      changesData: true,
    });
  });

  it('of a compaction changes no data', async () => {
    const path = `silver/p/t/${log(13)}`;
    const eTag = await put(path, lines({ commitInfo: { operation: 'OPTIMIZE' } }, add(false)));

    expect(await lake.readCommit(container, path, eTag)).toMatchObject({
      operation: 'OPTIMIZE',
      appIds: [],
      changesData: false,
      runId: null,
    });
  });

  it.each([
    ['nothing in it', '', /empty/],
    ['half a line', `${lines(add(true))}\n{"add":{"path":`, /not JSON/],
    ['something that is no commit', '[1,2]', /commit|object/],
  ])('with %s is not taken for one', async (_name, content, words) => {
    const path = `silver/p/odd/${log(0)}`;
    const eTag = await put(path, content);

    await expect(lake.readCommit(container, path, eTag)).rejects.toMatchObject({
      code: 'commit-unreadable',
      message: expect.stringMatching(words) as string,
    });
  });

  it('that was replaced or removed is told apart from one that cannot be read', async () => {
    const path = `silver/p/t/${log(20)}`;
    const eTag = await put(path, lines(add(true)));
    await put(path, lines(add(true), add(true)));

    await expect(lake.readCommit(container, path, eTag)).rejects.toMatchObject({ code: 'blob-changed' });
    await expect(lake.readCommit(container, `silver/p/t/${log(21)}`, eTag)).rejects.toMatchObject({ code: 'blob-gone' });
    await expect(lake.readCommit('elsewhere', path, eTag)).rejects.toMatchObject({ code: 'container-foreign' });
    await expect(lake.readCommit(container, 'silver/p/t/_delta_log/1.json', eTag)).rejects.toMatchObject({ code: 'commit-unreadable' });
  });

  const present = existsSync(GOLDEN);
  it.skipIf(!present)(`of every golden table is read as what Spark and delta-rs wrote${present ? '' : ' (real data absent)'}`, async () => {
    let read = 0;
    const broken: string[] = [];
    for (const table of readdirSync(GOLDEN, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      const folder = join(GOLDEN, table.name, '_delta_log');
      const [first] = existsSync(folder)
        ? readdirSync(folder)
            .filter((name) => /^[0-9]{20}\.json$/.test(name))
            .sort()
        : [];
      if (first === undefined) continue;
      const path = `golden/${table.name}/_delta_log/${first}`;
      const eTag = await put(path, readFileSync(join(folder, first)));

      const facts = await lake.readCommit(container, path, eTag).catch((error: unknown) => error as Error);
      if (facts instanceof Error) {
        broken.push(table.name);
        continue;
      }
      expect([table.name, facts.chain, facts.runId, facts.version]).toEqual([table.name, [], null, Number(first.slice(0, 20))]);
      expect(facts.appIds.filter((appId) => appId.startsWith('sluice-'))).toEqual([]);
      read += 1;
    }
    expect(read).toBeGreaterThan(20);
    // Their metaData has no schema.
    expect(broken).toEqual(['canonicalized-paths-special-a', 'versions-not-contiguous']);
  });
});

describe('a small file', () => {
  it('comes with its digest, at the version that was asked for', async () => {
    const eTag = await put('bronze/m.json', '["a.csv"]');

    const { content, sha256 } = await lake.readSmall(container, 'bronze/m.json', eTag, 100);

    expect(Buffer.from(content).toString()).toBe('["a.csv"]');
    expect(sha256).toBe(createHash('sha256').update('["a.csv"]').digest('hex'));
    await put('bronze/m.json', '["b.csv"]');
    await expect(lake.readSmall(container, 'bronze/m.json', eTag, 100)).rejects.toMatchObject({ code: 'blob-changed' });
  });

  it('that is larger than allowed is not read to its end', async () => {
    const eTag = await put('bronze/big.json', Buffer.alloc(3_000_000, 'x'));

    await expect(lake.readSmall(container, 'bronze/big.json', eTag, 1000)).rejects.toMatchObject({ code: 'file-too-large' });
  });
});
