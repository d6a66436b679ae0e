// What only a test or a person at this machine can do to the cluster: `PUT|DELETE /_admin/nodes/{name}`, `POST /_admin/pods`.
// No cluster has these routes; machines that fail and pods that die cannot be had otherwise.
import { BodyNotJsonError, isRecord, json, readJson } from '../kit/body.ts';
import type { Cluster, Trouble } from './cluster.ts';
import type { NodeOptions } from './options.ts';
import { quantity } from './quantities.ts';

const TROUBLES: readonly string[] = ['evict', 'oom-kill', 'lose', 'image-pull-back-off'] satisfies Trouble[];
const EFFECTS: readonly unknown[] = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const NODE_KEYS = ['labels', 'ready', 'reason', 'cordoned', 'taints', 'allocatable'];

/** The answer of an admin route; undefined where the path is none. */
export async function administer(cluster: Cluster, request: Request): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  if (!pathname.startsWith('/_admin/')) return undefined;
  const changes = request.method !== 'GET' && request.method !== 'DELETE';
  if (changes && !(request.headers.get('content-type') ?? '').startsWith('application/json')) {
    return json({ error: `${pathname} takes content-type application/json.` }, 415);
  }
  const [, node = ''] = /^\/_admin\/nodes\/([a-z0-9][a-z0-9.-]{0,252})$/.exec(pathname) ?? [];
  try {
    if (node !== '' && request.method === 'PUT') {
      cluster.nodes.set(node, readNode(node, await readJson(request)));
      cluster.changed();
      return json({ name: node });
    }
    if (node !== '' && request.method === 'DELETE') {
      const known = cluster.nodes.delete(node);
      cluster.changed();
      return json({ deleted: known }, known ? 200 : 404);
    }
    if (pathname === '/_admin/pods' && request.method === 'POST') {
      const { action, labels, namespace } = readTrouble(await readJson(request));
      return json({ happenedTo: cluster.trouble(action, labels, namespace) });
    }
  } catch (error) {
    if (error instanceof TypeError || error instanceof BodyNotJsonError) return json({ error: error.message }, 400);
    throw error;
  }
  return json({ error: 'Known: PUT and DELETE /_admin/nodes/{name}, POST /_admin/pods, /_admin/faults.' }, 404);
}

function readNode(name: string, body: unknown): NodeOptions {
  if (!isRecord(body)) throw new TypeError('A node is an object { labels?, ready?, reason?, cordoned?, taints?, allocatable? }.');
  const unknown = Object.keys(body).filter((key) => !NODE_KEYS.includes(key));
  if (unknown.length > 0) throw new TypeError(`A node does not know ${unknown.join(', ')}.`);
  const taints = body['taints'] ?? [];
  if (
    !Array.isArray(taints) ||
    !taints.every((taint) => isRecord(taint) && typeof taint['key'] === 'string' && EFFECTS.includes(taint['effect']))
  ) {
    throw new TypeError('taints is a list of { key, value?, effect }.');
  }
  const allocatable = strings(body['allocatable'], 'allocatable');
  for (const amount of Object.values(allocatable)) quantity(amount);
  return {
    name,
    labels: strings(body['labels'], 'labels'),
    ready: body['ready'] !== false,
    cordoned: body['cordoned'] === true,
    taints: taints as NonNullable<NodeOptions['taints']>,
    allocatable,
    ...(typeof body['reason'] === 'string' ? { reason: body['reason'] } : {}),
  };
}

function readTrouble(body: unknown): { action: Trouble; labels: Record<string, string>; namespace?: string } {
  if (!isRecord(body)) throw new TypeError('Expected { action, labels, namespace? }.');
  const { action, namespace } = body;
  if (typeof action !== 'string' || !TROUBLES.includes(action)) throw new TypeError(`action is one of ${TROUBLES.join(', ')}.`);
  const labels = strings(body['labels'], 'labels');
  if (Object.keys(labels).length === 0) throw new TypeError('labels name at least one label of the pod, e.g. {"sluice/step": "train"}.');
  return { action: action as Trouble, labels, ...(typeof namespace === 'string' ? { namespace } : {}) };
}

function strings(value: unknown, what: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string'))
    throw new TypeError(`${what} is an object of strings.`);
  return { ...(value as Record<string, string>) };
}
