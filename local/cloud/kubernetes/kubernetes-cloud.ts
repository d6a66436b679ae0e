// The Kubernetes API for one machine: nodes, pods and their logs, events, runtime classes, TokenRequest, access reviews, PodDefaults.
// Every call needs a bearer token and a rule for it. Failures can be planned (`/_admin/faults`) by operation, e.g. `ListNodes`.
import { BodyNotJsonError, BodyTooLargeError, isRecord, json, readJson } from '../kit/body.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { createAccess, type Access, type Action } from './access.ts';
import { administer } from './admin.ts';
import type { Cluster, EventRecord, PodRecord } from './cluster.ts';
import type { AccessOptions } from './options.ts';
import { podLog } from './pod-log.ts';
import { readPodDefault } from './pod-defaults.ts';
import { labelsOf } from './scheduling.ts';
import { fieldSelector, labelSelector } from './selectors.ts';
import { notFound, StatusError, statusResponse } from './status.ts';
import { eventView, nodeView, podView, seconds } from './views.ts';

export interface KubernetesOptions {
  readonly cluster: Cluster;
  readonly access: AccessOptions;
}

export interface KubernetesCloud extends Cloud {
  readonly faults: Faults;
}

interface Call {
  readonly cluster: Cluster;
  readonly access: Access;
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly user: string;
  readonly ns: string;
  readonly name: string;
}

type Handler = (call: Call) => Promise<Response> | Response;

interface Endpoint {
  readonly operation: string;
  readonly action: Pick<Action, 'verb' | 'group' | 'resource'>;
  readonly handle: Handler;
}

const core = (operation: string, verb: string, resource: string, handle: Handler, group = ''): Endpoint => ({
  operation,
  action: { verb, group, resource },
  handle,
});

/** Method, path with `:ns` and `:name`, operation, right, answer. */
const TABLE: readonly (readonly [string, string, Endpoint])[] = [
  ['GET', '/api/v1/nodes', core('ListNodes', 'list', 'nodes', listNodes)],
  ['GET', '/api/v1/nodes/:name', core('GetNode', 'get', 'nodes', getNode)],
  ['GET', '/api/v1/namespaces/:ns/pods', core('ListPods', 'list', 'pods', listPods)],
  ['GET', '/api/v1/namespaces/:ns/pods/:name', core('GetPod', 'get', 'pods', ({ ...call }) => json(podView(podOf(call))))],
  ['DELETE', '/api/v1/namespaces/:ns/pods/:name', core('DeletePod', 'delete', 'pods', deletePod)],
  ['GET', '/api/v1/namespaces/:ns/pods/:name/log', core('GetPodLog', 'get', 'pods/log', getLog)],
  ['GET', '/api/v1/namespaces/:ns/events', core('ListEvents', 'list', 'events', listEvents)],
  ['POST', '/api/v1/namespaces/:ns/serviceaccounts/:name/token', core('CreateToken', 'create', 'serviceaccounts/token', createToken)],
  ['GET', '/apis/node.k8s.io/v1/runtimeclasses', core('ListRuntimeClasses', 'list', 'runtimeclasses', listRuntimeClasses, 'node.k8s.io')],
  ['GET', '/apis/node.k8s.io/v1/runtimeclasses/:name', core('GetRuntimeClass', 'get', 'runtimeclasses', getRuntimeClass, 'node.k8s.io')],
  [
    'GET',
    '/apis/kubeflow.org/v1alpha1/namespaces/:ns/poddefaults/:name',
    core('GetPodDefault', 'get', 'poddefaults', getPodDefault, 'kubeflow.org'),
  ],
  [
    'POST',
    '/apis/kubeflow.org/v1alpha1/namespaces/:ns/poddefaults',
    core('CreatePodDefault', 'create', 'poddefaults', createPodDefault, 'kubeflow.org'),
  ],
];

/** Everybody who was recognised may ask what he may do. */
const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const ROUTES = TABLE.map(([method, path, endpoint]) => ({
  method,
  endpoint,
  pattern: new RegExp(`^${path.replace(/\./g, '\\.').replace(/:(ns|name)/g, '(?<$1>[^/]+)')}$`),
}));

export function createKubernetesCloud(options: KubernetesOptions): KubernetesCloud {
  const { cluster } = options;
  const access = createAccess(options.access, cluster);
  const cloud: Cloud = {
    name: 'kubernetes',
    fetch: (request) => answer(cluster, access, request),
    close: () => Promise.resolve(),
  };
  return withFaults(cloud, (request) => {
    const { pathname } = new URL(request.url);
    return pathname === REVIEW ? 'CreateReview' : match(request.method, pathname)?.endpoint.operation;
  });
}

async function answer(cluster: Cluster, access: Access, request: Request): Promise<Response> {
  const admin = await administer(cluster, request);
  if (admin) return admin;
  const { pathname, searchParams: query } = new URL(request.url);
  // Whoever checks tokens of the cluster needs its keys (on a cluster: published by the provider).
  if (pathname === '/openid/v1/jwks') return json(cluster.tokens.jwks);
  try {
    if (pathname === '/version') return json({ major: '1', minor: '35', gitVersion: 'v1.35.0', platform: 'linux/amd64' });
    const user = await access.authenticate(request);
    if (pathname === REVIEW && request.method === 'POST') return await review(access, user, request);
    const matched = match(request.method, pathname);
    if (!matched) throw new StatusError(404, 'the server could not find the requested resource');
    if (query.get('watch') === 'true') throw new StatusError(400, 'the stand-in has no watch (stricter than the service)');
    const { ns = '', name = '' } = matched.params;
    access.require(user, { ...matched.endpoint.action, namespace: ns === '' ? undefined : ns });
    return await matched.endpoint.handle({ ...{ cluster, access, request, query, user }, ns, name });
  } catch (error) {
    if (error instanceof StatusError) return statusResponse(error);
    if (error instanceof BodyNotJsonError || error instanceof BodyTooLargeError) return statusResponse(new StatusError(400, error.message));
    throw error;
  }
}

function match(method: string, pathname: string): { endpoint: Endpoint; params: { ns?: string; name?: string } } | undefined {
  for (const route of ROUTES) {
    const found = route.method === method ? route.pattern.exec(pathname) : null;
    if (!found) continue;
    try {
      return {
        endpoint: route.endpoint,
        params: Object.fromEntries(Object.entries(found.groups ?? {}).map(([key, text]) => [key, decodeURIComponent(text)])),
      };
    } catch {
      return undefined; // a malformed escape names nothing
    }
  }
  return undefined;
}

/** One page of a list: `limit` and an opaque `continue`. */
function page(kind: string, items: readonly object[], query: URLSearchParams): Response {
  const limit = Number(query.get('limit') ?? 0);
  const token = query.get('continue') ?? '';
  const from = token === '' ? 0 : Number(Buffer.from(token, 'base64url').toString('utf8'));
  if (!Number.isInteger(limit) || limit < 0 || !Number.isInteger(from) || from < 0) throw new StatusError(400, 'continue key is not valid');
  const to = limit === 0 ? items.length : from + limit;
  const next = to < items.length ? { continue: Buffer.from(String(to)).toString('base64url'), remainingItemCount: items.length - to } : {};
  return json({ kind, apiVersion: 'v1', metadata: { resourceVersion: '1', ...next }, items: items.slice(from, to) });
}

function listNodes({ cluster, query }: Call): Response {
  const wanted = labelSelector(query.get('labelSelector'));
  const named = fieldSelector<{ name: string }>(query.get('fieldSelector'), { 'metadata.name': ({ name }) => name });
  const nodes = [...cluster.nodes.values()]
    .filter((node) => wanted(labelsOf(node)) && named(node))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return page('NodeList', nodes.map(nodeView), query);
}

function getNode({ cluster, name }: Call): Response {
  const node = cluster.nodes.get(name);
  if (!node) throw notFound('nodes', name);
  return json(nodeView(node));
}

function podOf({ cluster, ns, name }: Call): PodRecord {
  const pod = cluster.pods.get(`${ns}/${name}`);
  if (!pod) throw notFound('pods', name);
  return pod;
}

function listPods({ cluster, query, ns }: Call): Response {
  const wanted = labelSelector(query.get('labelSelector'));
  const fields = fieldSelector<PodRecord>(query.get('fieldSelector'), {
    'metadata.name': (pod) => pod.name,
    'status.phase': (pod) => pod.phase,
    'spec.nodeName': (pod) => pod.node ?? '',
  });
  const pods = [...cluster.pods.values()].filter((pod) => pod.namespace === ns && wanted(pod.labels) && fields(pod));
  return page('PodList', pods.map(podView), query);
}

function deletePod(call: Call): Response {
  const pod = podOf(call);
  call.cluster.deletePod(call.ns, call.name);
  return json(podView(pod));
}

function getLog(call: Call): Response {
  return new Response(podLog(podOf(call), call.query, call.cluster.clock), { headers: { 'content-type': 'text/plain' } });
}

function listEvents({ cluster, query, ns }: Call): Response {
  const wanted = fieldSelector<EventRecord>(query.get('fieldSelector'), {
    'involvedObject.kind': () => 'Pod',
    'involvedObject.name': (event) => event.pod,
    type: (event) => event.type,
    reason: (event) => event.reason,
  });
  return page('EventList', cluster.events.filter((event) => event.namespace === ns && wanted(event)).map(eventView), query);
}

/** TokenRequest: audiences of the caller's choice, ten minutes at least. */
async function createToken({ cluster, request, ns, name }: Call): Promise<Response> {
  if (!cluster.serviceAccounts.has(`${ns}/${name}`)) throw notFound('serviceaccounts', name);
  const body = await readJson(request);
  const spec = isRecord(body) && isRecord(body['spec']) ? body['spec'] : {};
  if (!isRecord(body) || body['kind'] !== 'TokenRequest' || body['apiVersion'] !== 'authentication.k8s.io/v1') {
    throw new StatusError(400, 'expected apiVersion authentication.k8s.io/v1 and kind TokenRequest');
  }
  const { audiences = [cluster.tokens.issuer], expirationSeconds = 3600 } = spec;
  if (!Array.isArray(audiences) || !audiences.every((audience) => typeof audience === 'string')) {
    throw new StatusError(400, 'TokenRequest in version "v1" cannot be handled: spec.audiences is a list of strings');
  }
  if (
    typeof expirationSeconds !== 'number' ||
    !Number.isInteger(expirationSeconds) ||
    expirationSeconds < 600 ||
    expirationSeconds > 2 ** 32
  ) {
    throw new StatusError(
      422,
      `TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: ${String(expirationSeconds)}: may not specify a duration less than 10 minutes`,
    );
  }
  const { token, expiresAt } = await cluster.tokens.mint({ namespace: ns, name }, audiences, expirationSeconds);
  const status = { token, expirationTimestamp: seconds(expiresAt) };
  return json(
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace: ns },
      spec: { audiences, expirationSeconds },
      status,
    },
    201,
  );
}

const runtimeClass = (name: string) => ({ kind: 'RuntimeClass', apiVersion: 'node.k8s.io/v1', metadata: { name }, handler: name });

function listRuntimeClasses({ cluster, query }: Call): Response {
  return page('RuntimeClassList', [...cluster.runtimeClasses].sort().map(runtimeClass), query);
}

function getRuntimeClass({ cluster, name }: Call): Response {
  if (!cluster.runtimeClasses.has(name)) throw notFound('runtimeclasses.node.k8s.io', name);
  return json(runtimeClass(name));
}

function getPodDefault({ cluster, ns, name }: Call): Response {
  const found = cluster.podDefaults.get(`${ns}/${name}`);
  if (!found) throw notFound('poddefaults.kubeflow.org', name);
  return json(found.body);
}

async function createPodDefault({ cluster, request, ns }: Call): Promise<Response> {
  const record = readPodDefault(ns, await readJson(request));
  const key = `${ns}/${record.name}`;
  if (cluster.podDefaults.has(key)) throw new StatusError(409, `poddefaults.kubeflow.org "${record.name}" already exists`);
  cluster.podDefaults.set(key, record);
  return json(record.body, 201);
}

async function review(access: Access, user: string, request: Request): Promise<Response> {
  const body = await readJson(request);
  const spec = isRecord(body) && isRecord(body['spec']) ? body['spec'] : {};
  const asked = isRecord(spec['resourceAttributes']) ? spec['resourceAttributes'] : undefined;
  if (!asked || typeof asked['verb'] !== 'string' || typeof asked['resource'] !== 'string') {
    throw new StatusError(
      422,
      'SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes with verb and resource is required',
    );
  }
  const text = (key: string): string => (typeof asked[key] === 'string' ? asked[key] : '');
  const resource = text('subresource') === '' ? text('resource') : `${text('resource')}/${text('subresource')}`;
  const allowed = access.may(user, { verb: text('verb'), group: text('group'), resource, namespace: text('namespace') || undefined });
  return json({ kind: 'SelfSubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', metadata: {}, spec, status: { allowed } }, 201);
}
