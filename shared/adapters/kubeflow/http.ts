// One call to the KFP API: token, timeout, size limit, and every failure as one of our errors (facts/kubeflow.md §1).
// Nothing that is sent is put into a message: parameter values may carry signatures.
import type { z } from 'zod';
import { identityOf, readLimited, readTail, retryWords, whyUnreachable } from '../../clients/answers.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';

export interface KubeflowHttpOptions {
  /** Address of the API server or of the gateway's `/pipeline`, without `/apis/…`. */
  baseUrl: string;
  namespace: string;
  getToken: () => Promise<string | null>;
  fetch: typeof fetch;
  timeoutMs: number;
  /** Milliseconds since 1970; for `Retry-After` dates. */
  now: () => number;
}

export interface Call {
  method: 'GET' | 'POST';
  /** Below `/apis/v2beta1`, already percent-encoded. */
  path: string;
  query?: Record<string, string>;
  body?: unknown;
  /** A file to upload instead of a JSON body (form field `uploadfile`). */
  upload?: { name: string; text: string };
  /** Values that must not appear in a message, should the server echo them. */
  secrets?: readonly string[];
  /** Statuses that are an answer and not an error. */
  accept?: readonly number[];
}

export interface KubeflowHttp {
  /** A 2xx answer read as `schema`; null for an accepted other status. */
  call<Schema extends z.ZodType>(call: Call, schema: Schema): Promise<z.infer<Schema> | null>;
  /** The last `maxBytes` of a text below `/apis/v1alpha1`; null when absent. */
  tail(path: string, maxBytes: number): Promise<string | null>;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export function createKubeflowHttp(options: KubeflowHttpOptions): KubeflowHttp {
  const base = options.baseUrl.replace(/\/+$/, '');

  async function send(call: Call, prefix: string): Promise<{ response: Response; identity: string }> {
    const token = await options.getToken();
    const headers: Record<string, string> = { accept: 'application/json' };
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    let body: string | FormData | undefined;
    if (call.upload) {
      body = new FormData();
      body.set('uploadfile', new Blob([call.upload.text], { type: 'application/yaml' }), call.upload.name);
    } else if (call.body !== undefined) {
      body = JSON.stringify(call.body);
      headers['content-type'] = 'application/json';
    }
    const query = call.query ? `?${new URLSearchParams(call.query).toString()}` : '';
    const url = `${base}${prefix}${call.path}${query}`;
    try {
      const response = await options.fetch(url, {
        method: call.method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(options.timeoutMs),
        ...(body === undefined ? {} : { body }),
      });
      return { response, identity: identityOf(token) };
    } catch (error) {
      throw unreachable(call, base, options.timeoutMs, error);
    }
  }

  return {
    async call(call, schema) {
      const { response, identity } = await send(call, '/apis/v2beta1');
      const text = await readText(call, base, options.timeoutMs, response);
      if (response.ok) return parseAnswer(call, text, schema);
      if (call.accept?.includes(response.status)) return null;
      throw refusal({ call, status: response.status, headers: response.headers, text, identity, options });
    },
    async tail(path, maxBytes) {
      const call: Call = { method: 'GET', path };
      const { response, identity } = await send(call, '/apis/v1alpha1');
      if (response.ok) return reading(call, base, options.timeoutMs, () => readTail(response, maxBytes));
      const text = await readText(call, base, options.timeoutMs, response);
      if (response.status === 404) return null;
      throw refusal({ call, status: response.status, headers: response.headers, text, identity, options });
    },
  };
}

/** What a person may read of a server's sentence: no known value, no query of an address (signatures live there), at most 600 characters. */
export function withoutSecrets(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of secrets) if (secret.length >= 6) clean = clean.replaceAll(secret, '<parameter value>');
  clean = withoutSignatures(clean);
  return clean.length > 600 ? `${clean.slice(0, 600)}…` : clean;
}

/** A text without the queries of its addresses, and without what is left of one that was cut in front: signatures live there. */
export function withoutSignatures(text: string): string {
  return text
    .replace(/(https?:\/\/[^\s"'?]+)\?[^\s"']*/g, '$1?<query removed>')
    .replace(/\b(sig|X-Amz-Signature|X-Amz-Security-Token)=[^\s"'&\\]+/gi, '$1=<removed>');
}

interface Refusal {
  call: Call;
  status: number;
  headers: Headers;
  text: string;
  identity: string;
  options: KubeflowHttpOptions;
}

function refusal({ call, status, headers, text, identity, options }: Refusal): Error {
  const message = withoutSecrets(serverMessage(text), call.secrets);
  const what = `${call.method} ${call.path}`;
  const forbidden = (why: string) =>
    new RejectedError(
      'backend-forbidden',
      `Kubeflow answered ${what} with ${status} for the identity ${identity}: ${why} Server: ${message}`,
    );
  if (status === 401) {
    return forbidden('the token is missing, expired or made for another audience (it must carry "pipelines.kubeflow.org").');
  }
  const role = `bind the ClusterRole kubeflow-pipelines-edit to this identity in namespace "${options.namespace || '(single user)'}".`;
  // Upload answers 400 where the other calls answer 403 (facts/kubeflow.md §1).
  if (status === 403 || (status === 400 && /not authorized|permission ?denied|unauthenticated/i.test(message))) return forbidden(role);
  if (status >= 300 && status < 400) {
    return forbidden(
      `the gateway redirects to a login page (${withoutSecrets(headers.get('location') ?? 'no address')}), so the token did not count.`,
    );
  }
  if (status === 429) {
    return new TransientError(
      'backend-throttled',
      `Kubeflow is throttling ${what} (429); ${retryWords(headers, options.now())}. ${message}`,
    );
  }
  if (status === 408 || status >= 500) {
    return new TransientError(
      'backend-failing',
      `Kubeflow answered ${what} with ${status}; ${retryWords(headers, options.now())}. ${message}`,
    );
  }
  return new RejectedError('backend-refused', `Kubeflow refused ${what} with ${status}: ${message}`);
}

function serverMessage(text: string): string {
  try {
    const body = JSON.parse(text) as unknown;
    if (typeof body === 'object' && body !== null) {
      const { error, message } = body as { error?: unknown; message?: unknown };
      if (typeof message === 'string' && message) return message;
      if (typeof error === 'string' && error) return error;
    }
  } catch {
    // A proxy's page: shown as it is, cut short below.
  }
  return text.trim() || '(no message)';
}

function unreachable(call: Call, base: string, timeoutMs: number, error: unknown): TransientError {
  const reason = whyUnreachable(error, timeoutMs);
  return new TransientError('backend-unreachable', `Kubeflow at ${base} did not answer ${call.method} ${call.path}: ${reason}.`, {
    cause: error,
  });
}

function readText(call: Call, base: string, timeoutMs: number, response: Response): Promise<string> {
  const tooLarge = () =>
    new RejectedError(
      'backend-answer-invalid',
      `Kubeflow's answer to ${call.method} ${call.path} is larger than ${MAX_ANSWER_BYTES} bytes.`,
    );
  return reading(call, base, timeoutMs, () => readLimited(response, MAX_ANSWER_BYTES, tooLarge));
}

/** A stream that breaks while it is read is a call without an answer. */
async function reading<Result>(call: Call, base: string, timeoutMs: number, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof RejectedError ? error : unreachable(call, base, timeoutMs, error);
  }
}

function parseAnswer<Schema extends z.ZodType>(call: Call, text: string, schema: Schema): z.infer<Schema> {
  let body: unknown;
  try {
    body = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    // A proxy's page with status 200; the API itself always answers JSON.
    throw new TransientError('backend-failing', `Kubeflow answered ${call.method} ${call.path} with something that is not JSON.`, {
      cause: error,
    });
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new RejectedError('backend-answer-invalid', `Kubeflow's answer to ${call.method} ${call.path} is not understood: ${problems}.`);
}
