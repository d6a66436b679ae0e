// Who may do what in the local S3: header signatures, pre-signed URLs, session policies.
// The one pre-signed PUT of the training side is bound to its digest only by signed headers; that is tested from both sides.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createS3Cloud, type S3Cloud } from '../../../../local/cloud/s3/s3.ts';
import { REGION, startAccount, type TestAccount, type TestCredentials } from '../sts/account.ts';

const BUCKET = 'models-bucket';
const KEY = 'models/abc/model.tar.gz';
let account: TestAccount;
let cloud: S3Cloud;
let server: CloudServer;

beforeEach(async () => {
  account = await startAccount();
  cloud = await createS3Cloud({ dataDir: join(account.folder, 's3'), authority: account.authority, buckets: [BUCKET] });
  server = await serve((request) => cloud.fetch(request));
});
afterEach(async () => {
  await server.close();
  await account.close();
});

function client(credentials: TestCredentials = account.credentials(), region = REGION): S3Client {
  return new S3Client({ region, endpoint: server.url, forcePathStyle: true, credentials, maxAttempts: 1 });
}

const head = (credentials?: TestCredentials, region?: string) =>
  client(credentials, region).send(new GetObjectCommand({ Bucket: BUCKET, Key: KEY }));
const sha = (data: string) => createHash('sha256').update(data);

describe('header signatures', () => {
  it.each([
    ['another secret', { secretAccessKey: 'guess' }, 'SignatureDoesNotMatch'],
    ['a token of nobody', { sessionToken: 'x.y' }, 'InvalidToken'],
    ['an unknown key', { accessKeyId: 'AKIAEXAMPLE' }, 'InvalidAccessKeyId'],
  ])('with %s are refused', async (_, change, name) => {
    await expect(head({ ...account.credentials(), ...change })).rejects.toMatchObject({ name });
  });

  it('with credentials that have expired are refused', async () => {
    const credentials = account.credentials('promoter', undefined, 900);
    account.clock.advance(901_000);

    await expect(head(credentials)).rejects.toMatchObject({ name: 'ExpiredToken' });
  });

  it('of a client whose clock is wrong are refused, with the time by which it corrects itself', async () => {
    account.clock.advance(86_400_000);
    const s3 = client();

    const first = await s3.send(new ListBucketsCommand({})).catch((error: unknown) => error);

    expect(first).toMatchObject({ name: 'RequestTimeTooSkewed' });
    await expect(s3.send(new ListBucketsCommand({}))).resolves.toBeDefined();
  });

  it('for another region are refused with the region that is expected', async () => {
    await expect(head(undefined, 'us-west-2')).rejects.toMatchObject({
      name: 'AuthorizationHeaderMalformed',
      message: expect.stringContaining(REGION) as string,
    });
  });

  it('are needed', async () => {
    const answer = await fetch(`${server.url}/${BUCKET}/${KEY}`);

    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('<Code>AccessDenied</Code>')]);
  });
});

describe('a pre-signed PUT', () => {
  const CONTENT = 'the archive';
  const bound = {
    'x-amz-checksum-sha256': sha(CONTENT).digest('base64'),
    'x-amz-meta-sha256': sha(CONTENT).digest('hex'),
    'content-length': String(CONTENT.length),
  };

  async function presign(options: { expiresIn?: number; hoisted?: boolean } = {}): Promise<string> {
    const command = new PutObjectCommand({
      Bucket: BUCKET,
      Key: KEY,
      ChecksumSHA256: bound['x-amz-checksum-sha256'],
      ContentLength: CONTENT.length,
      Metadata: { sha256: bound['x-amz-meta-sha256'] },
    });
    const names = new Set(Object.keys(bound));
    return getSignedUrl(client(), command, {
      expiresIn: options.expiresIn ?? 900,
      signableHeaders: new Set(['host', ...names]),
      ...(options.hoisted === true ? {} : { unhoistableHeaders: names }),
    });
  }
  async function send(url: string, headers: Record<string, string> = bound, body = CONTENT) {
    const { 'content-length': _, ...sent } = headers; // set by fetch itself
    const answer = await fetch(url, { method: 'PUT', headers: sent, body });
    const text = await answer.text();
    return {
      status: answer.status,
      code: /<Code>(.*?)<\/Code>/.exec(text)?.[1],
      message: /<Message>(.*?)<\/Message>/.exec(text)?.[1],
      text,
    };
  }

  it('with the signed headers stores the object, with its digest', async () => {
    expect(await send(await presign())).toMatchObject({ status: 200 });

    const stored = await client().send(new HeadObjectCommand({ Bucket: BUCKET, Key: KEY, ChecksumMode: 'ENABLED' }));
    expect(stored).toMatchObject({
      ChecksumSHA256: bound['x-amz-checksum-sha256'],
      ContentLength: CONTENT.length,
      Metadata: { sha256: bound['x-amz-meta-sha256'] },
    });
  });

  it('takes no other content, whether its checksum is told or not', async () => {
    const other = 'THE ARCHIVE';

    expect(await send(await presign(), bound, other)).toMatchObject({ status: 400, code: 'BadDigest' });
    const lie = { ...bound, 'x-amz-checksum-sha256': sha(other).digest('base64') };
    expect(await send(await presign(), lie, other)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
    expect(await send(await presign(), bound, 'longer content')).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
  });

  it.each(['x-amz-checksum-sha256', 'x-amz-meta-sha256'])('is refused without the signed header %s', async (name) => {
    const headers = Object.fromEntries(Object.entries(bound).filter(([key]) => key !== name));

    expect(await send(await presign(), headers)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
  });

  it('is refused with an x-amz header that was not signed', async () => {
    const answer = await send(await presign(), { ...bound, 'x-amz-meta-extra': '1' });

    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(answer.text).toContain('<HeadersNotSigned>x-amz-meta-extra</HeadersNotSigned>');
  });

  it('is refused after its time', async () => {
    const url = await presign({ expiresIn: 900 });
    account.clock.advance(600_000);
    expect(await send(url)).toMatchObject({ status: 200 });
    account.clock.advance(301_000);

    expect(await send(url)).toMatchObject({ status: 403, code: 'AccessDenied', message: 'Request has expired' });
  });

  it('is refused with another key, method, time limit or signature', async () => {
    const url = await presign();
    const changed = [
      url.replace('/abc/', '/abd/'),
      url.replace('X-Amz-Expires=900', 'X-Amz-Expires=9000'),
      url.replace(/X-Amz-Signature=[0-9a-f]{4}/, 'X-Amz-Signature=0000'),
    ];

    for (const other of changed) expect(await send(other)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
    expect((await fetch(url)).status).toBe(403);
    expect(await send(url.replace('X-Amz-Expires=900', 'X-Amz-Expires=9000000'))).toMatchObject({ status: 400 });
  });

  it('whose metadata went into the query is refused in words that say what to do', async () => {
    expect(await send(await presign({ hoisted: true }), {})).toMatchObject({
      status: 400,
      message: expect.stringMatching(/Sign it as a header \(unhoistableHeaders\)/) as string,
    });
  });

  it('cannot be used once the session behind it has expired', async () => {
    const credentials = account.credentials('promoter', undefined, 900);
    const url = await getSignedUrl(client(credentials), new GetObjectCommand({ Bucket: BUCKET, Key: KEY }), { expiresIn: 3_600 });
    account.clock.advance(901_000);

    const answer = await fetch(url);

    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('<Code>ExpiredToken</Code>')]);
  });
});

describe('a session policy', () => {
  const only = (Action: string | string[], Resource = `arn:aws:s3:::${BUCKET}/models/*`) =>
    client(account.credentials('promoter', { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] }));

  it('holds the session to its action and prefix', async () => {
    const writer = only('s3:PutObject');

    await writer.send(new PutObjectCommand({ Bucket: BUCKET, Key: KEY, Body: 'x' }));

    const denied = {
      name: 'AccessDenied',
      message: expect.stringMatching(/assumed-role\/promoter\/test-session is not authorized/) as string,
    };
    await expect(writer.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'other/x', Body: 'x' }))).rejects.toMatchObject(denied);
    await expect(writer.send(new GetObjectCommand({ Bucket: BUCKET, Key: KEY }))).rejects.toMatchObject(denied);
    await expect(writer.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: KEY }))).rejects.toMatchObject(denied);
  });

  it('without s3:ListBucket does not learn that an object is absent', async () => {
    const missing = new HeadObjectCommand({ Bucket: BUCKET, Key: 'models/none' });

    await expect(only('s3:GetObject').send(missing)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    await expect(only(['s3:GetObject', 's3:ListBucket'], '*').send(missing)).rejects.toMatchObject({ name: 'NotFound' });
  });

  it('narrows a URL that was pre-signed under it', async () => {
    const url = await getSignedUrl(only('s3:PutObject'), new PutObjectCommand({ Bucket: BUCKET, Key: 'other/x' }));

    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403);
  });
});
