// The local S3, asked by the real AWS SDK: objects, conditions, checksums, streams, multipart, lists.
// Each rule is one that other stand-ins get wrong (facts/sagemaker.md §1.1, §4).
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createS3Cloud, type S3Cloud } from '../../../../local/cloud/s3/s3.ts';
import { ACCOUNT_ID, REGION, startAccount, type TestAccount } from '../sts/account.ts';

const BUCKET = 'models-bucket';
let account: TestAccount;
let cloud: S3Cloud;
let server: CloudServer;
let s3: S3Client;

beforeEach(async () => {
  account = await startAccount();
  cloud = await createS3Cloud({ dataDir: join(account.folder, 's3'), authority: account.authority, buckets: [BUCKET] });
  server = await serve((request) => cloud.fetch(request));
  s3 = client();
});
afterEach(async () => {
  s3.destroy();
  await server.close();
  await cloud.close();
  await account.close();
});

function client(config: S3ClientConfig = {}): S3Client {
  return new S3Client({ region: REGION, endpoint: server.url, forcePathStyle: true, credentials: account.credentials(), ...config });
}

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('base64');
const put = (Key: string, Body: string | Uint8Array | Readable = 'content', more: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));
const text = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }))).Body?.transformToString();
const bytes = (size: number, seed = 1) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) % 256));

describe('objects', () => {
  it('come back as they were put, with metadata, type and the SDK’s own checksum verified', async () => {
    const body = bytes(100_000);
    await put('models/abc/model.tar.gz', body, { ContentType: 'application/gzip', Metadata: { sha256: 'abc' } });

    const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'models/abc/model.tar.gz', ChecksumMode: 'ENABLED' }));

    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
    expect(answer).toMatchObject({ ContentType: 'application/gzip', ContentLength: 100_000, Metadata: { sha256: 'abc' } });
    expect(answer.ETag).toBe(`"${createHash('md5').update(body).digest('hex')}"`);
    expect(answer.ChecksumCRC32).toMatch(/==$/);
  });

  it('tell their SHA-256 in a HEAD with checksum mode, and only then', async () => {
    await put('a', 'content', { ChecksumSHA256: sha256('content') });

    const plain = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'a' }));
    const withMode = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'a', ChecksumMode: 'ENABLED' }));

    expect(plain.ChecksumSHA256).toBeUndefined();
    expect(withMode).toMatchObject({ ChecksumSHA256: sha256('content'), ChecksumType: 'FULL_OBJECT', ContentLength: 7 });
  });

  it.each(['CRC32', 'CRC32C', 'SHA1', 'SHA256'] as const)(
    'sent as a stream arrive without the aws-chunked frame (%s trailer)',
    async (ChecksumAlgorithm) => {
      const body = bytes(300_000, 7);
      const stream = Readable.from([body.subarray(0, 70_001), body.subarray(70_001)]);

      await put('streamed', stream, { ContentLength: body.length, ChecksumAlgorithm });

      const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'streamed', ChecksumMode: 'ENABLED' }));
      expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
      expect(answer[`Checksum${ChecksumAlgorithm}`]).toBeDefined();
      expect(answer.ContentEncoding ?? '').not.toContain('aws-chunked');
    },
  );

  it('with a wrong checksum are refused and not stored', async () => {
    await expect(put('bad', 'content', { ChecksumSHA256: sha256('other') })).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(put('bad', 'content', { ContentMD5: createHash('md5').update('other').digest('base64') })).rejects.toMatchObject({
      name: 'BadDigest',
    });
    await expect(put('bad', 'content', { ChecksumSHA256: 'AAAA' })).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(text('bad')).rejects.toMatchObject({ name: 'NoSuchKey' });
    expect(readdirSync(join(account.folder, 's3/incoming'))).toEqual([]);
  });

  it('that are missing are NotFound for HEAD, NoSuchKey for GET, and nothing for DELETE', async () => {
    await expect(s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'x' }))).rejects.toMatchObject({ name: 'NotFound' });
    await expect(text('x')).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'x' }))).resolves.toBeDefined();
    await expect(s3.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'x' }))).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });

  it.each(['../../escape', '..', 'a/../../b', '/absolute', 'a//b', 'with space+plus%25', 'ünïcödé/模型', '.', 'a\\..\\b', "quote'(*)!"])(
    'may have the key %j, which stays inside the data folder',
    async (key) => {
      const before = readdirSync(account.folder).sort();

      await put(key, `content of ${key}`);

      expect(await text(key)).toBe(`content of ${key}`);
      expect(readdirSync(account.folder).sort()).toEqual(before);
      const listed = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
      expect(listed.Contents?.map(({ Key }) => Key)).toEqual([key]);
    },
  );

  it('are read in ranges', async () => {
    await put('r', '0123456789');
    const range = async (Range: string) => {
      const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'r', Range }));
      return [await answer.Body?.transformToString(), answer.ContentRange];
    };

    expect(await range('bytes=2-4')).toEqual(['234', 'bytes 2-4/10']);
    expect(await range('bytes=-3')).toEqual(['789', 'bytes 7-9/10']);
    await expect(range('bytes=10-')).rejects.toMatchObject({ name: 'InvalidRange' });
  });

  it('survive a restart; content of a write that was not committed does not', async () => {
    await put('kept', 'kept content');
    await put('kept', 'newer content');
    const again = await createS3Cloud({ dataDir: join(account.folder, 's3'), authority: account.authority });

    const stream = await again.read(BUCKET, 'kept');

    expect(await new Response(stream).text()).toBe('newer content');
    expect(readdirSync(join(account.folder, 's3/buckets', BUCKET)).filter((name) => name.endsWith('.data'))).toHaveLength(1);
  });
});

describe('conditional writes', () => {
  it('refuse to overwrite with If-None-Match: *', async () => {
    await put('once', 'first', { IfNoneMatch: '*' });

    await expect(put('once', 'second', { IfNoneMatch: '*' })).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    });
    expect(await text('once')).toBe('first');
  });

  it('let exactly one of many writers win', async () => {
    const results = await Promise.allSettled(Array.from({ length: 6 }, (_, i) => put('race', `writer ${i}`, { IfNoneMatch: '*' })));

    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('conflict when the object is deleted while the write is under way', async () => {
    await put('busy', 'old');
    let release: () => void = () => undefined;
    const deleted = new Promise<void>((resolve) => (release = resolve));
    async function* slowly() {
      yield Buffer.alloc(70_000);
      await deleted;
      yield Buffer.alloc(10);
    }
    const single = client({ maxAttempts: 1 });
    const command = new PutObjectCommand({
      Bucket: BUCKET,
      Key: 'busy',
      Body: Readable.from(slowly()),
      ContentLength: 70_010,
      IfNoneMatch: '*',
    });
    const writing = single.send(command).catch((error: unknown) => error);
    // Once the content has a file, the server has begun the write.
    while (readdirSync(join(account.folder, 's3/incoming')).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'busy' }));
    release();

    expect(await writing).toMatchObject({ name: 'ConditionalRequestConflict', $metadata: { httpStatusCode: 409 } });
  });

  it('overwrite only the version that If-Match names', async () => {
    const { ETag } = await put('versioned', 'one');
    await put('versioned', 'two', { IfMatch: ETag });

    await expect(put('versioned', 'three', { IfMatch: ETag })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await expect(put('absent', 'x', { IfMatch: ETag })).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('are seen as done when the answer was lost: the retry of the SDK meets its own object', async () => {
    cloud.faults.add({ match: { operation: 'PutObject' }, action: 'reset-after' });

    const outcome = await put('lost', 'mine', { IfNoneMatch: '*' }).catch((error: unknown) => error);

    expect(outcome).toMatchObject({ name: 'PreconditionFailed', $metadata: { attempts: 2 } });
    expect(await text('lost')).toBe('mine');
  });
});

describe('multipart', () => {
  const MIB = 1_024 * 1_024;
  async function upload(Key: string, sizes: readonly number[], more: object = {}) {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key, ChecksumAlgorithm: 'SHA256', ...more }));
    const contents = sizes.map((size, index) => bytes(size, index));
    const Parts = [];
    for (const [index, Body] of contents.entries()) {
      const command = new UploadPartCommand({ Bucket: BUCKET, Key, UploadId, PartNumber: index + 1, Body, ChecksumAlgorithm: 'SHA256' });
      const { ETag, ChecksumSHA256 } = await s3.send(command);
      Parts.push({ PartNumber: index + 1, ETag, ChecksumSHA256 });
    }
    return { UploadId, Parts, contents };
  }
  const complete = (Key: string, UploadId: string | undefined, Parts: object[], more: object = {}) =>
    s3.send(new CompleteMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId, MultipartUpload: { Parts }, ...more }));

  it('joins its parts; the checksum is composite and so is not the file’s SHA-256', async () => {
    const { UploadId, Parts, contents } = await upload('big', [5 * MIB, 1_000], { Metadata: { sha256: 'x' } });

    const done = await complete('big', UploadId, Parts);

    const head = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'big', ChecksumMode: 'ENABLED' }));
    const digests = contents.map((part) => createHash('sha256').update(part).digest());
    expect(head.ChecksumSHA256).toBe(`${sha256(Buffer.concat(digests))}-2`);
    expect(head).toMatchObject({ ChecksumType: 'COMPOSITE', ContentLength: 5 * MIB + 1_000, Metadata: { sha256: 'x' }, ETag: done.ETag });
    const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'big' }));
    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(Buffer.concat(contents))).toBe(true);
  });

  it('refuses parts that are too small, out of order, unknown or changed', async () => {
    const { UploadId, Parts } = await upload('small', [100, 100]);
    const [first, second] = Parts as [object, object];

    await expect(complete('small', UploadId, Parts)).rejects.toMatchObject({ name: 'EntityTooSmall' });
    await expect(complete('small', UploadId, [second, first])).rejects.toMatchObject({ name: 'InvalidPartOrder' });
    await expect(complete('small', UploadId, [{ ...first, PartNumber: 9 }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await expect(complete('small', UploadId, [{ ...first, ChecksumSHA256: sha256('z') }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await expect(complete('other-key', UploadId, [first])).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });

  it('honours If-None-Match on completion', async () => {
    await put('taken', 'there already');
    const { UploadId, Parts } = await upload('taken', [100]);

    await expect(complete('taken', UploadId, Parts, { IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    expect(await text('taken')).toBe('there already');
  });

  it('lists its parts and is gone after an abort', async () => {
    const { UploadId } = await upload('gone', [100, 200]);
    const parts = () => s3.send(new ListPartsCommand({ Bucket: BUCKET, Key: 'gone', UploadId }));
    expect((await parts()).Parts?.map(({ Size }) => Size)).toEqual([100, 200]);

    await s3.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key: 'gone', UploadId }));

    await expect(parts()).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });
});

describe('buckets and lists', () => {
  it('are created once and found', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'second' }));

    await expect(s3.send(new CreateBucketCommand({ Bucket: 'second' }))).rejects.toMatchObject({ name: 'BucketAlreadyOwnedByYou' });
    await expect(s3.send(new HeadBucketCommand({ Bucket: 'third' }))).rejects.toMatchObject({ name: 'NotFound' });
    expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).toEqual([BUCKET, 'second']);
  });

  it('page through keys in byte order, folded at the delimiter', async () => {
    for (const key of ['b/2', 'a', 'b/1', 'c/d/e', 'Z', 'ä']) await put(key);
    const page = async (more: object) => s3.send(new ListObjectsV2Command({ Bucket: BUCKET, ...more }));

    const first = await page({ MaxKeys: 2, Delimiter: '/' });
    const second = await page({ MaxKeys: 10, Delimiter: '/', ContinuationToken: first.NextContinuationToken });

    expect(first.Contents?.map(({ Key }) => Key)).toEqual(['Z', 'a']);
    expect(first.IsTruncated).toBe(true);
    expect([second.CommonPrefixes?.map(({ Prefix }) => Prefix), second.Contents?.map(({ Key }) => Key)]).toEqual([['b/', 'c/'], ['ä']]);
    expect((await page({ Prefix: 'b/' })).KeyCount).toBe(2);
  });

  it('works with the bucket in the host name', async () => {
    const { port } = new URL(server.url);
    const virtual = client({ endpoint: `http://localhost:${port}`, forcePathStyle: false });
    const resolved: string[] = [];
    virtual.middlewareStack.add(
      (next) => async (args) => {
        const request = args.request as { hostname: string };
        resolved.push(request.hostname);
        return next({ ...args, request: Object.assign(request, { hostname: '127.0.0.1' }) });
      },
      { step: 'deserialize', priority: 'low' },
    );

    await virtual.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'via/host', Body: 'x' }));

    expect(resolved).toEqual([`${BUCKET}.localhost`]);
    expect(await text('via/host')).toBe('x');
  });
});

describe('what is outside the subset', () => {
  it('is refused by name and never ignored', async () => {
    await expect(put('acl', 'x', { ACL: 'public-read' })).rejects.toMatchObject({
      name: 'NotImplemented',
      message: expect.stringContaining('x-amz-acl') as string,
    });
    await expect(put('c', 'x', { ChecksumAlgorithm: 'CRC64NVME' })).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(put('owner', 'x', { ExpectedBucketOwner: '999999999999' })).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(put('owner', 'x', { ExpectedBucketOwner: ACCOUNT_ID })).resolves.toBeDefined();
  });
});
