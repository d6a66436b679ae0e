// Databricks' REST API as far as Sluice uses it: Jobs 2.2 one-time runs, clusters, files of volumes (facts/azure.md §6).
import * as z from 'zod';
import { identityOf, retryAfterSeconds } from '../../clients/answers.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';

export interface DatabricksApiOptions {
  /** `https://adb-….azuredatabricks.net`, or a stand-in on this machine over http. */
  url: string;
  /** Bearer token of the service principal for the Databricks application. Never logged. */
  getToken: () => Promise<string>;
  /** Limit of one call (default 30 000 ms). */
  timeoutMs?: number;
  sleep: (ms: number) => Promise<void>;
}

export interface DatabricksApi {
  /** Reads are repeated a little after 429 and 5xx; writes only where `repeatable` says that twice is once. */
  call<Shape extends z.ZodType>(
    method: 'GET' | 'POST',
    path: string,
    shape: Shape,
    /** `body` is sent as JSON; text is JSON already. */
    request?: { query?: Readonly<Record<string, string>>; body?: unknown; repeatable?: boolean },
  ): Promise<z.infer<Shape>>;
  /** Whether a file of a volume is there. */
  fileExists(path: string): Promise<boolean>;
}

const REPEATS = 3;
const MAX_WAIT_MS = 5_000;
const Problem = z.object({ error_code: z.string().optional(), message: z.string().optional() });

export function createDatabricksApi(options: DatabricksApiOptions): DatabricksApi {
  const { origin } = checkedUrl(options.url);
  const timeoutMs = options.timeoutMs ?? 30_000;
  /** Who asked last, for messages. */
  let identity = 'no token';

  async function send(method: string, target: string, body: unknown): Promise<Response> {
    const token = await options.getToken();
    identity = identityOf(token);
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    try {
      return await fetch(`${origin}${target}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : (error as Error).name;
      throw new TransientError('databricks-unreachable', `Databricks at ${origin} did not answer ${method} ${pathOf(target)}: ${cause}`);
    }
  }

  async function patiently(method: string, target: string, body: unknown, repeatable: boolean): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      let failure: unknown;
      let pause = 300 * 2 ** attempt;
      try {
        const response = await send(method, target, body);
        if (response.status !== 429 && response.status < 500) return response;
        pause = Math.max(pause, (retryAfterSeconds(response.headers, Date.now()) ?? 0) * 1000);
        failure = await refusal(response, method, target);
      } catch (error) {
        failure = error;
      }
      if (!repeatable || attempt >= REPEATS || pause > MAX_WAIT_MS || !(failure instanceof TransientError)) throw failure;
      await options.sleep(pause);
    }
  }

  async function refusal(response: Response, method: string, target: string): Promise<Error> {
    const text = (await response.text()).slice(0, 20_000);
    const parsed = Problem.safeParse(safeJson(text));
    const said = parsed.success ? `${parsed.data.error_code ?? ''} ${parsed.data.message ?? ''}`.trim() : '';
    const what = `Databricks at ${origin} answered ${method} ${pathOf(target)} with ${response.status}${said === '' ? '' : `: ${said.slice(0, 600)}`}`;
    const { status } = response;
    if (status === 401 || status === 403) {
      return new RejectedError(
        'databricks-forbidden',
        `${what}. The caller is the service principal ${identity}: it must be added to the workspace and have the permissions to create runs (CAN MANAGE RUN), to attach to the cluster (CAN ATTACH TO), and READ VOLUME and WRITE VOLUME on the store's volume`,
      );
    }
    if (status === 404 && (!parsed.success || parsed.data.error_code === undefined || parsed.data.error_code === 'ENDPOINT_NOT_FOUND')) {
      return new RejectedError('workspace-unknown', `${what}. No Databricks workspace answers there: check DATABRICKS_URL`);
    }
    if (status === 429) return new TransientError('databricks-throttled', what);
    if (status === 408 || status >= 500) return new TransientError('databricks-unavailable', what);
    if (status >= 300 && status < 400)
      return new RejectedError('databricks-refused', `${what}; it redirects, so the address may lead to a login page`);
    return new RejectedError('databricks-refused', what);
  }

  return {
    async call(method, path, shape, { query, body, repeatable = method === 'GET' } = {}) {
      const target = query ? `${path}?${new URLSearchParams(query).toString()}` : path;
      const response = await patiently(method, target, body, repeatable);
      if (!response.ok) throw await refusal(response, method, target);
      const parsed = shape.safeParse(integersAsText(await response.text()));
      if (!parsed.success)
        throw new RejectedError('databricks-answer-invalid', `Databricks answered ${method} ${path} with something unexpected`);
      return parsed.data;
    },

    async fileExists(path) {
      const target = `/api/2.0/fs/files${path.split('/').map(encodeURIComponent).join('/')}`;
      const response = await patiently('HEAD', target, undefined, true);
      await response.body?.cancel();
      if (response.ok) return true;
      if (response.status === 404) return false;
      throw await refusal(response, 'HEAD', target);
    },
  };
}

function checkedUrl(url: string): URL {
  const parsed = new URL(url);
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(parsed.hostname);
  if (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && loopback)) return parsed;
  throw new RejectedError('databricks-refused', `DATABRICKS_URL ${parsed.origin} must be https; http is taken for this machine only`);
}

/** Run ids are 64-bit integers, which JSON.parse would round: long integers become text before parsing. */
function integersAsText(text: string): unknown {
  return safeJson(
    text.replaceAll(
      /("(?:[^"\\]|\\.)*")|(?<![\d.eE+-])(-?\d{16,})(?![\d.eE])/g,
      (_, quoted?: string, number?: string) => quoted ?? `"${number ?? ''}"`,
    ),
  );
}

function safeJson(text: string): unknown {
  try {
    return text.trim() === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

const pathOf = (target: string): string => target.split('?')[0] ?? target;
