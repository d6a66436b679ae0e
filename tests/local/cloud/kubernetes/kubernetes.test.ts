// The Kubernetes stand-in: who may call, what lists say, how tokens are given, and which pods get which machines.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../../../local/cloud/kit/clock.ts';
import { type Cluster, createCluster, type PodSpec } from '../../../../local/cloud/kubernetes/cluster.ts';
import { createKubernetesCloud, type KubernetesCloud } from '../../../../local/cloud/kubernetes/kubernetes-cloud.ts';
import { podProblem } from '../../../../local/cloud/kubernetes/pod-rules.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const ALL = ['get', 'list', 'create', 'delete'];
let cluster: Cluster;
let cloud: KubernetesCloud;
let folder = '';
const clock = createManualClock(NOW);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-k8s-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  clock.set(NOW);
  cluster = createCluster({
    clock,
    nodes: [
      {
        name: 'sgx-1',
        labels: { intelvm: 'sgx' },
        taints: [{ key: 'sgx', effect: 'NoSchedule' }],
        allocatable: { cpu: '3500m', memory: '12Gi' },
      },
      { name: 'sgx-2', labels: { intelvm: 'sgx' }, ready: false, reason: 'PLEG is not healthy' },
      { name: 'sys-1', cordoned: true },
    ],
    runtimeClasses: ['kata-qemu-tdx'],
    runtimeClassLabel: 'site/runtime',
    serviceAccounts: [{ namespace: 'ml', name: 'sluice' }],
  });
  cloud = createKubernetesCloud({
    cluster,
    access: {
      tokens: [
        { token: 'of-sluice', user: 'sluice' },
        { token: 'of-nobody', user: 'nobody' },
      ],
      rules: [
        { user: 'sluice', verbs: ALL, resources: ['*'] },
        { user: 'nobody', verbs: ['get'], resources: ['pods'], namespace: 'ml' },
        { user: 'system:serviceaccount:ml:sluice', verbs: ['list'], resources: ['nodes'] },
      ],
    },
  });
});

async function call(method: string, path: string, body?: unknown, token: string | null = 'of-sluice') {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  if (token !== null) headers['authorization'] = `Bearer ${token}`;
  const response = await cloud.fetch(
    new Request(`http://k8s${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }),
  );
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  return {
    status: response.status,
    body: (isJson ? JSON.parse(text) : text) as Record<string, unknown> & { items: { metadata: { name: string } }[] },
  };
}

const names = (answer: Awaited<ReturnType<typeof call>>) => answer.body.items.map(({ metadata }) => metadata.name);

const pod = (more: Partial<PodSpec> = {}): PodSpec => ({
  ...{ namespace: 'ml', name: `p${cluster.pods.size}`, labels: { 'pipeline/runid': 'r1', 'sluice/step': 'train' }, annotations: {} },
  ...{ nodeSelector: { intelvm: 'sgx' }, tolerations: [{ key: 'sgx', operator: 'Exists' }] },
  ...{ serviceAccount: 'default-editor', image: 'x', requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } },
  ...more,
});

describe('callers', () => {
  it.each([null, 'wrong', 'eyJhbGciOiJub25lIn0.e30.'])('without a token that is known are 401 (%s)', async (token) => {
    const { status, body } = await call('GET', '/api/v1/nodes', undefined, token);

    expect({ status, ...body }).toMatchObject({ status: 'Failure', reason: 'Unauthorized', code: 401, kind: 'Status' });
  });

  it('without a rule are 403, with verb, resource and scope', async () => {
    expect((await call('GET', '/api/v1/nodes', undefined, 'of-nobody')).body).toMatchObject({
      code: 403,
      message: 'nodes is forbidden: User "nobody" cannot list resource "nodes" in API group "" at the cluster scope',
    });
    expect((await call('GET', '/api/v1/namespaces/other/pods/x', undefined, 'of-nobody')).body).toMatchObject({
      message: expect.stringContaining('in the namespace "other"') as string,
    });
    expect((await call('GET', '/api/v1/namespaces/ml/pods/x', undefined, 'of-nobody')).status).toBe(404);
  });

  it.each([
    [{ verb: 'list', resource: 'nodes' }, false],
    [{ verb: 'get', resource: 'pods', namespace: 'ml' }, true],
    [{ verb: 'get', resource: 'pods', subresource: 'log', namespace: 'ml' }, false],
  ])('may ask what they may do: %j', async (resourceAttributes, allowed) => {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
    const answer = await call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body, 'of-nobody');

    expect(answer).toMatchObject({ status: 201, body: { status: { allowed } } });
  });
});

describe('TokenRequest', () => {
  const PATH = '/api/v1/namespaces/ml/serviceaccounts/sluice/token';
  const ask = (spec: object) => call('POST', PATH, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });

  it('gives a signed token for the audience and the time that were asked for', async () => {
    const { status, body } = await ask({ audiences: ['pipelines.kubeflow.org'], expirationSeconds: 3600 });
    const { token, expirationTimestamp } = body['status'] as { token: string; expirationTimestamp: string };
    const keys = (await call('GET', '/openid/v1/jwks', undefined, null)).body as unknown as JSONWebKeySet;
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { audience: 'pipelines.kubeflow.org', currentDate: new Date(NOW) });

    expect([status, expirationTimestamp, payload.sub]).toEqual([201, '2026-11-22T13:00:00Z', 'system:serviceaccount:ml:sluice']);
  });

  it('gives tokens for the API itself, which end with their time', async () => {
    const { body } = await ask({ expirationSeconds: 600 });
    const { token } = body['status'] as { token: string };
    const foreign = await ask({ audiences: ['elsewhere'] });

    expect((await call('GET', '/api/v1/nodes', undefined, token)).status).toBe(200);
    expect((await call('GET', '/api/v1/nodes', undefined, (foreign.body['status'] as { token: string }).token)).status).toBe(401);
    clock.advance(601_000);
    expect((await call('GET', '/api/v1/nodes', undefined, token)).status).toBe(401);
  });

  it('refuses short lives, other kinds and accounts that are not there', async () => {
    expect((await ask({ expirationSeconds: 60 })).status).toBe(422);
    expect((await call('POST', PATH, { kind: 'Token' })).status).toBe(400);
    expect((await call('POST', PATH.replace('/sluice/', '/ghost/'), {})).status).toBe(404);
  });
});

describe('nodes', () => {
  it.each([
    ['intelvm=sgx', ['sgx-1', 'sgx-2']],
    ['intelvm!=sgx', ['sys-1']],
    ['intelvm in (sgx, tdx),kubernetes.io/os=linux', ['sgx-1', 'sgx-2']],
    ['!intelvm', ['sys-1']],
    ['intelvm', ['sgx-1', 'sgx-2']],
    ['intelvm notin (sgx)', ['sys-1']],
  ])('by selector %s', async (selector, expected) => {
    expect(names(await call('GET', `/api/v1/nodes?labelSelector=${encodeURIComponent(selector)}`))).toEqual(expected);
  });

  it('come page by page, and a selector that cannot be read is 400', async () => {
    const first = await call('GET', '/api/v1/nodes?limit=2');
    const { continue: next } = first.body['metadata'] as { continue: string };

    expect(names(first)).toEqual(['sgx-1', 'sgx-2']);
    expect(names(await call('GET', `/api/v1/nodes?limit=2&continue=${next}`))).toEqual(['sys-1']);
    expect((await call('GET', '/api/v1/nodes?labelSelector=a%3D%3D%3Db')).status).toBe(400);
    expect((await call('GET', '/api/v1/nodes?watch=true')).status).toBe(400);
  });

  it('show readiness, cordon and the taints that come with them', async () => {
    expect((await call('GET', '/api/v1/nodes/sgx-2')).body).toMatchObject({
      status: { conditions: [{ type: 'Ready', status: 'False', message: 'PLEG is not healthy' }] },
    });
    expect((await call('GET', '/api/v1/nodes/sys-1')).body).toMatchObject({
      spec: { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] },
    });
  });

  it('are changed by the admin route only', async () => {
    await call('PUT', '/_admin/nodes/sgx-3', { labels: { intelvm: 'sgx' } }, null);

    expect(names(await call('GET', '/api/v1/nodes?labelSelector=intelvm%3Dsgx'))).toEqual(['sgx-1', 'sgx-2', 'sgx-3']);
    expect((await call('PUT', '/_admin/nodes/sgx-3', { colour: 'red' }, null)).status).toBe(400);
    expect((await call('PUT', '/_admin/nodes/sgx-3', { allocatable: { cpu: 'many' } }, null)).status).toBe(400);
    expect((await call('DELETE', '/_admin/nodes/sgx-3', undefined, null)).status).toBe(200);
    expect((await call('DELETE', '/api/v1/nodes/sgx-1')).status).toBe(404);
  });
});

describe('pods', () => {
  const placed = async (spec: PodSpec) => {
    const handle = cluster.createPod(spec, join(folder, `${spec.name}.log`));
    let asked = 0;
    const scheduled = await handle.scheduled(() => (asked += 1) > 1);
    return { handle, scheduled };
  };

  it('get a machine that has the labels, is Ready, is tolerated and has room', async () => {
    const { handle } = await placed(pod());
    const crowded = await placed(pod());

    expect(handle.record.node).toBe('sgx-1');
    expect(crowded.scheduled).toBe(false);
    expect(crowded.handle.record.unschedulable).toMatch(
      /^0\/3 nodes are available: 1 Insufficient cpu, 1 node\(s\) had untolerated taint \{node.kubernetes.io\/not-ready: \}, 1 node\(s\) were unschedulable/,
    );
  });

  it.each([
    [{ tolerations: [] }, /untolerated taint \{sgx/],
    [{ nodeSelector: { intelvm: 'tdx' } }, /didn't match Pod's node affinity/],
    [{ requests: { 'sgx.intel.com/epc': '10Mi' }, limits: { 'sgx.intel.com/epc': '10Mi' } }, /Insufficient sgx.intel.com\/epc/],
  ])('wait with a reason otherwise: %j', async (change, reason) => {
    const { handle, scheduled } = await placed(pod(change));
    const { body } = await call('GET', `/api/v1/namespaces/ml/pods/${handle.record.name}`);

    expect(scheduled).toBe(false);
    expect(body).toMatchObject({
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: expect.stringMatching(reason) as string }],
      },
    });
    expect(
      (await call('GET', `/api/v1/namespaces/ml/events?fieldSelector=involvedObject.name%3D${handle.record.name}`)).body.items,
    ).toMatchObject([{ reason: 'FailedScheduling', type: 'Warning' }]);
  });

  it('go on as soon as a machine comes', async () => {
    const handle = cluster.createPod(pod({ nodeSelector: { intelvm: 'tdx' } }), '');
    const scheduled = handle.scheduled(() => false);
    await call('PUT', '/_admin/nodes/tdx-1', { labels: { intelvm: 'tdx' } }, null);

    expect(await scheduled).toBe(true);
    expect(handle.record.node).toBe('tdx-1');
  });

  it.each([
    ['evict', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }, true],
    ['oom-kill', { phase: 'Failed', containerStatuses: [{ state: { terminated: { reason: 'OOMKilled', exitCode: 137 } } }] }, true],
    ['lose', { phase: 'Unknown', reason: 'NodeLost' }, false],
  ])('can be hit: %s', async (action, status, dies) => {
    const { handle } = await placed(pod());
    let killed = false;
    handle.started(() => (killed = true));
    const hit = await call('POST', '/_admin/pods', { action, labels: { 'sluice/step': 'train' } }, null);

    expect(hit.body).toEqual({ happenedTo: [handle.record.name] });
    expect((await call('GET', `/api/v1/namespaces/ml/pods/${handle.record.name}`)).body).toMatchObject({ status });
    expect([killed, handle.death() !== undefined]).toEqual([dies, dies]);
  });

  it('can be hit before they are there', async () => {
    await call('POST', '/_admin/pods', { action: 'image-pull-back-off', labels: { 'sluice/step': 'train' } }, null);
    const { handle, scheduled } = await placed(pod());

    expect(scheduled).toBe(false);
    expect(handle.record).toMatchObject({ node: 'sgx-1', phase: 'Pending', state: { waiting: { reason: 'ImagePullBackOff' } } });
  });

  it('are deleted with their program, and forgotten', async () => {
    const { handle } = await placed(pod());
    let killed = false;
    handle.started(() => (killed = true));

    expect((await call('DELETE', `/api/v1/namespaces/ml/pods/${handle.record.name}`)).status).toBe(200);
    expect((await call('GET', `/api/v1/namespaces/ml/pods/${handle.record.name}`)).status).toBe(404);
    expect([killed, handle.death()?.reason]).toEqual([true, 'PodDeleted']);
  });

  it('get the runtime class that the cluster’s policy reads from a label, if there is one', () => {
    const { record } = cluster.createPod(pod({ labels: { 'site/runtime': 'kata-qemu-tdx' } }), '');

    expect(record.runtimeClassName).toBe('kata-qemu-tdx');
    expect(() => cluster.createPod(pod({ labels: { 'site/runtime': 'kata-none' } }), '')).toThrow(/RuntimeClass "kata-none" not found/);
  });

  it('have a log, of which the end can be asked, with times', async () => {
    const { handle } = await placed(pod());
    const path = `/api/v1/namespaces/ml/pods/${handle.record.name}/log`;
    const early = await call('GET', path);
    writeFileSync(handle.record.logFile, 'one\ntwo\nthree\n');
    handle.started(() => undefined);

    expect(early).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('waiting to start: ContainerCreating') as string },
    });
    expect((await call('GET', `${path}?tailLines=2`)).body).toBe('two\nthree\n');
    expect((await call('GET', `${path}?tailLines=1&timestamps=true&container=main`)).body).toMatch(
      /^2026-11-22T1\d:\d\d:\d\d\.\d{3}Z three\n$/,
    );
    expect((await call('GET', `${path}?container=other`)).status).toBe(400);
    expect((await call('GET', `${path}?tailLines=x`)).status).toBe(400);
  });
});

describe('PodDefaults', () => {
  const PATH = '/apis/kubeflow.org/v1alpha1/namespaces/ml/poddefaults';
  const spec = {
    selector: { matchLabels: { a: 'b' } },
    volumes: [
      { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'aws', expirationSeconds: 3600 } }] } },
    ],
    volumeMounts: [{ name: 'v', mountPath: '/var/run/x', readOnly: true }],
  };
  const make = (more: object) =>
    call('POST', PATH, { apiVersion: 'kubeflow.org/v1alpha1', kind: 'PodDefault', metadata: { name: 'one' }, spec: { ...spec, ...more } });

  it('are made once, and read back', async () => {
    expect((await make({})).status).toBe(201);
    expect((await make({})).status).toBe(409);
    expect((await call('GET', `${PATH}/one`)).body).toMatchObject({ spec });
  });

  it.each([{ sidecars: [] }, { volumes: [{ name: 'v', secret: {} }] }, { selector: {} }])(
    'refuse what no step would get: %j',
    async (more) => {
      expect((await make(more)).status).toBe(422);
    },
  );
});

it('plays planned faults by operation', async () => {
  cloud.faults.add({ match: { operation: 'ListNodes' }, action: 'status', status: 429, headers: { 'retry-after': '1' } });

  expect((await call('GET', '/api/v1/nodes')).status).toBe(429);
  expect((await call('GET', '/api/v1/nodes')).status).toBe(200);
});

describe('a pod that the API server takes', () => {
  const pod = { name: 'p', labels: { step: 'train' }, nodeSelector: {}, requests: {}, limits: {} };

  it.each([
    ['has amounts of resources that are qualified', { limits: { epc: '1' } }, 'must be a standard resource type or fully qualified'],
    ['asks for whole ones', { limits: { 'sgx.intel.com/epc': '0.5' } }, 'must be an integer'],
    ['asks for what can be read', { limits: { cpu: 'much' } }, 'quantities must match'],
    ['does not overcommit them', { limits: { 'a.io/x': '2' }, requests: { 'a.io/x': '1' } }, 'must be equal to a.io/x limit'],
    ['has labels that are some', { labels: { runtime: 'Kata TDX' } }, 'a valid label must be'],
    ['selects nodes by labels that are some', { nodeSelector: { 'a b': 'c' } }, 'name part must consist of'],
    ['names a runtime class', { runtimeClassName: 'Kata' }, 'a lowercase RFC 1123 subdomain'],
  ])('%s', (_what, more, words) => {
    expect(podProblem({ ...pod, ...more })).toContain(words);
    expect(
      podProblem({ ...pod, limits: { cpu: '500m', 'sgx.intel.com/epc': '512Mi' }, requests: { 'sgx.intel.com/epc': '512Mi' } }),
    ).toBeUndefined();
  });
});
