// A Kubernetes API server over plain HTTP: one call, lists page by page, logs, and what the caller may do.
// Thin on purpose: @kubernetes/client-node builds a TLS agent per request and needs a newer Node (facts/kubeflow.md §8).
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { ConfigError, RejectedError, TransientError } from '../errors/errors.ts';
import { identityOf, readLimited, readTail, retryAfterSeconds, retryWords, whyUnreachable } from './answers.ts';
import { createCaFetch } from './ca-fetch.ts';

export interface KubernetesSettings {
  /** `https://<api server>`; plain http is taken for this machine only. */
  server: string;
  /** Bearer token of the caller: an Entra token of the cluster's audience, or a token file; null where the server asks for none. */
  getToken: () => Promise<string | null>;
  /** PEM file with the cluster's CA; verification is never off. */
  caFile?: string;
  fetch?: typeof fetch;
  /** Limit of one call (default 20 000 ms). */
  timeoutMs?: number;
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

export interface KubernetesCall {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path, already percent-encoded, e.g. `/api/v1/nodes`. */
  path: string;
  query?: Record<string, string>;
  body?: unknown;
  /** Default `application/json`. */
  contentType?: string;
  /** Statuses that are an answer and not an error. */
  accept?: readonly number[];
}

export interface Kubernetes {
  readonly server: string;
  /** A 2xx answer read as `schema`; null for an accepted other status. */
  call<Schema extends z.ZodType>(call: KubernetesCall, schema: Schema): Promise<z.infer<Schema> | null>;
  /** All items of a list, page by page. */
  list<Schema extends z.ZodType>(path: string, query: Record<string, string>, item: Schema): Promise<z.infer<Schema>[]>;
  /** The end of a text such as a pod's log; null when absent, or when the container has not started yet. */
  tail(path: string, query: Record<string, string>, maxBytes: number): Promise<string | null>;
  /** Whether the caller may do this (SelfSubjectAccessReview). */
  may(action: { verb: string; group?: string; resource: string; subresource?: string; namespace?: string }): Promise<boolean>;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const PAGE = '500';
const MAX_PAGES = 40;
/** A server that asks for so little patience is asked again at once; longer waits are the engine's. */
const SHORT_WAIT_SECONDS = 5;
const ATTEMPTS = 3;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const List = z.object({ items: z.array(z.unknown()).nullish(), metadata: z.object({ continue: z.string().optional() }).optional() });
const Review = z.object({ status: z.object({ allowed: z.boolean() }) });

/** Errors: `kubernetes-forbidden`, `-refused`, `-answer-invalid` (rejected); `-throttled`, `-failing`, `-unreachable` (transient). */
export function createKubernetes(settings: KubernetesSettings): Kubernetes {
  const server = checkedServer(settings.server);
  const send = settings.fetch ?? (settings.caFile === undefined ? fetch : createCaFetch(readCa(settings.caFile)));
  const timeoutMs = settings.timeoutMs ?? 20_000;

  async function once(call: KubernetesCall): Promise<{ response: Response; identity: string }> {
    const token = await settings.getToken();
    const query = call.query && Object.keys(call.query).length > 0 ? `?${new URLSearchParams(call.query).toString()}` : '';
    const init: RequestInit = {
      method: call.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/json',
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    };
    try {
      return { response: await send(`${server}${call.path}${query}`, init), identity: identityOf(token) };
    } catch (error) {
      throw unreachable(call, error);
    }
  }

  /** 429 with a short Retry-After is waited for here: nothing was done, so any method may be repeated. */
  async function patiently(call: KubernetesCall): Promise<{ response: Response; identity: string }> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await once(call);
      const wait = retryAfterSeconds(answer.response.headers, settings.now()) ?? 1;
      if (answer.response.status !== 429 || attempt === ATTEMPTS || wait > SHORT_WAIT_SECONDS) return answer;
      await answer.response.body?.cancel();
      await settings.sleep(Math.max(wait, 0.2) * 1000);
    }
  }

  const unreachable = (call: KubernetesCall, error: unknown) =>
    new TransientError(
      'kubernetes-unreachable',
      `The Kubernetes API at ${server} did not answer ${call.method} ${call.path}: ${whyUnreachable(error, timeoutMs)}.`,
      { cause: error },
    );

  async function text(call: KubernetesCall, response: Response): Promise<string> {
    const tooLarge = () =>
      new RejectedError('kubernetes-answer-invalid', `The answer to ${call.method} ${call.path} is larger than ${MAX_ANSWER_BYTES} bytes.`);
    try {
      return await readLimited(response, MAX_ANSWER_BYTES, tooLarge);
    } catch (error) {
      throw error instanceof RejectedError ? error : unreachable(call, error);
    }
  }

  async function call<Schema extends z.ZodType>(what: KubernetesCall, schema: Schema): Promise<z.infer<Schema> | null> {
    const { response, identity } = await patiently(what);
    const body = await text(what, response);
    if (response.ok) return parse(what, body, schema);
    if (what.accept?.includes(response.status)) return null;
    throw refusal(what, response, body, { identity, server, now: settings.now() });
  }

  return {
    server,
    call,
    async list(path, query, item) {
      const items: z.infer<typeof item>[] = [];
      let next = '';
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const what: KubernetesCall = { method: 'GET', path, query: { ...query, limit: PAGE, ...(next === '' ? {} : { continue: next }) } };
        const answer = await call(what, List);
        items.push(...(answer?.items ?? []).map((one) => parse(what, JSON.stringify(one), item)));
        next = answer?.metadata?.continue ?? '';
        if (next === '') return items;
      }
      throw new RejectedError(
        'kubernetes-answer-invalid',
        `The list ${path} has more than ${MAX_PAGES} pages of ${PAGE}; narrow its selector.`,
      );
    },
    async tail(path, query, maxBytes) {
      const what: KubernetesCall = { method: 'GET', path, query };
      const { response, identity } = await patiently(what);
      if (!response.ok) {
        const body = await text(what, response);
        // 400: the container is still being made; 404: there is no such pod any more.
        if (response.status === 404 || response.status === 400) return null;
        throw refusal(what, response, body, { identity, server, now: settings.now() });
      }
      return readTail(response, maxBytes).catch((error: unknown) => {
        throw unreachable(what, error);
      });
    },
    async may({ verb, group = '', resource, subresource, namespace }) {
      const resourceAttributes = {
        ...{ verb, group, resource },
        ...(subresource === undefined ? {} : { subresource }),
        ...(namespace === undefined ? {} : { namespace }),
      };
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
      const answer = await call({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body }, Review);
      return answer?.status.allowed === true;
    },
  };
}

function checkedServer(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : null;
  if (!url) throw new ConfigError([`Kubernetes API: "${server}" is not an address`]);
  const plain = url.protocol === 'http:' && LOOPBACK.test(url.hostname);
  if (url.protocol !== 'https:' && !plain)
    throw new ConfigError([`Kubernetes API: ${url.origin} must be https; http is taken for this machine only`]);
  return server.replace(/\/+$/, '');
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError([`The CA file of the Kubernetes API, ${path}, cannot be read: ${whyUnreachable(error, 0)}`], { cause: error });
  }
}

function refusal(
  call: KubernetesCall,
  { status, headers }: Response,
  body: string,
  who: { identity: string; server: string; now: number },
): Error {
  const what = `${call.method} ${call.path}`;
  const message = statusMessage(body);
  if (status === 401) {
    return new RejectedError(
      'kubernetes-forbidden',
      `The Kubernetes API at ${who.server} does not know the identity ${who.identity} (401 for ${what}): the token is missing, expired or made for another ` +
        'audience than the cluster’s.',
    );
  }
  if (status === 403) {
    return new RejectedError(
      'kubernetes-forbidden',
      `The Kubernetes API at ${who.server} refused ${what} to the identity ${who.identity} (403): ${message} Bind a role with this verb to it.`,
    );
  }
  if (status === 429)
    return new TransientError('kubernetes-throttled', `The Kubernetes API is throttling ${what} (429); ${retryWords(headers, who.now)}.`);
  if (status === 408 || status >= 500) {
    return new TransientError(
      'kubernetes-failing',
      `The Kubernetes API answered ${what} with ${status}; ${retryWords(headers, who.now)}. ${message}`,
    );
  }
  return new RejectedError('kubernetes-refused', `The Kubernetes API refused ${what} with ${status}: ${message}`);
}

/** The sentence of a `Status` object, cut short. */
function statusMessage(body: string): string {
  let message = body.trim();
  try {
    const parsed = JSON.parse(body) as unknown;
    const said = typeof parsed === 'object' && parsed !== null ? (parsed as { message?: unknown }).message : undefined;
    if (typeof said === 'string') message = said;
  } catch {
    // A proxy's page: shown as it is.
  }
  if (message === '') return '(no message)';
  return message.length > 400 ? `${message.slice(0, 400)}…` : `${message.replace(/\.?$/, '.')}`;
}

function parse<Schema extends z.ZodType>(call: KubernetesCall, body: string, schema: Schema): z.infer<Schema> {
  let json: unknown;
  try {
    json = body.trim() === '' ? {} : JSON.parse(body);
  } catch (error) {
    throw new TransientError(
      'kubernetes-failing',
      `The Kubernetes API answered ${call.method} ${call.path} with something that is not JSON.`,
      { cause: error },
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new RejectedError(
    'kubernetes-answer-invalid',
    `The Kubernetes API's answer to ${call.method} ${call.path} is not understood: ${problems}.`,
  );
}
