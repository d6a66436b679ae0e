// The bucket: one pre-signed PUT of exactly one content, and what the service says about an object.
import { createHash } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArtifactStore } from '../../../../shared/adapters/sagemaker/artifacts.ts';
import type { AwsClients } from '../../../../shared/clients/aws.ts';
import type { ArtifactStore } from '../../../../shared/ports/serving-platform.ts';
import { BUCKET, type LocalAws, REGION, startLocalAws } from '../../clients/local-aws.ts';
import { awsClients } from './local-sagemaker.ts';

let aws: LocalAws;
let clients: AwsClients;
let store: ArtifactStore;
beforeAll(async () => {
  aws = await startLocalAws();
  clients = awsClients(aws);
  store = createArtifactStore(clients, () => aws.clock.now());
});
afterAll(() => aws.close());

const sha256Of = (content: string) => createHash('sha256').update(content).digest('hex');
let keys = 0;
/** A fresh key and a signed upload of `content` to it. */
async function signed(content: string, expiresSeconds = 900) {
  keys += 1;
  const place = { region: REGION, bucket: BUCKET, key: `models/${sha256Of(`${keys}`)}/model.tar.gz` };
  const request = { ...place, sha256: sha256Of(content), bytes: Buffer.byteLength(content), expiresSeconds };
  return { place, request, ...(await store.presignPut(request)) };
}
const put = async (url: string, headers: Record<string, string>, body: string) => {
  const response = await fetch(url, { method: 'PUT', headers, body });
  return { status: response.status, text: await response.text() };
};

describe('a pre-signed upload', () => {
  it('creates the object, whose digest and size the service then knows', async () => {
    const { place, request, url, headers } = await signed('the archive');

    expect(await store.head(place)).toBeNull();
    expect(await put(url, headers, 'the archive')).toMatchObject({ status: 200 });
    expect(await store.head(place)).toEqual({ sha256: request.sha256, bytes: request.bytes });
  });

  it('signs every header that matters, and hides none of them in the query', async () => {
    const { url, headers } = await signed('the archive');
    const query = new URL(url).searchParams;

    expect(query.get('X-Amz-SignedHeaders')?.split(';').sort()).toEqual(['host', ...Object.keys(headers)].sort());
    expect(Object.keys(headers).sort()).toEqual([
      'content-length',
      'content-type',
      'if-none-match',
      'x-amz-checksum-sha256',
      'x-amz-meta-sha256',
    ]);
    expect(query.get('X-Amz-Expires')).toBe('900');
    for (const name of query.keys()) expect(name).not.toMatch(/checksum|meta|sdk-|crc/i);
  });

  it('works once: what is there is never overwritten', async () => {
    const { place, request, url, headers } = await signed('the archive');
    await put(url, headers, 'the archive');

    expect(await put(url, headers, 'the archive')).toMatchObject({ status: 412 });
    expect(await store.head(place)).toMatchObject({ sha256: request.sha256 });
  });

  it.each([
    ['another content of the same length', {}, 'the ARCHIVE', 400],
    ['another checksum', { 'x-amz-checksum-sha256': Buffer.from(sha256Of('the ARCHIVE'), 'hex').toString('base64') }, 'the ARCHIVE', 403],
    ['another type', { 'content-type': 'text/html' }, 'the archive', 403],
    ['a longer content', {}, 'the archive and more', 403],
    ['other metadata', { 'x-amz-meta-sha256': 'f'.repeat(64) }, 'the archive', 403],
    ['permission to overwrite', { 'if-none-match': '' }, 'the archive', 403],
  ])('refuses %s', async (_name, change, body, status) => {
    const { place, url, headers } = await signed('the archive');
    const sent: Record<string, string> = { ...headers, ...change, 'content-length': String(Buffer.byteLength(body)) };

    expect(await put(url, sent, body)).toMatchObject({ status });
    expect(await store.head(place)).toBeNull();
  });

  it('dies when it says so, and not before', async () => {
    const { url, headers } = await signed('the archive', 900);
    aws.clock.advance(890_000);
    const other = await signed('the other archive', 900);
    aws.clock.advance(20_000);

    expect(await put(url, headers, 'the archive')).toMatchObject({ status: 403, text: expect.stringContaining('expired') as string });
    expect(await put(other.url, other.headers, 'the other archive')).toMatchObject({ status: 200 });
    aws.clock.set(Date.now());
  });

  it('is signed by credentials that outlive it, even when the shared ones are old', async () => {
    aws.clock.advance(30 * 60_000);
    const { url, headers } = await signed('the archive', 3_500);
    aws.clock.advance(3_400_000);

    expect(await put(url, headers, 'the archive')).toMatchObject({ status: 200 });
    aws.clock.set(Date.now());
  });
});

describe('looking at an object', () => {
  it('believes only a digest of the whole object', async () => {
    const client = await clients.s3(REGION);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'models/plain', Body: 'x', Metadata: { sha256: sha256Of('x') } }));

    expect(await store.head({ region: REGION, bucket: BUCKET, key: 'models/plain' })).toEqual({ sha256: null, bytes: 1 });
  });

  it('cannot tell a missing bucket from a missing object: HEAD has no body', async () => {
    await expect(store.head({ region: REGION, bucket: 'no-such-bucket', key: 'models/x' })).resolves.toBeNull();
  });

  it('takes a storm for what it is', async () => {
    aws.s3.faults.add({ match: { method: 'HEAD' }, action: 'status', status: 503, times: 3 });

    await expect(store.head({ region: REGION, bucket: BUCKET, key: 'models/x' })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'platform-failing',
    });
    await expect(store.head({ region: REGION, bucket: BUCKET, key: 'models/x' })).resolves.toBeNull();
  });

  it('survives a connection that is cut', async () => {
    aws.s3.faults.add({ match: { method: 'HEAD' }, action: 'reset-before', times: 3 });

    await expect(store.head({ region: REGION, bucket: BUCKET, key: 'models/x' })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'platform-unreachable',
    });
  });
});
