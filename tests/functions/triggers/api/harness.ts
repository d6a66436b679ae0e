// The HTTP API over stores in memory: requests go through the real handlers, answers are held against the declared schemas.
import { HttpRequest, InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import { createMemoryListing } from '../../../../shared/adapters/memory/listing.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import type { JoinState, WindowState } from '../../../../shared/contracts/windows.ts';
import { Problem } from '../../../../shared/contracts/http-api.ts';
import { RejectedError, UserError } from '../../../../shared/errors/errors.ts';
import type { Caller } from '../../../../shared/ports/access.ts';
import type { StoryToStart } from '../../../../shared/ports/starter.ts';
import type { ApiDeps } from '../../../../functions/triggers/api/call.ts';
import { createIntake } from '../../../../functions/triggers/intake.ts';
import { apiRoutes, type ApiRoute } from '../../../../functions/triggers/api/routes.ts';
import { minute } from '../../../contracts/samples.ts';
import { createScriptedLake } from '../../../support/scripted-lake.ts';

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: never;
}

export interface Sent {
  token?: string | null;
  body?: unknown;
  /** Instead of `body`: sent as it is. */
  raw?: string | Uint8Array;
  headers?: Record<string, string>;
}

/** Tokens are `<name>/<role>,<role>`; the verifier of the product has tests of its own. */
const verifier: ApiDeps['verifier'] = {
  async verify(token): Promise<Caller> {
    const [name, roles] = token.split('/');
    if (!name || roles === undefined) throw new UserError(401, 'token-refused', 'The token was refused: the signature "does not" match');
    return { subject: `sub-${name}`, name, roles: roles === '' ? [] : roles.split(',') };
  },
};

export function createApi(more: Partial<ApiDeps> = {}) {
  const stores = createMemoryStores();
  const started: { story: StoryToStart; instanceId: string; input: Record<string, unknown> }[] = [];
  const raised: { instanceId: string; event: string; data: Record<string, unknown> }[] = [];
  /** Instances that are over or never were. */
  const untold = new Set<string>();
  const logged: unknown[][] = [];
  /** What the counting entities know, by `<pipeline>.<source>` and by pipeline. */
  const entities = { windows: new Map<string, WindowState>(), joins: new Map<string, JoinState>() };
  let minutes = 1000;
  const parts: Omit<ApiDeps, 'intake'> = {
    ...stores,
    verifier,
    windowsOf: () => ({
      window: async (pipeline, source) => entities.windows.get(`${pipeline}.${source}`) ?? null,
      join: async (pipeline) => entities.joins.get(pipeline) ?? null,
    }),
    store: createMemoryStore(),
    engine: {
      preview: () => Promise.reject(new RejectedError('engine-absent', 'this test has no engine')),
      readGold: async () => null,
    },
    // Tests of quarantine and erasure bring their own.
    cases: undefined as never,
    erasure: undefined as never,
    listing: createMemoryListing({ account: 'lake', container: 'data' }),
    files: createScriptedLake(),
    readCommit: () => Promise.reject(new RejectedError('blob-gone', 'this test has no lake')),
    starterOf: () => ({
      async start(story, instanceId, input) {
        if (started.some((one) => one.instanceId === instanceId)) return 'exists';
        started.push({ story, instanceId, input });
        return 'started';
      },
      async raise(instanceId, event, data) {
        if (untold.has(instanceId)) return 'nobody';
        raised.push({ instanceId, event, data });
        return 'sent';
      },
    }),
    backends: {},
    dataPipelines: null,
    platform: { invoke: async (_, rows) => rows.map((row) => ({ label: `cell-${row.length}`, probability: 0.5 })) },
    probes: [],
    queueDepth: async () => 0,
    lake: { account: 'lake', container: 'data' },
    policy: { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 },
    now: () => new Date(minute((minutes += 1))),
    ...more,
  };
  const deps: ApiDeps = { intake: createIntake(parts), ...parts };
  const routes = apiRoutes(deps);

  async function send(method: string, path: string, sent: Sent = {}): Promise<Reply> {
    const url = new URL(`http://localhost/api/v1/${path}`);
    const { route, params } = match(routes, method, decodeURI(url.pathname.slice('/api/'.length)));
    const token = sent.token === undefined ? 'root/admin' : sent.token;
    const raw = sent.raw ?? (sent.body === undefined ? undefined : JSON.stringify(sent.body));
    const request = new HttpRequest({
      method,
      url: url.href,
      query: Object.fromEntries(url.searchParams),
      params,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(raw === undefined ? {} : { 'content-type': route.operation.upload === null ? 'application/json' : 'application/octet-stream' }),
        ...sent.headers,
      },
      ...(raw === undefined ? {} : { body: typeof raw === 'string' ? { string: raw } : { bytes: raw } }),
    });
    const context = new InvocationContext({ invocationId: 'inv-1', functionName: route.name, logHandler: (...line) => logged.push(line) });
    const answer = (await route.handler(request, context)) as { status: number; headers: Record<string, string>; body: string };
    const body: unknown = JSON.parse(answer.body);
    const schema: z.ZodType = answer.status < 400 ? route.operation.answer : Problem;
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw new Error(`${method} ${path} answered ${answer.body.slice(0, 500)}: ${parsed.error.message}`);
    if (answer.status < 400 && !(answer.status in route.operation.statuses)) throw new Error(`${answer.status} is not a declared status`);
    return { status: answer.status, headers: answer.headers, body: body as never };
  }

  return { deps, routes, started, raised, untold, entities, logged, send };
}

/** As the host matches: literal segments before parameters. */
function match(routes: ApiRoute[], method: string, path: string): { route: ApiRoute; params: Record<string, string> } {
  const segments = path.split('/');
  const fitting = routes.flatMap((route) => {
    const pattern = route.route.split('/');
    if (route.method !== method || pattern.length !== segments.length) return [];
    const params: Record<string, string> = {};
    for (const [index, part] of pattern.entries()) {
      const segment = segments[index] ?? '';
      if (part.startsWith('{')) params[part.slice(1, -1)] = segment;
      else if (part !== segment) return [];
    }
    return [{ route, params }];
  });
  const [best] = fitting.sort((a, b) => Object.keys(a.params).length - Object.keys(b.params).length);
  if (!best) throw new Error(`no route for ${method} ${path}`);
  return best;
}
