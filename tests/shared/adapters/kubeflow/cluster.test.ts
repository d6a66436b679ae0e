// Kubeflow with the cluster's own API beside it: where a job may run, where it ran, and what is wrong with a pod, in words.
import { utimesSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { NodeOptions } from '../../../../local/cloud/kubernetes/options.ts';
import { createKubeflowBackend } from '../../../../shared/adapters/kubeflow/backend.ts';
import { awsPodDefault, type PodOptions } from '../../../../shared/adapters/kubeflow/platform.ts';
import { placementWords, type JobSpec, type JobSpecInput } from '../../../../shared/contracts/training.ts';
import { openSite, scripts, SLUICE, type SiteOptions, type SiteRig } from './site-rig.ts';

let site: SiteRig | undefined;
afterEach(async () => {
  await site?.close();
  site = undefined;
});
const open = (options: SiteOptions = {}): SiteRig => (site = openSite(options));

const SGX: NodeOptions = { name: 'sgx-1', labels: { intelvm: 'sgx', pool: 'a' } };
const nodes = (more: Partial<NonNullable<JobSpecInput['nodes']>> = {}): JobSpec['nodes'] => ({
  ...{ selector: { intelvm: 'sgx' }, tolerations: [], minimum: 1, enclave: 'none' },
  ...(more as object),
});
const works = (name: string, more: Partial<JobSpecInput> = {}) => scripts(name, { train: { script: 'console.log("done")' } }, more);
const digs = (name: string, more: Partial<JobSpecInput> = {}) =>
  scripts(name, { train: { script: 'console.log("digging"); setInterval(() => {}, 1000)' } }, more);

const ENCLAVES = { enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' } };

describe('before a job', () => {
  const asked = (more: Parameters<typeof nodes>[0] = {}) => works('x', { nodes: nodes(more) });

  it.each<[string, NodeOptions[], Parameters<typeof nodes>[0], RegExp]>([
    ['no such machine', [{ name: 'sys-1' }], {}, /^no node with intelvm=sgx is there; 1 must be Ready$/],
    [
      'machines that are not Ready or cordoned',
      [
        { ...SGX, ready: false, reason: 'PLEG is not healthy' },
        { ...SGX, name: 'sgx-2', cordoned: true },
      ],
      {},
      /^2 nodes with intelvm=sgx are there, 1 is Ready, 0 can take the steps, 1 must: sgx-1 is not Ready \(KubeletNotReady: PLEG is not healthy\); sgx-2 is cordoned$/,
    ],
    [
      'a taint',
      [{ ...SGX, taints: [{ key: 'sgx', effect: 'NoSchedule' }] }],
      {},
      /sgx-1 has the taint sgx:NoSchedule, which the pipeline does not tolerate/,
    ],
    ['too few', [SGX], { minimum: 2 }, /^1 node with intelvm=sgx is there, 1 is Ready, 1 can take the steps, 2 must: there are too few$/],
    ['machines that are too small', [{ ...SGX, allocatable: { cpu: '500m' } }], {}, /sgx-1 has 500m CPU for pods, a step wants 1/],
    ['too little memory', [{ ...SGX, allocatable: { memory: '256Mi' } }], {}, /256Mi memory for pods, a step wants 0.5Gi/],
    ['a runtime class that is not there', [SGX], { runtimeClass: 'kata-qemu-tdx' }, /no runtime class "kata-qemu-tdx"/],
    ['an enclave without a device plugin', [SGX], { enclave: 'gramine' }, /sgx-1 offers no sgx.intel.com\/epc/],
  ])('says what is missing: %s', async (_name, machines, more, missing) => {
    const { backend } = open({ nodes: machines, backend: { pods: { ...ENCLAVES, runtimeClassLabel: 'site/runtime' } } });

    expect(await backend.check(asked(more))).toEqual({ available: false, missing: expect.stringMatching(missing) as string });
  });

  it.each<[string, NodeOptions[], Parameters<typeof nodes>[0]]>([
    ['enough machines', [SGX, { ...SGX, name: 'sgx-2' }, { ...SGX, name: 'sgx-3', ready: false }], { minimum: 2 }],
    [
      'a taint that is tolerated',
      [{ ...SGX, taints: [{ key: 'sgx', value: 'only', effect: 'NoSchedule' }] }],
      { tolerations: [{ key: 'sgx', operator: 'Equal', value: 'only' }] },
    ],
    ['a preference', [{ ...SGX, taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }], {}],
    ['an enclave with its device plugin', [{ ...SGX, allocatable: { 'sgx.intel.com/epc': '8Gi' } }], { enclave: 'gramine' }],
  ])('is content with %s', async (_name, machines, more) => {
    const { backend } = open({ nodes: machines, backend: { pods: { enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' } } } });

    expect(await backend.check(asked(more))).toEqual({ available: true });
  });

  it.each<[string, PodOptions, Parameters<typeof nodes>[0], string]>([
    [
      'the label of no policy',
      {},
      { runtimeClass: 'kata-qemu-tdx' },
      'the runtime class "kata-qemu-tdx": the pipeline format has no runtimeClassName',
    ],
    [
      'a name that is none',
      { runtimeClassLabel: 'site/runtime' },
      { runtimeClass: 'Kata TDX' },
      '"Kata TDX", which is not the name of one',
    ],
    ['no resource that makes an enclave', {}, { enclave: 'gramine' }, 'KUBEFLOW_ENCLAVE_RESOURCE says nothing'],
    [
      'less enclave memory than a step wants',
      { enclaveResource: { name: 'sgx.intel.com/epc', quantity: '16Gi' } },
      { enclave: 'gramine' },
      'sgx-1 has 8Gi of sgx.intel.com/epc for pods, a step wants 16Gi',
    ],
  ])('says before the job that there is %s', async (_name, pods, more, words) => {
    const machine = { ...SGX, allocatable: { 'sgx.intel.com/epc': '8Gi' } };
    const { backend } = open({ nodes: [machine], cluster: { runtimeClasses: ['kata-qemu-tdx'] }, backend: { pods } });

    expect(await backend.check(asked(more))).toEqual({ available: false, missing: expect.stringContaining(words) as string });
  });

  it('asks nobody about machines where none are asked for', async () => {
    const { backend, calls } = open();

    expect(await backend.check(works('x'))).toEqual({ available: true });
    expect(calls).toEqual(['POST /api/v1/namespaces/ml/serviceaccounts/sluice/token']);
  });

  it('does not guess without a Kubernetes API', async () => {
    const { kubeflowCloud } = open({ nodes: [SGX], kubeflow: { auth: { mode: 'none' } } });
    const backend = createKubeflowBackend({
      ...{ baseUrl: 'https://kubeflow.test', namespace: 'ml', experiment: 'sluice', getToken: async () => null },
      fetch: (input, init) => kubeflowCloud.fetch(new Request(input, init)),
      now: Date.now,
      sleep: () => Promise.resolve(),
    });

    expect(await backend.check(asked())).toEqual({
      available: false,
      missing: expect.stringContaining('no Kubernetes API is configured') as string,
    });
  });

  it('is not available while the API does not answer, and refused for good without the right', async () => {
    const { backend, kubernetesCloud } = open({
      nodes: [SGX],
      rules: [{ user: SLUICE, verbs: ['*'], resources: ['pods', 'serviceaccounts/token'] }],
    });
    kubernetesCloud.faults.add({ match: { operation: 'ListNodes' }, action: 'status', status: 503 });

    expect(await backend.check(asked())).toEqual({ available: false, missing: expect.stringContaining('503') as string });
    await expect(backend.check(asked())).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
      message: expect.stringContaining('cannot list resource "nodes"') as string,
    });
  });

  it('proves the way to both, and names every right that is missing', async () => {
    const { backend } = open({
      rules: [
        { user: SLUICE, verbs: ['create'], resources: ['serviceaccounts/token'] },
        { user: SLUICE, verbs: ['list'], resources: ['pods'], namespace: 'ml' },
      ],
    });

    await expect(backend.probe()).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
      message: expect.stringContaining('list nodes, get pods/log, list events') as string,
    });
    await site?.close();
    await expect(open().backend.probe()).resolves.toEqual({ version: '2.17.0' });
  });

  it('wants the projected AWS token where one is configured, and says what to apply', async () => {
    const aws = { roleArn: 'arn:aws:iam::123456789012:role/train', audience: 'sts.amazonaws.com', region: 'eu-central-1' };
    const { backend, kubernetes } = open({ backend: { pods: { aws } } });
    const before = await backend.check(works('x'));
    const path = '/apis/kubeflow.org/v1alpha1/namespaces/ml/poddefaults';
    await kubernetes.call({ method: 'POST', path, body: awsPodDefault('ml', aws) }, z.unknown());

    expect(before).toEqual({
      available: false,
      missing: expect.stringMatching(/PodDefault "sluice-aws-web-identity".*apply \{.*sts\.amazonaws\.com/) as string,
    });
    expect(await backend.check(works('x'))).toEqual({ available: true });
  });
});

describe('a job on its machines', () => {
  it('is pending while no machine suits it, whatever KFP calls it, and runs when one comes', async () => {
    const { backend, kubernetesCloud, until, end } = open({ nodes: [{ name: 'sys-1' }] });
    const { jobId } = await backend.submit(works('train-a-1', { nodes: nodes({ tolerations: [{ key: 'sgx', operator: 'Exists' }] }) }));
    const waiting = await until(jobId, ({ reason }) => reason?.includes('Unschedulable') ?? false);
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ labels: { intelvm: 'sgx', zone: '1' }, taints: [{ key: 'sgx', effect: 'NoSchedule' }] });
    await kubernetesCloud.fetch(new Request('http://k8s/_admin/nodes/sgx-9', { method: 'PUT', headers, body }));
    const done = await end(jobId);

    expect(waiting).toMatchObject({
      state: 'pending',
      reason: expect.stringMatching(
        /step train: Unschedulable: 0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity/,
      ) as string,
      queuedSeconds: null,
      executionSeconds: null,
    });
    expect(done).toMatchObject({ state: 'succeeded', reason: null });
    expect(done.placements).toEqual([{ step: 'train', node: 'sgx-9', labels: { intelvm: 'sgx' }, enclave: 'none' }]);
    expect(done.placements?.map(placementWords)).toEqual(['train on sgx-9 (intelvm=sgx): on an SGX machine, not in an enclave']);
  });

  it('has every task of a graph on them, also those that carry data', async () => {
    const { backend, end } = open({ nodes: [{ name: 'sys-1' }, SGX, { ...SGX, name: 'sgx-2' }] });
    const branches = { a: { script: '', args: [{ output: 'x' }] }, b: { script: '', args: [{ output: 'x' }] } };
    const { jobId } = await backend.submit(scripts('train-b-1', branches, { nodes: nodes() }));

    expect((await end(jobId)).placements?.map(({ step, node, labels }) => [step, node.slice(0, 3), labels['intelvm']])).toEqual([
      ['a', 'sgx', 'sgx'],
      ['b', 'sgx', 'sgx'],
    ]);
  });

  it('is in an enclave only where its pod asked for one', async () => {
    const { backend, end } = open({
      nodes: [{ ...SGX, allocatable: { 'sgx.intel.com/epc': '8Gi' } }],
      backend: { pods: { enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' } } },
    });
    const { jobId } = await backend.submit(works('train-a-1', { nodes: nodes({ enclave: 'gramine' }) }));
    const { placements = [] } = await end(jobId);

    expect(placements.map(placementWords)).toEqual(['train on sgx-1 (intelvm=sgx): on an SGX machine, in a gramine enclave']);
  });

  it.each(['site/runtime', undefined])('runs with its runtime class, or says that it does not (policy for label %s)', async (policy) => {
    const { backend, end } = open({
      nodes: [SGX],
      cluster: { runtimeClasses: ['kata-qemu-tdx'], ...(policy === undefined ? {} : { runtimeClassLabel: policy }) },
      backend: { pods: { runtimeClassLabel: 'site/runtime' } },
    });
    const { jobId } = await backend.submit(works('train-a-1', { nodes: nodes({ runtimeClass: 'kata-qemu-tdx' }) }));
    const { state, reason } = await end(jobId);

    expect([state, reason]).toEqual([
      'succeeded',
      policy === undefined ? 'step train runs without the runtime class "kata-qemu-tdx"' : null,
    ]);
  });

  it('fails as its cluster has it when the class or the resource has gone since the check', async () => {
    const pods = { runtimeClassLabel: 'site/runtime', enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' } };
    const { backend, end, until } = open({ nodes: [SGX], cluster: { runtimeClassLabel: 'site/runtime' }, backend: { pods } });
    const gone = await backend.submit(works('train-a-1', { nodes: nodes({ runtimeClass: 'kata-qemu-tdx' }) }));
    const full = await backend.submit(works('train-b-1', { nodes: nodes({ enclave: 'gramine' }) }));

    expect(await end(gone.jobId)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/RuntimeClass "kata-qemu-tdx" not found/) as string,
    });
    expect(await until(full.jobId, ({ reason }) => reason?.includes('Unschedulable') ?? false)).toMatchObject({
      state: 'pending',
      reason: expect.stringContaining('1 Insufficient sgx.intel.com/epc') as string,
    });
    await backend.cancel(full.jobId, 'nobody can take it');
  });

  it('counts waiting and working apart, by the container and not by KFP', async () => {
    const { backend, kubernetesCloud, clock, until, end } = open({ nodes: [] });
    const { jobId } = await backend.submit(works('train-a-1', { nodes: nodes() }));
    await until(jobId, ({ reason }) => reason?.includes('Unschedulable') ?? false);
    clock.advance(900_000);
    const headers = { 'content-type': 'application/json' };
    await kubernetesCloud.fetch(
      new Request('http://k8s/_admin/nodes/sgx-9', { method: 'PUT', headers, body: JSON.stringify({ labels: { intelvm: 'sgx' } }) }),
    );
    const { queuedSeconds, executionSeconds } = await end(jobId);

    expect(queuedSeconds).toBeGreaterThanOrEqual(899);
    expect(executionSeconds).toBeLessThan(300);
  });
});

describe('what is wrong with a pod', () => {
  const hit = (rig: SiteRig, action: string) =>
    rig.kubernetesCloud.fetch(
      new Request('http://k8s/_admin/pods', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ action, labels: { 'sluice/step': 'train' } }),
      }),
    );

  it.each([
    ['oom-kill', /^step train: OOMKilled: it used more memory than its limit of 512Mi; /],
    ['evict', /^step train: Evicted: The node was low on resource: memory\.; /],
  ])('ends the job with the pod’s own reason: %s', async (action, reason) => {
    const rig = open();
    const { jobId } = await rig.backend.submit(digs('train-a-1'));
    await rig.until(jobId, ({ state }) => state === 'running');
    await hit(rig, action);

    expect(await rig.end(jobId)).toMatchObject({ state: 'failed', reason: expect.stringMatching(reason) as string });
  });

  it('keeps it pending with the reason: an image that cannot be had', async () => {
    const rig = open();
    await hit(rig, 'image-pull-back-off');
    const { jobId } = await rig.backend.submit(works('train-a-1'));
    const stuck = await rig.until(jobId, ({ reason }) => reason?.includes('ImagePullBackOff') ?? false);
    await rig.backend.cancel(jobId, 'stuck');

    expect(stuck).toMatchObject({
      state: 'pending',
      reason: expect.stringContaining('step train: ImagePullBackOff: Back-off pulling image') as string,
    });
    expect(await rig.end(jobId)).toMatchObject({ state: 'cancelled' });
  });

  it('is said while it runs: the node is silent, and the step says nothing', async () => {
    const rig = open({ backend: { silentAfterSeconds: 600, closelyEverySeconds: 0 } });
    const { jobId } = await rig.backend.submit(digs('train-a-1'));
    await rig.until(jobId, ({ state }) => state === 'running');
    while (!(await rig.backend.logs(jobId, 100)).some(({ text }) => text.includes('digging'))) await rig.backend.get(jobId);
    rig.clock.advance(1_200_000);
    const talking = await rig.backend.get(jobId);
    const [pod] = rig.cluster.pods.values();
    utimesSync(pod?.logFile ?? '', new Date(Date.now() - 900_000), new Date(Date.now() - 900_000));
    const silent = await rig.backend.get(jobId);
    await hit(rig, 'lose');
    const lost = await rig.backend.get(jobId);
    await rig.backend.cancel(jobId, 'enough');
    await rig.end(jobId);

    expect([talking.state, talking.reason]).toEqual(['running', null]);
    expect(silent).toMatchObject({
      state: 'running',
      reason: expect.stringMatching(/^step train has said nothing for 15 min; its pod \S+ is Running on local-1$/) as string,
    });
    expect(lost).toMatchObject({
      state: 'running',
      reason: expect.stringMatching(/step train: NodeLost: Node local-1 .* is unresponsive/) as string,
    });
  });

  it('is looked for once in a quarter of an hour while Kubeflow shows the run unchanged, and at once when it changes', async () => {
    const { backend, calls, clock, until, end } = open({ backend: { silentAfterSeconds: 100_000 } });
    const pods = (): number => calls.splice(0).filter((call) => call.includes('/pods')).length;
    const { jobId } = await backend.submit(digs('train-a-1'));
    const first = await until(jobId, ({ state }) => state === 'running');
    // The record of a step that has just begun is still being written.
    for (let look = 0; look < 3; look += 1) await backend.get(jobId);
    pods();
    const quiet = await backend.get(jobId);
    const asked = [pods()];
    clock.advance(900_000);
    await backend.get(jobId);
    asked.push(pods());
    await backend.get(jobId);
    asked.push(pods());
    await backend.cancel(jobId, 'enough');
    const ended = await end(jobId);

    expect(asked).toEqual([0, 1, 0]);
    expect(quiet).toMatchObject({ state: 'running', placements: first.placements });
    expect(ended.state).toBe('cancelled');
    expect(pods()).toBeGreaterThan(0);
  });

  it('of a failed step is what it said, not only its exit code', async () => {
    const { backend, end } = open();
    const script = `console.error('ble-train 0.1.0 failed: gold-value: part-0.csv line 7 from https://store.example/x?sig=TOPSECRET'); console.error('exit status 1'); process.exit(1)`;
    const { jobId } = await backend.submit(scripts('train-a-1', { train: { script } }));
    const { state, reason } = await end(jobId);

    expect(state).toBe('failed');
    expect(reason).toMatch(
      /^step train: Error \(exit code 1\): exit status 1; it said: ble-train 0\.1\.0 failed: gold-value: part-0\.csv line 7/,
    );
    expect(reason).not.toContain('TOPSECRET');
  });

  it('does not matter when it cannot be read: the run is still followed', async () => {
    const { backend, kubernetesCloud, end } = open();
    kubernetesCloud.faults.add({ match: { operation: 'ListPods' }, action: 'status', status: 500, times: 1000 });
    const { jobId } = await backend.submit(works('train-a-1'));

    expect(await end(jobId)).toMatchObject({
      state: 'succeeded',
      reason: expect.stringMatching(/^its pods could not be read: .*500/) as string,
    });
  });
});

describe('the token of a service account', () => {
  const TOKEN = 'POST /api/v1/namespaces/ml/serviceaccounts/sluice/token';
  const asked = (rig: SiteRig) => rig.calls.filter((call) => call === TOKEN).length;

  it('is asked for once, and again before it ends', async () => {
    const rig = open();
    await Promise.all([rig.backend.get('x'), rig.backend.get('y')]);
    rig.clock.advance(2_800_000);
    await rig.backend.get('x');
    const early = asked(rig);
    rig.clock.advance(200_000);
    await rig.backend.get('x');

    expect([early, asked(rig)]).toEqual([1, 2]);
  });

  it('of an account that is not there says what to do', async () => {
    const { another } = open();
    const backend = another({ serviceAccount: { namespace: 'ml', name: 'ghost', audience: 'pipelines.kubeflow.org' } });

    await expect(backend.get('x')).rejects.toMatchObject({
      code: 'kubernetes-refused',
      message: expect.stringContaining('"ghost"') as string,
    });
  });

  it('for another audience is refused by Kubeflow, which says so', async () => {
    const { another } = open();
    const backend = another({ serviceAccount: { namespace: 'ml', name: 'sluice', audience: 'elsewhere' } });

    await expect(backend.get('x')).rejects.toMatchObject({ code: 'backend-forbidden', message: expect.stringContaining(SLUICE) as string });
  });
});

it('a person who stops a run in Kubeflow’s pages has cancelled it', async () => {
  const { backend, cluster, kubeflowCloud, until, end } = open();
  const { jobId } = await backend.submit(digs('train-a-1'));
  await until(jobId, ({ state }) => state === 'running');
  const { token } = await cluster.tokens.mint({ namespace: 'ml', name: 'person' }, ['pipelines.kubeflow.org'], 600);
  const stop = new Request(`https://kubeflow.test/apis/v2beta1/runs/${jobId}:terminate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });

  expect((await kubeflowCloud.fetch(stop)).status).toBe(200);
  expect(await end(jobId)).toMatchObject({ state: 'cancelled', vendorState: 'FAILED' });
});
