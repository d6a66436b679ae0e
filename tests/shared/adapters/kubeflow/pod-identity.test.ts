// The training side sends a model to S3 with its pod's own identity, through the real protocols: PodDefault, projected token, STS, SigV4.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createS3Cloud, type S3Cloud } from '../../../../local/cloud/s3/s3.ts';
import { createAuthority } from '../../../../local/cloud/sts/authority.ts';
import { createStsCloud } from '../../../../local/cloud/sts/sts.ts';
import { awsPodDefault } from '../../../../shared/adapters/kubeflow/platform.ts';
import { JobSpec } from '../../../../shared/contracts/training.ts';
import { openSite, openStore, type SiteRig, TRANSFER_IMAGE } from './site-rig.ts';

const AUDIENCE = 'sts.amazonaws.com';
const REGION = 'eu-central-1';
const ARCHIVE = 'the archive of a model';
const SHA = createHash('sha256').update(ARCHIVE).digest('hex');
const arn = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
const folder = mkdtempSync(join(tmpdir(), 'sluice-pod-identity-'));
const servers: CloudServer[] = [];
let site: SiteRig;
let s3: S3Cloud;
let store: Awaited<ReturnType<typeof openStore>>;
const aws = { audience: AUDIENCE, region: REGION };

beforeAll(async () => {
  store = await openStore();
  const endpoints: Record<string, string> = {};
  site = openSite({ kubeflow: { stepEnv: endpoints } });
  const listen = async (cloud: { fetch(request: Request): Promise<Response> }) => {
    const server = await serve((request) => cloud.fetch(request));
    servers.push(server);
    return server.url;
  };
  const keys = await listen(site.kubernetesCloud);
  const authority = createAuthority({
    ...{ stateFile: join(folder, 'authority.json'), accountId: '123456789012', region: REGION, clock: site.clock },
    roles: [
      { arn: arn('train'), subjects: ['system:serviceaccount:ml:default-editor'], audiences: [AUDIENCE] },
      { arn: arn('foreign'), subjects: ['system:serviceaccount:other:default-editor'], audiences: [AUDIENCE] },
    ],
  });
  const providers = [{ issuer: site.cluster.tokens.issuer, jwksUri: `${keys}/openid/v1/jwks`, audiences: [AUDIENCE] }];
  s3 = await createS3Cloud({ dataDir: join(folder, 's3'), authority, buckets: ['models-eu'] });
  Object.assign(endpoints, {
    AWS_ENDPOINT_URL_STS: await listen(await createStsCloud({ authority, providers })),
    AWS_ENDPOINT_URL_S3: await listen(s3),
  });
  const headers = { authorization: 'Bearer of-sluice', 'content-type': 'application/json' };
  const body = JSON.stringify(awsPodDefault('ml', { ...aws, roleArn: arn('train') }));
  await site.kubernetesCloud.fetch(
    new Request('http://k8s/apis/kubeflow.org/v1alpha1/namespaces/ml/poddefaults', { method: 'POST', headers, body }),
  );
  store.objects.set('/model.tar.gz', ARCHIVE);
});
afterAll(async () => {
  await site.close();
  for (const server of [...servers, store.server]) await server.close();
  await s3.close();
  rmSync(folder, { recursive: true, force: true });
});

async function publish(name: string, roleArn: string) {
  const backend = site.another({ pods: { aws: { ...aws, roleArn } } });
  const args = [
    'publish',
    '--archive',
    { parameter: 'source' },
    '--url',
    { parameter: 'upload' },
    '--sha256',
    SHA,
    '--params-json',
    '{"attempts":1}',
  ];
  const job = JobSpec.parse({
    ...{ name, graph: 'publish', labels: {}, transferImage: TRANSFER_IMAGE },
    steps: [{ name: 'publish', image: TRANSFER_IMAGE, command: ['python3', '-m', 'sluice_transfer'], args, cpu: 1, memoryGiB: 1 }],
    parameters: { source: store.url('model.tar.gz'), upload: `s3://models-eu/models/${SHA}/model.tar.gz` },
  });
  const { jobId } = await backend.submit(job);
  return { state: await site.end(jobId), logs: await backend.logs(jobId, 10_000) };
}

it('publishes the archive under its digest, and finds it there the second time', async () => {
  const first = await publish('promote-a-1', arn('train'));
  const second = await publish('promote-a-2', arn('train'));
  const stored = await s3.read('models-eu', `models/${SHA}/model.tar.gz`);

  expect([first.state.state, second.state.state], JSON.stringify(first)).toEqual(['succeeded', 'succeeded']);
  expect(await new Response(stored).text()).toBe(ARCHIVE);
});

it('is refused by a role that does not trust this service account, and shows no token', async () => {
  const { state, logs } = await publish('promote-b-1', arn('foreign'));

  expect(state).toMatchObject({ state: 'failed', reason: expect.stringMatching(/access-refused.*AccessDenied/) as string });
  expect(JSON.stringify({ state, logs })).not.toMatch(/eyJ|TOPSECRET/);
});
