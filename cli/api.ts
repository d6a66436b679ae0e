// The HTTP API as the command line uses it: JSON in and out, problem documents as errors that say what to do.
import { CommandError, EXIT } from './failure.ts';

export interface Api {
  readonly address: string;
  get<Result>(path: string): Promise<Result>;
  /** null when there is none (404). */
  find<Result>(path: string): Promise<Result | null>;
  send<Result>(method: 'PUT' | 'POST', path: string, body: unknown, headers?: Record<string, string>): Promise<Result>;
  /** Sends a file as it is; null for none. Waits as long as the host lets a request take. */
  upload<Result>(path: string, file: Blob | null): Promise<Result>;
}

interface Problem {
  title?: string;
  detail?: string;
  type?: string;
  problems?: { where?: string; problem: string; mend?: string; line?: number; column?: number }[];
}

/** Long enough for an invocation of an endpoint (70 s). */
const TIMEOUT_MS = 90_000;
/** The front door of a Functions app closes a request after 230 seconds. */
const UPLOAD_TIMEOUT_MS = 235_000;

export function createApi(address: string, token: () => Promise<string>): Api {
  let cached: { value: string; until: number } | undefined;
  const bearer = async (): Promise<string> => {
    if (!cached || cached.until < Date.now()) cached = { value: await token(), until: Date.now() + 600_000 };
    return cached.value;
  };
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> => {
    const authorization = `Bearer ${await bearer()}`;
    const isFile = body instanceof Blob;
    const content = body === undefined ? {} : { body: isFile ? body : JSON.stringify(body) };
    const type = body === undefined ? {} : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' };
    try {
      return await fetch(`${address}${path}`, {
        method,
        headers: { authorization, ...type, ...headers },
        ...content,
        signal: AbortSignal.timeout(isFile ? UPLOAD_TIMEOUT_MS : TIMEOUT_MS),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : 'no reason';
      throw new CommandError(
        EXIT.unreachable,
        `Sluice at ${address} does not answer: ${reason}`,
        'is it running, and is this the right address?',
      );
    }
  };
  const read = async <Result>(response: Response): Promise<Result> => {
    if (!response.ok) throw await failure(response);
    try {
      return (await response.json()) as Result;
    } catch {
      throw new CommandError(
        EXIT.unreachable,
        `What answers at ${address} is not Sluice, or the answer was cut off`,
        'is this the right address? It ends with /api/v1',
      );
    }
  };
  return {
    address,
    get: async (path) => read(await call('GET', path)),
    find: async (path) => {
      const response = await call('GET', path);
      if (response.status === 404) return null;
      return read(response);
    },
    send: async (method, path, body, headers) => read(await call(method, path, body, headers)),
    upload: async (path, file) => read(await call('POST', path, file ?? new Blob([]))),
  };
}

async function failure(response: Response): Promise<CommandError> {
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const code =
    { 401: EXIT.forbidden, 403: EXIT.forbidden, 404: EXIT.notFound, 400: EXIT.usage, 409: EXIT.failed, 413: EXIT.usage, 422: EXIT.usage }[
      response.status
    ] ?? EXIT.failed;
  // One mistake may be found in several ways: it is told once.
  const listed = [...new Map((problem.problems ?? []).map((one) => [JSON.stringify(one), one])).values()];
  // The sentence names the first problem itself.
  const told = listed.length === 1 && listed[0] !== undefined && (problem.detail ?? '').includes(listed[0].problem);
  const details = (told ? [] : listed).map((one) => {
    const place =
      one.line === undefined ? (one.where ?? '') : `line ${one.line}, column ${one.column ?? 1}${one.where ? ` (${one.where})` : ''}`;
    return `  ${place}${place ? ': ' : ''}${one.problem}${one.mend ? `; ${one.mend}` : ''}`;
  });
  const message = [problem.detail ?? problem.title ?? `HTTP ${response.status}`, ...details].join('\n');
  return new CommandError(code, message, null, problem.type?.split('#').at(-1) ?? `http-${response.status}`);
}
