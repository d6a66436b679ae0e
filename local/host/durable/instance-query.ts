// Lists and purges of many instances, with the filters and pages of the management API.
import type { ClientOperations } from './client-operations.ts';
import { isTerminal, type OrchestrationState, type RuntimeStatus } from './instance-state.ts';
import { empty, json } from './answers.ts';
import { statusText } from './status-payload.ts';

/** The extension's default page. */
const defaultPage = 100;

type Filter = (state: OrchestrationState) => boolean;

function filterOf(query: URLSearchParams): Filter {
  const from = Date.parse(query.get('createdTimeFrom') ?? '');
  const to = Date.parse(query.get('createdTimeTo') ?? '');
  const statuses = new Set((query.getAll('runtimeStatus').join(',') || '').split(',').filter((status) => status !== '') as RuntimeStatus[]);
  const prefix = query.get('instanceIdPrefix');
  return (state) => {
    const created = Date.parse(state.createdAt);
    if (!Number.isNaN(from) && created < from) return false;
    if (!Number.isNaN(to) && created > to) return false;
    if (statuses.size > 0 && !statuses.has(state.status)) return false;
    return prefix === null || state.id.startsWith(prefix);
  };
}

/** One page of instances; the header `x-ms-continuation-token` leads to the next. */
export async function listInstances(operations: ClientOperations, query: URLSearchParams, token: string | null): Promise<Response> {
  await operations.settled();
  const accepts = filterOf(query);
  const size = Math.max(1, Number(query.get('top')) || defaultPage);
  const after = token === null || token === '' ? undefined : Buffer.from(token, 'base64url').toString('utf8');
  const page: OrchestrationState[] = [];
  let skipping = after !== undefined;
  let more = false;
  for (const state of operations.orchestrations()) {
    if (skipping) {
      skipping = state.id !== after;
      continue;
    }
    if (!accepts(state)) continue;
    if (page.length === size) {
      more = true;
      break;
    }
    page.push(state);
  }
  const showInput = query.get('showInput')?.toLowerCase() === 'true';
  const last = page.at(-1);
  const headers: Record<string, string> = more && last ? { 'x-ms-continuation-token': Buffer.from(last.id).toString('base64url') } : {};
  return json(200, `[${page.map((state) => statusText(state, { showInput })).join(',')}]`, headers);
}

/** Purges finished instances of a time span; the span's beginning is required (durable-js #644). */
export async function purgeByFilter(operations: ClientOperations, query: URLSearchParams): Promise<Response> {
  if (Number.isNaN(Date.parse(query.get('createdTimeFrom') ?? ''))) {
    return json(400, JSON.stringify("Please provide value for 'createdTimeFrom' parameter."));
  }
  const accepts = filterOf(query);
  const ids = [...operations.orchestrations()].filter((state) => isTerminal(state.status) && accepts(state)).map((state) => state.id);
  const instancesDeleted = await operations.purge(ids);
  return instancesDeleted === 0 ? empty(404) : json(200, JSON.stringify({ instancesDeleted }));
}
