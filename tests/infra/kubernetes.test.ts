// The manifests of infra/kubernetes: complete, in one namespace, with no wildcard, and with the rights that the Kubeflow adapter uses.
// Parsed as YAML and checked by rules of our own; no cluster and no kustomize is needed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { LOCAL } from '../../local/stack/cloud-config.ts';

const root = join(import.meta.dirname, '../..');
const base = join(root, 'infra/kubernetes/base');
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
  z.strictObject({ apiVersion: z.literal('v1'), kind: z.literal('ServiceAccount'), metadata: Metadata }),
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
  apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
  kind: z.literal('Kustomization'),
  namespace: z.string().optional(),
  resources: z.array(z.string()).min(1),
  patches: z.array(z.strictObject({ target: z.record(z.string(), z.string()), patch: z.string() })).optional(),
});
const kustomization = (folder: string) => Kustomization.parse(parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')));

const manifests: Manifest[] = kustomization(base).resources.flatMap((file) =>
  parseAllDocuments(readFileSync(join(base, file), 'utf8'), { uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
    return Manifest.parse(document.toJS());
  }),
);
const ofKind = <Name extends Manifest['kind']>(kind: Name): Kind<Name>[] => manifests.filter((one): one is Kind<Name> => one.kind === kind);
const role = (name: string) => ofKind('Role').find(({ metadata }) => metadata.name === name)?.rules ?? [];

describe('the base', () => {
  it('takes in every file of its folder', () => {
    const files = readdirSync(base).filter((name) => name !== 'kustomization.yaml');

    expect(kustomization(base).resources.sort()).toEqual(files.sort());
  });

  it('keeps everything in the namespace that Sluice names', () => {
    const [namespace, ...more] = ofKind('Namespace');

    expect(more).toEqual([]);
    expect(namespace?.metadata.name).toBe(LOCAL.namespace);
    expect(kustomization(base).namespace).toBe(LOCAL.namespace);
    const elsewhere = manifests.filter((one) => one.kind !== 'Namespace' && one.metadata.namespace !== LOCAL.namespace);
    expect(elsewhere.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  it('binds roles that exist to somebody that exists, or to nobody yet', () => {
    const roles = ofKind('Role').map(({ metadata }) => metadata.name);
    const accounts = ofKind('ServiceAccount').map(({ metadata }) => metadata.name);
    const bindings = ofKind('RoleBinding');

    expect(bindings.map(({ roleRef }) => roleRef.name).sort()).toEqual(roles.sort());
    for (const subject of bindings.flatMap(({ subjects }) => subjects)) {
      if (subject.kind === 'ServiceAccount') expect(accounts).toContain(subject.name);
      else expect(subject.name).toBe('nobody-until-an-overlay-says-who');
    }
  });

  it('gives no wildcard, no secret but the one that the launcher reads, and no way into a pod', () => {
    const rules = ofKind('Role').flatMap(({ rules: own }) => own);

    expect(rules.filter((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs].includes('*'))).toEqual([]);
    expect(
      rules.filter((rule) => rule.resources.includes('secrets')).map(({ resourceNames, verbs }) => ({ resourceNames, verbs })),
    ).toEqual([{ resourceNames: ['mlpipeline-minio-artifact'], verbs: ['get'] }]);
    expect(rules.flatMap(({ resources }) => resources).filter((resource) => /exec|attach|portforward|token/.test(resource))).toEqual([]);
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
    for (const name of ['backend.ts', 'pipelines.ts']) {
      const text = readFileSync(join(root, 'shared/adapters/kubeflow', name), 'utf8');
      for (const [, method = '', path = ''] of text.matchAll(/method: '(GET|POST)', path: ['`]([^'`]+)['`]/g))
        found.add(`${method} ${plain(path)}`);
      for (const [, path = ''] of text.matchAll(/(?:const path = |http\.tail\()`([^`]+)`/g)) found.add(`GET ${plain(path)}`);
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
      const met = manifests.find((one) => one.kind === target['kind'] && one.metadata.name === target['name']);
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
    expect(patches).toHaveLength(1);
  });
});
