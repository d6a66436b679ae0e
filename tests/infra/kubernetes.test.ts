// The manifests of infra/kubernetes: complete, in one namespace, with no wildcard, and with the rights that the Kubeflow adapter uses.
// Parsed as YAML and checked by rules of our own; no cluster and no kustomize is needed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { LOCAL } from '../../local/stack/cloud-config.ts';
import type { GraphTask } from '../../shared/adapters/kubeflow/graph.ts';
import type { Nodes } from '../../shared/contracts/pipeline/train.ts';
import { awsPodDefault, executorConfig } from '../../shared/adapters/kubeflow/platform.ts';

const root = join(import.meta.dirname, '../..');
const base = join(root, 'infra/kubernetes/base');
const machines = join(root, 'infra/kubernetes/machines');
const awsIdentity = join(root, 'infra/kubernetes/aws-identity');
const runtimeClass = join(root, 'infra/kubernetes/runtime-class');
const enclave = join(root, 'infra/kubernetes/enclave');
const overlay = join(root, 'infra/kubernetes/overlays/example');

const Metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  namespace: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
});
const Rule = z.strictObject({
  apiGroups: z.array(z.string()).min(1),
  resources: z.array(z.string()).min(1),
  resourceNames: z.array(z.string()).optional(),
  verbs: z.array(z.string()).min(1),
});
const Subject = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ServiceAccount'), name: z.string(), namespace: z.string() }),
  z.strictObject({ kind: z.literal('User'), name: z.string(), apiGroup: z.literal('rbac.authorization.k8s.io') }),
]);
const Peer = z.union([
  z.strictObject({ namespaceSelector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }) }),
  z.strictObject({ ipBlock: z.strictObject({ cidr: z.string() }) }),
]);
const Egress = z.strictObject({
  to: z.array(Peer).min(1),
  ports: z.array(z.strictObject({ protocol: z.enum(['TCP', 'UDP']), port: z.number().int().min(1).max(65535) })).min(1),
});
/** The kinds that are used here, as strictly as the API server would take them. */
const Manifest = z.discriminatedUnion('kind', [
  z.strictObject({ apiVersion: z.literal('v1'), kind: z.literal('Namespace'), metadata: Metadata }),
  z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('ServiceAccount'),
    metadata: Metadata,
    automountServiceAccountToken: z.boolean().optional(),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('Role'),
    metadata: Metadata,
    rules: z.array(Rule).min(1),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('RoleBinding'),
    metadata: Metadata,
    roleRef: z.strictObject({ apiGroup: z.literal('rbac.authorization.k8s.io'), kind: z.literal('Role'), name: z.string() }),
    subjects: z.array(Subject).min(1),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('ClusterRole'),
    metadata: Metadata.omit({ namespace: true }),
    rules: z.array(Rule).min(1),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('ClusterRoleBinding'),
    metadata: Metadata.omit({ namespace: true }),
    roleRef: z.strictObject({ apiGroup: z.literal('rbac.authorization.k8s.io'), kind: z.literal('ClusterRole'), name: z.string() }),
    subjects: z.array(Subject).min(1),
  }),
  z.strictObject({
    apiVersion: z.literal('networking.k8s.io/v1'),
    kind: z.literal('NetworkPolicy'),
    metadata: Metadata,
    spec: z.strictObject({
      podSelector: z.strictObject({}),
      policyTypes: z.array(z.enum(['Ingress', 'Egress'])).min(1),
      egress: z.array(Egress).optional(),
    }),
  }),
]);
type Manifest = z.infer<typeof Manifest>;
type Kind<Name extends Manifest['kind']> = Extract<Manifest, { kind: Name }>;

const Kustomization = z.strictObject({
  apiVersion: z.enum(['kustomize.config.k8s.io/v1beta1', 'kustomize.config.k8s.io/v1alpha1']),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  resources: z.array(z.string()).min(1),
  patches: z.array(z.strictObject({ target: z.record(z.string(), z.string()), patch: z.string() })).optional(),
});
const kustomization = (folder: string) => Kustomization.parse(parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')));

/** The manifests of a folder, as YAML alone. */
const documentsOf = (folder: string): unknown[] =>
  kustomization(folder).resources.flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, file), 'utf8'), { uniqueKeys: true }).map((document): unknown => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
      return document.toJS() as unknown;
    }),
  );
const manifestsOf = (folder: string): Manifest[] => documentsOf(folder).map((document) => Manifest.parse(document));
const manifests = manifestsOf(base);
const ofCluster = manifestsOf(machines);
const ofKind = <Name extends Manifest['kind']>(kind: Name): Kind<Name>[] =>
  [...manifests, ...ofCluster].filter((one): one is Kind<Name> => one.kind === kind);
const role = (name: string) => ofKind('Role').find(({ metadata }) => metadata.name === name)?.rules ?? [];

describe('the base', () => {
  it.each(['base', 'machines', 'aws-identity', 'runtime-class', 'enclave'])('takes in every file of its folder, as %s does', (name) => {
    const folder = join(root, 'infra/kubernetes', name);
    const files = readdirSync(folder).filter((file) => file !== 'kustomization.yaml');

    expect(kustomization(folder).resources.sort()).toEqual(files.sort());
  });

  it('keeps everything in the namespace that Sluice names', () => {
    const [namespace, ...more] = ofKind('Namespace');

    expect(more).toEqual([]);
    expect(namespace?.metadata.name).toBe(LOCAL.namespace);
    expect(kustomization(base).namespace).toBe(LOCAL.namespace);
    const elsewhere = manifests.filter(
      (one) => one.kind !== 'Namespace' && ('namespace' in one.metadata ? one.metadata.namespace : undefined) !== LOCAL.namespace,
    );
    expect(elsewhere.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  it('binds roles that exist to somebody that exists, or to nobody yet', () => {
    const roles = [...ofKind('Role'), ...ofKind('ClusterRole')].map(({ metadata }) => metadata.name);
    const accounts = ofKind('ServiceAccount').map(({ metadata }) => metadata.name);
    const bindings = [...ofKind('RoleBinding'), ...ofKind('ClusterRoleBinding')];

    expect(bindings.map(({ roleRef }) => roleRef.name).sort()).toEqual(roles.sort());
    for (const subject of bindings.flatMap(({ subjects }) => subjects)) {
      if (subject.kind === 'ServiceAccount') expect(accounts).toContain(subject.name);
      else expect(subject.name).toBe('nobody-until-an-overlay-says-who');
    }
  });

  it('gives no wildcard, no secret but the one that the launcher reads, no token but the one for Kubeflow, and no way into a pod', () => {
    const rules = [...ofKind('Role'), ...ofKind('ClusterRole')].flatMap(({ rules: own }) => own);
    const named = (what: RegExp) => rules.filter(({ resources }) => resources.some((resource) => what.test(resource)));

    expect(rules.filter((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs].includes('*'))).toEqual([]);
    expect(named(/secrets/).map(({ resourceNames, verbs }) => ({ resourceNames, verbs }))).toEqual([
      { resourceNames: ['mlpipeline-minio-artifact'], verbs: ['get'] },
    ]);
    expect(named(/token/)).toEqual([
      { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: ['sluice-control'], verbs: ['create'] },
    ]);
    expect(named(/exec|attach|portforward|proxy/)).toEqual([]);
    expect(ofKind('ClusterRole').flatMap(({ rules: own }) => own.flatMap(({ verbs }) => verbs))).toEqual(['get', 'list', 'get']);
    expect(rules.flatMap(({ verbs }) => verbs).filter((verb) => /delete|escalate|bind|impersonate/.test(verb))).toEqual([]);
  });

  it('enforces a pod security level', () => {
    expect(ofKind('Namespace')[0]?.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'baseline' });
  });
});

describe('the rights of Sluice in Kubeflow', () => {
  /** What Kubeflow's server asks for each call; a call that is not here has to be looked up and added. */
  const ASKED: [call: RegExp, resource: string | null, verb: string][] = [
    [/^GET \/healthz$/, null, 'nothing'],
    [/^GET \/experiments$/, 'experiments', 'list'],
    [/^POST \/experiments$/, 'experiments', 'create'],
    [/^GET \/pipelines\/names\/\*$/, 'pipelines', 'get'],
    [/^POST \/pipelines\/upload$/, 'pipelines', 'create'],
    [/^POST \/pipelines\/upload_version$/, 'pipelines/versions', 'create'],
    [/^GET \/pipelines\/\*\/versions\/\*$/, 'pipelines/versions', 'get'],
    [/^GET \/pipelines\/\*\/versions$/, 'pipelines/versions', 'list'],
    [/^GET \/runs$/, 'runs', 'list'],
    [/^POST \/runs$/, 'runs', 'create'],
    [/^GET \/runs\/\*$/, 'runs', 'get'],
    [/^POST \/runs\/\*:terminate$/, 'runs', 'terminate'],
    [/^GET \/runs\/\*\/nodes\/\*\/log$/, 'runs', 'readLog'],
  ];

  /** Every call in the adapter's source, with `*` for what is filled in. */
  function calls(): string[] {
    const found = new Set<string>();
    const folder = join(root, 'shared/adapters/kubeflow');
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), 'utf8');
      for (const [, method = '', path = ''] of text.matchAll(/method: '(GET|POST)', path: ['`](?!\/apis?\/)([^'`]+)['`]/g))
        found.add(`${method} ${plain(path)}`);
      for (const [, path = ''] of text.matchAll(/(?:const path = |http\.tail\()`(?!\/apis?\/)([^`]+)`/g)) found.add(`GET ${plain(path)}`);
    }
    return [...found].sort();
  }
  const plain = (path: string): string => path.replaceAll(/\$\{[^}]*\}/g, '*');

  it('are those that its calls need, and no others', () => {
    const made = calls();
    const needed = made.map((call) => ASKED.find(([pattern]) => pattern.test(call)) ?? call);

    expect(made.length).toBeGreaterThan(10);
    expect(needed.filter((one) => typeof one === 'string')).toEqual([]);
    const rights = new Set(needed.flatMap((one) => (typeof one !== 'string' && one[1] !== null ? [`${one[1]} ${one[2]}`] : [])));
    const given = role('sluice-control').flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${resource} ${verb}`)),
    );
    expect([...rights].filter((right) => !given.includes(right))).toEqual([]);
    // These two come with the verbs of their neighbours; they read, and nothing more than the others show.
    expect(given.filter((right) => !rights.has(right))).toEqual(['experiments get', 'pipelines list']);
  });
});

describe('the rights of Sluice in the cluster', () => {
  /** What the API server asks for each call; a call that is not here has to be looked up and added. */
  const ASKED: [path: RegExp, role: string, group: string, resource: string, verbs: string[]][] = [
    [/^\/api\/v1\/nodes$/, 'sluice-machines', '', 'nodes', ['list']],
    [/^\/api\/v1\/nodes\/\*$/, 'sluice-machines', '', 'nodes', ['get']],
    [/^\/apis\/node\.k8s\.io\/v1\/runtimeclasses\/\*$/, 'sluice-machines', 'node.k8s.io', 'runtimeclasses', ['get']],
    [/^\/api\/v1\/namespaces\/\*\/pods$/, 'sluice-watch', '', 'pods', ['list']],
    [/^\/api\/v1\/namespaces\/\*\/events$/, 'sluice-watch', '', 'events', ['list']],
    [/^\/api\/v1\/namespaces\/\*\/pods\/\*\/log$/, 'sluice-watch', '', 'pods/log', ['get']],
    [/^\/apis\/kubeflow\.org\/v1alpha1\/namespaces\/\*\/poddefaults\/\*$/, 'sluice-watch', 'kubeflow.org', 'poddefaults', ['get']],
    [/^\/api\/v1\/namespaces\/\*\/serviceaccounts\/\*\/token$/, 'sluice-watch', '', 'serviceaccounts/token', ['create']],
  ];

  it('are those that its calls need, and no others', () => {
    const folder = join(root, 'shared/adapters/kubeflow');
    const files = [...readdirSync(folder).map((name) => join(folder, name)), join(root, 'shared/clients/kubernetes-tokens.ts')];
    // `/apis/v2beta1` and `/apis/v1alpha1` are Kubeflow's own.
    const made = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/['`](\/api(?:\/v1|s\/[a-z0-9]+\.[a-z0-9.]+)\/[^'`]+)['`]/g)].map(([, path = '']) =>
        path.replaceAll(/\$\{[^}]*\}/g, '*'),
      ),
    );
    const needed = made.map((path) => ASKED.find(([pattern]) => pattern.test(path)) ?? path);

    expect(needed.filter((one) => typeof one === 'string')).toEqual([]);
    const rights = needed.flatMap((one) =>
      typeof one === 'string' ? [] : one[4].map((verb) => `${one[1]}: ${verb} ${one[3]} of "${one[2]}"`),
    );
    const given = [...ofKind('Role'), ...ofKind('ClusterRole')]
      .filter(({ metadata }) => /^sluice-(watch|machines)$/.test(metadata.name))
      .flatMap(({ metadata, rules }) =>
        rules.flatMap(({ apiGroups, resources, verbs }) =>
          apiGroups.flatMap((group) =>
            resources.flatMap((resource) => verbs.map((verb) => `${metadata.name}: ${verb} ${resource} of "${group}"`)),
          ),
        ),
      );
    expect(given.sort()).toEqual([...new Set(rights)].sort());
  });

  it('speak to Kubeflow as an account that may do what Sluice may, and that no pod is', () => {
    const account = ofKind('ServiceAccount').find(({ metadata }) => metadata.name === 'sluice-control');
    const binding = ofKind('RoleBinding').find(({ metadata }) => metadata.name === 'sluice-control');

    expect(account?.automountServiceAccountToken).toBe(false);
    expect(binding?.subjects).toContainEqual({ kind: 'ServiceAccount', name: 'sluice-control', namespace: LOCAL.namespace });
  });
});

describe('the AWS identity of sending steps', () => {
  it('is the PodDefault that the Kubeflow adapter asks for, and that Sluice may look at', () => {
    const aws = { roleArn: LOCAL.promoterRole, audience: 'sts.amazonaws.com', region: LOCAL.region };
    const [found, ...more] = documentsOf(awsIdentity);

    expect(more).toEqual([]);
    expect(found).toEqual(awsPodDefault(LOCAL.namespace, aws));
    expect(role('sluice-watch').find(({ resources }) => resources.includes('poddefaults'))?.resourceNames).toEqual([
      (found as { metadata: { name: string } }).metadata.name,
    ]);
  });
});

describe('what the cluster adds to a pod by its label', () => {
  const nodes = { selector: {}, tolerations: [], minimum: 1, enclave: 'gramine', runtimeClass: 'kata-qemu-tdx' } satisfies Nodes;
  const pods = { runtimeClassLabel: 'sluice/runtime-class', enclaveResource: { name: 'sgx.intel.com/epc', quantity: '512Mi' } };
  const task = { name: 'train', kind: 'own', cpu: 1, readsSite: false, sends: false } as GraphTask;
  const { labels } = executorConfig({ nodes }, task, pods).podMetadata;

  it('is its runtime class, which the pod is not made without', () => {
    const [policy, ...more] = documentsOf(runtimeClass) as Record<string, unknown>[];
    const key = 'sluice/runtime-class';

    expect(more).toEqual([]);
    expect(labels[key]).toBe(nodes.runtimeClass);
    expect(policy).toMatchObject({
      apiVersion: 'kyverno.io/v1',
      kind: 'Policy',
      metadata: { namespace: LOCAL.namespace },
      spec: {
        failurePolicy: 'Fail',
        rules: [
          {
            match: {
              any: [
                { resources: { kinds: ['Pod'], operations: ['CREATE'], selector: { matchExpressions: [{ key, operator: 'Exists' }] } } },
              ],
            },
            mutate: { patchStrategicMerge: { spec: { runtimeClassName: `{{ request.object.metadata.labels."${key}" }}` } } },
          },
        ],
      },
    });
  });

  it('is the way to the quote service in an enclave, which the level of the base would refuse', () => {
    const [found, ...more] = documentsOf(enclave) as { spec: { selector: { matchLabels: Record<string, string> } } }[];
    const { kind, patches = [] } = kustomization(enclave);

    expect(more).toEqual([]);
    expect(kind).toBe('Component');
    expect(labels).toMatchObject(found?.spec.selector.matchLabels ?? { none: 'found' });
    expect(executorConfig({ nodes }, { ...task, kind: 'export' }, pods).podMetadata.labels).not.toHaveProperty('sluice/enclave');
    expect(patches.map(({ target }) => target)).toEqual([{ version: 'v1', kind: 'Namespace', name: LOCAL.namespace }]);
    const path = '/metadata/labels/pod-security.kubernetes.io~1enforce';
    expect(parse(patches[0]?.patch ?? '')).toEqual([{ op: 'replace', path, value: 'privileged' }]);
    expect(ofKind('Namespace')[0]?.metadata.labels).toHaveProperty(['pod-security.kubernetes.io/enforce']);
  });
});

describe('the network', () => {
  const policies = ofKind('NetworkPolicy');

  it('is closed both ways before anything is opened', () => {
    expect(policies.find(({ metadata }) => metadata.name === 'deny-by-default')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
  });

  it('opens the way out to names, Kubeflow and private addresses only', () => {
    const peers = policies.flatMap(({ spec }) => spec.egress ?? []).flatMap(({ to }) => to);
    const blocks = peers.flatMap((peer) => ('ipBlock' in peer ? [peer.ipBlock.cidr] : []));
    const namespaces = peers.flatMap((peer) => ('namespaceSelector' in peer ? [peer.namespaceSelector.matchLabels] : []));

    expect(blocks).toEqual(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']);
    expect(namespaces).toEqual([{ 'kubernetes.io/metadata.name': 'kube-system' }, { 'kubernetes.io/metadata.name': 'kubeflow' }]);
  });
});

describe('the example overlay', () => {
  it('stands on the base and names who Sluice is, by a patch that meets its target', () => {
    const { resources, patches = [] } = kustomization(overlay);

    expect(resources.filter((path) => !existsSync(join(overlay, path, 'kustomization.yaml')))).toEqual([]);
    for (const { target, patch } of patches) {
      const met = [...manifests, ...ofCluster].find((one) => one.kind === target['kind'] && one.metadata.name === target['name']);
      expect(met?.apiVersion).toBe(`${target['group']}/${target['version']}`);
      for (const { path } of z
        .array(z.strictObject({ op: z.literal('replace'), path: z.string(), value: z.string() }))
        .parse(parse(patch))) {
        const value = path
          .slice(1)
          .split('/')
          .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], met);
        expect(value).toBe('nobody-until-an-overlay-says-who');
      }
    }
    // Nobody is left without a name.
    const nobodies = [...ofKind('RoleBinding'), ...ofKind('ClusterRoleBinding')].filter(({ subjects }) =>
      subjects.some(({ name }) => name.startsWith('nobody')),
    );
    expect(patches.map(({ target }) => `${target['kind']} ${target['name']}`).sort()).toEqual(
      nobodies.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort(),
    );
  });
});
