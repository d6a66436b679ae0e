// The host's own paths: `/admin/host/status`, `/admin/host/ping`, `/admin/functions` and running a function by hand.
// Shapes after the real host's; fields that only make sense in Azure are left out.
import type { FunctionApp, RegisteredFunction } from '../../core/function-app.ts';
import type { Plan } from '../plan.ts';

/** Life of a host as `/admin/host/status` reports it. */
export type HostState = 'Starting' | 'Running' | 'Stopping';

/** What the admin paths report on and can do. */
export interface AdminView {
  readonly app: FunctionApp;
  readonly plan: Plan;
  readonly routePrefix: string;
  readonly baseUrl: string;
  /** Starts a function that has no HTTP trigger; false when there is none of that name or it cannot be started by hand. */
  runByHand(name: string, input: string): boolean;
}

/** A JSON answer. */
export interface AdminAnswer {
  readonly status: number;
  readonly body?: unknown;
}

/** Answers a path under `/admin`; `undefined` = no such path. `view` is absent while the host starts. */
export function answerAdmin(
  method: string,
  path: readonly string[],
  body: string,
  state: HostState,
  view: AdminView | undefined,
): AdminAnswer | undefined {
  const [area, name, extra] = path;
  if (area === 'host' && extra === undefined) {
    if (name === 'ping') return { status: 200 };
    if (name === 'status' && method === 'GET') return { status: 200, body: hostStatus(state) };
    return undefined;
  }
  if (area !== 'functions' || extra !== undefined) return undefined;
  if (!view) return { status: 503, body: { message: 'The host is starting.' } };
  if (name === undefined)
    return method === 'GET' ? { status: 200, body: [...view.app.functions.values()].map((one) => describe(one, view)) } : undefined;
  const registered = view.app.find(name);
  if (!registered) return { status: 404, body: { message: `There is no function called "${name}".` } };
  if (method === 'GET') return { status: 200, body: describe(registered, view) };
  if (method === 'POST') return runByHand(registered.name, body, view);
  return undefined;
}

function hostStatus(state: HostState): unknown {
  return {
    id: 'local-host',
    state,
    version: '4.1048.200.0',
    versionDetails: '4.1048.200.0 (local host)',
    processUptime: Math.round(process.uptime() * 1000),
  };
}

function describe(registered: RegisteredFunction, view: AdminView): unknown {
  const { baseUrl } = view;
  const trigger = view.plan.http.find((one) => one.registered.name === registered.name)?.trigger;
  const route = trigger && [view.routePrefix, text(trigger['route']) || registered.name].filter((part) => part !== '').join('/');
  return {
    name: registered.name,
    href: `${baseUrl}/admin/functions/${encodeURIComponent(registered.name)}`,
    config: { name: registered.name, language: 'node', bindings: registered.bindings.map(({ properties: _, ...binding }) => binding) },
    isDisabled: view.plan.disabled.has(registered.name),
    isDirect: false,
    isProxy: false,
    language: 'node',
    invoke_url_template: route === undefined ? null : `${baseUrl}/${route.replace(/^\/+/, '')}`,
  };
}

/** `{"input": "text"}`: the text becomes the trigger's value, as with the real host. */
function runByHand(name: string, body: string, view: AdminView): AdminAnswer {
  let input = '';
  try {
    const json = body === '' ? {} : (JSON.parse(body) as unknown);
    const value = typeof json === 'object' && json !== null ? (json as { input?: unknown }).input : undefined;
    input = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
  } catch {
    return { status: 400, body: { message: 'The body must be JSON such as {"input":"text"}.' } };
  }
  if (view.runByHand(name, input)) return { status: 202 };
  return {
    status: 400,
    body: { message: `"${name}" cannot be run by hand: call an HTTP function by its URL, start an orchestration through its client.` },
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
