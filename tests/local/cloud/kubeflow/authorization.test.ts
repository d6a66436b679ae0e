// Multi-user mode: tokens with the right audience, roles per namespace, and no run without a namespace.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowCloud, type KubeflowCloud } from '../../../../local/cloud/kubeflow/kubeflow-cloud.ts';
import { createClient, type Client } from './client.ts';
import { single, yaml } from './sample-pipeline.ts';

const ISSUER = 'https://cluster.example/';
const USER = 'system:serviceaccount:mlops:sluice';

let keys: { privateKey: CryptoKey; publicKey: CryptoKey };
let other: { privateKey: CryptoKey };
let cloud: KubeflowCloud;
let server: CloudServer;

beforeAll(async () => {
  keys = await generateKeyPair('RS256');
  other = await generateKeyPair('RS256');
});

beforeEach(async () => {
  cloud = createKubeflowCloud({
    dataDir: mkdtempSync(join(tmpdir(), 'kubeflow-')),
    images: { 'registry.local/step': { programs: { node: process.execPath } } },
    auth: {
      mode: 'multi-user',
      issuers: [{ issuer: ISSUER, jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), alg: 'RS256' }] } }],
      tokens: [
        { token: 'opaque-reader', user: 'reader', audiences: ['pipelines.kubeflow.org'] },
        { token: 'opaque-elsewhere', user: USER, audiences: ['kubernetes'] },
      ],
      grants: [
        { user: USER, namespace: 'mlops' },
        { user: 'reader', namespace: 'mlops', verbs: ['get', 'list'] },
      ],
    },
  });
  server = await serve((request) => cloud.fetch(request));
});
afterEach(async () => {
  await server.close();
  await cloud.close();
});

async function token(change: { audience?: string; issuer?: string; key?: CryptoKey; expires?: string } = {}): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(change.issuer ?? ISSUER)
    .setAudience(change.audience ?? 'pipelines.kubeflow.org')
    .setSubject(USER)
    .setIssuedAt()
    .setExpirationTime(change.expires ?? '10m')
    .sign(change.key ?? keys.privateKey);
}

const as = (bearer: string): Client => createClient(server.url, { authorization: `Bearer ${bearer}` });

test('a run needs an experiment in a namespace, and then works', async () => {
  const client = as(await token());
  const pipeline = await client.upload('p', yaml(single('0')), '&namespace=mlops');
  const reference = { pipeline_id: pipeline.body['pipeline_id'] };

  expect((await client.call('POST', '/experiments', { display_name: 'e' })).status).toBe(400);
  expect((await client.call('GET', '/runs')).status).toBe(400);
  expect((await client.call('POST', '/runs', { display_name: 'r', pipeline_version_reference: reference })).status).toBe(400);
  const experiment = await client.call('POST', '/experiments', { display_name: 'e', namespace: 'mlops' });
  const run = await client.call('POST', '/runs', {
    display_name: 'r',
    experiment_id: experiment.body['experiment_id'],
    pipeline_version_reference: reference,
  });

  expect(await client.until(run.body.run_id ?? '', 'SUCCEEDED', 'FAILED')).toMatchObject({
    state: 'SUCCEEDED',
    service_account: 'default-editor',
  });
  expect((await client.call('GET', '/runs?namespace=mlops')).body['total_size']).toBe(1);
  expect((await client.call('GET', '/pipelines/names/p?namespace=mlops')).status).toBe(200);
  expect((await client.call('GET', '/pipelines/names/p')).status).toBe(404);
});

describe('a caller is not recognised (401)', () => {
  test.each([
    ['without a token', async () => ''],
    ['with a token for another audience', () => token({ audience: 'kubernetes' })],
    ['with a token of another issuer', () => token({ issuer: 'https://else.example/' })],
    ['with a token that another key signed', () => token({ key: other.privateKey })],
    ['with a token that has expired', () => token({ expires: '1 minute ago' })],
    ['with an opaque token for another audience', async () => 'opaque-elsewhere'],
    ['with a token nobody knows', async () => 'guess'],
  ])('%s', async (_, make) => {
    expect(await as(await make()).call('GET', '/runs?namespace=mlops')).toMatchObject({ status: 401, body: { code: 16 } });
  });

  test('by the header that only Istio may set', async () => {
    const client = createClient(server.url, { 'kubeflow-userid': USER });

    expect((await client.call('GET', '/runs?namespace=mlops')).status).toBe(401);
  });
});

describe('a caller has no right (403)', () => {
  test('in another namespace', async () => {
    expect(await as(await token()).call('GET', '/runs?namespace=elsewhere')).toMatchObject({ status: 403, body: { code: 7 } });
  });

  test('to create where it may only read', async () => {
    const reader = as('opaque-reader');

    expect((await reader.call('GET', '/experiments?namespace=mlops')).status).toBe(200);
    expect((await reader.call('POST', '/experiments', { display_name: 'e', namespace: 'mlops' })).status).toBe(403);
  });

  test('to upload, which the upload route answers with 400', async () => {
    const answer = await as('opaque-reader').upload('p', yaml(single('0')), '&namespace=mlops');

    expect(answer.status).toBe(400);
    expect(answer.body['error_message']).toMatch(/not authorized/);
  });

  test('over pipelines that all share', async () => {
    const client = as(await token());

    expect((await client.call('GET', '/pipelines')).status).toBe(200);
    expect((await client.upload('shared', yaml(single('0')))).status).toBe(400);
  });
});

test('health is told to everybody', async () => {
  const answer = await fetch(`${server.url}/apis/v2beta1/healthz`);

  expect(await answer.json()).toMatchObject({ multi_user: true, tag_name: '2.17.0' });
});
