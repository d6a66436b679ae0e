// The HTTP face of the engine: the management API under /runtime/webhooks/durabletask and the SDK's own calls under /durabletask.
// Both have the same routes. Routes, codes and texts: the extension's HttpApiHandler, and facts/durable.md §2.4 and §2.9.
import { AlreadyExists, type ClientOperations } from './client-operations.ts';
import { empty, json } from './answers.ts';
import { instanceLinks, rpcPath, webhookPath } from './client-binding.ts';
import type { DurableSettings } from './engine.ts';
import { isTerminal, type OrchestrationState } from './instance-state.ts';
import { listInstances, purgeByFilter } from './instance-query.ts';
import { statusText } from './status-payload.ts';

export interface ManagementOptions {
  operations: ClientOperations;
  settings: DurableSettings;
  baseUrl(): string;
  /** Sleeps without counting as work in flight, so that virtual time may pass meanwhile. */
  sleep(ms: number): Promise<void>;
}

/** Larger bodies are refused; the real host takes 100 MB. */
const largestBody = 100 * 1024 * 1024;

class HttpProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const problem = (status: number, message: string): Response => json(status, JSON.stringify({ Message: message }));

/** Answers a request, or gives undefined when the path belongs to somebody else. */
export async function handleManagement(request: Request, options: ManagementOptions): Promise<Response | undefined> {
  const url = new URL(request.url);
  const base = [webhookPath, rpcPath].find((prefix) => url.pathname === prefix || url.pathname.startsWith(`${prefix}/`));
  if (base === undefined) return undefined;
  try {
    const segments = decodeSegments(url.pathname.slice(base.length));
    if (request.method !== 'GET') {
      const blocked = options.operations.blocked();
      if (blocked !== undefined) return problem(503, blocked);
    }
    const response = await new ManagementCall(request, url, options).route(segments);
    await options.operations.settled();
    return response;
  } catch (error) {
    if (error instanceof HttpProblem) return problem(error.status, error.message);
    if (error instanceof AlreadyExists) return problem(409, error.message);
    throw error;
  }
}

function decodeSegments(path: string): string[] {
  try {
    return path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
  } catch {
    throw new HttpProblem(400, 'The path is not valid: a % sign must be followed by two hexadecimal digits.');
  }
}

class ManagementCall {
  readonly #request: Request;
  readonly #url: URL;
  readonly #options: ManagementOptions;
  readonly #operations: ClientOperations;

  constructor(request: Request, url: URL, options: ManagementOptions) {
    this.#request = request;
    this.#url = url;
    this.#options = options;
    this.#operations = options.operations;
  }

  async route([controller, ...rest]: string[]): Promise<Response> {
    switch (controller?.toLowerCase()) {
      case 'orchestrators':
        return this.#orchestrators(rest);
      case 'instances':
        return this.#instances(rest);
      case 'entities':
        return this.#entities(rest);
      default:
        return empty(404);
    }
  }

  async #orchestrators([name, instanceId, ...more]: string[]): Promise<Response> {
    if (this.#request.method !== 'POST' || name === undefined || more.length > 0) return empty(404);
    return this.#start(name, instanceId);
  }

  async #instances([id, operation, eventName, ...more]: string[]): Promise<Response> {
    const { method } = this.#request;
    if (more.length > 0) return empty(404);
    if (id === undefined) return this.#many(method);
    if (operation === undefined) return this.#one(method, id);
    if (method !== 'POST') return empty(404);
    if (eventName === undefined) return this.#operate(id, operation.toLowerCase());
    return operation.toLowerCase() === 'raiseevent' ? this.#raise(id, eventName) : empty(404);
  }

  async #entities([name, key, ...more]: string[]): Promise<Response> {
    const { method } = this.#request;
    if (more.length > 0) return empty(404);
    if (name === undefined) return method === 'GET' ? this.#listEntities() : empty(404);
    return this.#entity(method, name, key);
  }

  #query(name: string): string | undefined {
    return this.#url.searchParams.get(name) ?? undefined;
  }

  #flag(name: string, otherwise: boolean): boolean {
    const value = this.#query(name)?.toLowerCase();
    return value === 'true' ? true : value === 'false' ? false : otherwise;
  }

  async #body(): Promise<string> {
    if (Number(this.#request.headers.get('content-length') ?? '0') > largestBody)
      throw new HttpProblem(413, `The body is larger than ${largestBody} bytes.`);
    const text = await this.#request.text();
    if (text.length > largestBody) throw new HttpProblem(413, `The body is larger than ${largestBody} bytes.`);
    return text;
  }

  async #start(name: string, instanceId: string | undefined): Promise<Response> {
    const body = await this.#body();
    // No input at all reaches the orchestrator as an empty string (facts/durable.md §2.9, 10).
    const input = body === '' ? '""' : checkedJson(body);
    const version = this.#query('version');
    const id = await this.#operations.start({
      name,
      input,
      ...(instanceId === undefined ? {} : { instanceId }),
      ...(version === undefined ? {} : { version }),
    });
    return this.#started(id);
  }

  async #started(id: string): Promise<Response> {
    const timeout = Number(this.#query('timeout') ?? 'NaN');
    const interval = Number(this.#query('pollingInterval') ?? 'NaN');
    if (Number.isFinite(timeout) && Number.isFinite(interval)) {
      if (interval > timeout) throw new HttpProblem(400, `Total timeout ${timeout} should be bigger than retry timeout ${interval}`);
      const ended = await this.#waitForEnd(id, timeout * 1000, Math.max(interval * 1000, 10));
      if (ended?.status === 'Completed') return json(200, ended.output ?? 'null');
      if (ended) return json(200, statusText(ended, { showInput: true }));
    }
    const links = instanceLinks(this.#options.baseUrl(), this.#options.settings, id);
    return json(202, JSON.stringify(links), { location: links['statusQueryGetUri'] ?? '', 'retry-after': '10' });
  }

  async #waitForEnd(id: string, timeoutMs: number, intervalMs: number): Promise<OrchestrationState | undefined> {
    const until = Date.now() + Math.min(timeoutMs, 230_000);
    for (;;) {
      const state = this.#operations.orchestration(id);
      if (state && isTerminal(state.status)) {
        await this.#operations.settled();
        return state;
      }
      const left = until - Date.now();
      if (left <= 0) return undefined;
      await this.#options.sleep(Math.min(left, intervalMs));
    }
  }

  async #one(method: string, id: string): Promise<Response> {
    const state = this.#operations.orchestration(id);
    if (method === 'DELETE') return this.#purge(id, state);
    if (method !== 'GET' || !state) return empty(404);
    // Everything that this answer shows must be on disk first.
    await this.#operations.settled();
    const history = this.#flag('showHistory', false) ? { history: await this.#operations.history(id) } : {};
    const text = statusText(state, {
      showInput: this.#flag('showInput', true),
      showHistoryOutput: this.#flag('showHistoryOutput', false),
      ...history,
    });
    if (!isTerminal(state.status)) return json(202, text, { location: this.#request.url, 'retry-after': '5' });
    return json(state.status === 'Failed' && this.#flag('returnInternalServerErrorOnFailure', false) ? 500 : 200, text);
  }

  async #purge(id: string, state: OrchestrationState | undefined): Promise<Response> {
    if (!id.startsWith('@')) {
      if (!state) return empty(404);
      if (!isTerminal(state.status)) {
        const message = `Only orchestrations in a terminal state can be purged, but the orchestration with instance ID ${id} has status ${state.status}`;
        return json(412, JSON.stringify(message));
      }
    }
    const instancesDeleted = await this.#operations.purge([id]);
    return json(200, JSON.stringify({ instancesDeleted }));
  }

  async #many(method: string): Promise<Response> {
    if (method === 'GET')
      return listInstances(this.#operations, this.#url.searchParams, this.#request.headers.get('x-ms-continuation-token'));
    if (method === 'DELETE') return purgeByFilter(this.#operations, this.#url.searchParams);
    return empty(404);
  }

  async #raise(id: string, name: string): Promise<Response> {
    const state = this.#operations.orchestration(id);
    if (!state) return empty(404);
    if (isTerminal(state.status)) return empty(410);
    const body = await this.#body();
    if (body === '') throw new HttpProblem(400, 'Invalid JSON content');
    const media = this.#request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (media !== 'application/json') throw new HttpProblem(400, 'Only application/json request content is supported');
    const sent = await this.#operations.raise(id, name, JSON.stringify(JSON.parse(checkedJson(body))));
    return empty(sent ? 202 : 410);
  }

  async #operate(id: string, operation: string): Promise<Response> {
    if (operation === 'restart') return this.#restart(id);
    if (operation === 'rewind') return this.#rewind(id);
    const act = { terminate: 'terminate', suspend: 'suspend', resume: 'resume' }[operation] as
      'terminate' | 'suspend' | 'resume' | undefined;
    const state = this.#operations.orchestration(id);
    if (!act || !state) return empty(404);
    if (isTerminal(state.status)) return empty(410);
    return empty((await this.#operations[act](id, this.#query('reason') ?? null)) ? 202 : 410);
  }

  async #restart(id: string): Promise<Response> {
    const state = this.#operations.orchestration(id);
    if (!state) throw new HttpProblem(400, 'InstanceId does not match a valid orchestration instance.');
    try {
      return await this.#started(await this.#operations.restart(state, this.#flag('restartWithNewInstanceId', true)));
    } catch (error) {
      if (error instanceof AlreadyExists) throw new HttpProblem(409, 'A non-terminal instance with this instance ID already exists.');
      throw error;
    }
  }

  async #rewind(id: string): Promise<Response> {
    const state = this.#operations.orchestration(id);
    if (!state) return json(404, JSON.stringify(`No orchestration with instance ID "$${id}" found.`));
    if (state.status !== 'Failed') {
      return json(
        412,
        JSON.stringify(`This orchestration has status ${state.status}, but only orchestrations in the "Failed" state can be rewound.`),
      );
    }
    await this.#operations.rewind(state, this.#query('reason') ?? '');
    return empty(202);
  }

  async #entity(method: string, name: string, key: string | undefined): Promise<Response> {
    if (method === 'GET' && key === undefined) return this.#listEntities(name);
    if (key === undefined) return empty(404);
    // An empty key is written as a dollar sign.
    const actualKey = key === '$' ? '' : key;
    if (method === 'GET') {
      await this.#operations.settled();
      const entity = this.#operations.entity(name, actualKey);
      return entity?.exists ? json(200, entity.state ?? 'null') : empty(404);
    }
    if (method !== 'POST' && method !== 'DELETE') return empty(404);
    const operation = method === 'DELETE' ? 'delete' : (this.#query('op') ?? '');
    const body = await this.#body();
    const media = this.#request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
    const input =
      body === ''
        ? null
        : media === 'application/json'
          ? JSON.stringify(JSON.parse(checkedJson(body, 'Could not parse JSON content')))
          : JSON.stringify(body);
    await this.#operations.signal(name, actualKey, operation, input);
    return empty(202);
  }

  async #listEntities(name?: string): Promise<Response> {
    await this.#operations.settled();
    const withState = this.#flag('fetchState', false);
    const list = [...this.#operations.entities(name)]
      .filter((entity) => entity.exists)
      .map((entity) => ({
        entityId: { name: entity.name, key: entity.key },
        lastOperationTime: entity.updatedAt,
        ...(withState ? { state: JSON.parse(entity.state ?? 'null') as unknown } : {}),
      }));
    return json(200, JSON.stringify(list));
  }
}

function checkedJson(text: string, complaint = 'Invalid JSON content'): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    throw new HttpProblem(400, complaint);
  }
}
