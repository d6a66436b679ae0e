// Plain JSON requests through the pipeline of @azure/arm-machinelearning: its authentication, proxy and TLS, none of its mappers, which lose
// properties (facts/azure.md §1.1). The SDK's own retries are off here: who calls knows better when and how often.
import { randomUUID } from 'node:crypto';
import type { TokenCredential } from '@azure/identity';
import type { AzureMachineLearningWorkspaces } from '@azure/arm-machinelearning';
import { type InsecurePolicy, reach } from '../loopback.ts';
import { identityOf } from './words.ts';

type PipelineRequest = Parameters<AzureMachineLearningWorkspaces['sendRequest']>[0];
type PipelineHeaders = PipelineRequest['headers'];

export interface TransportSettings {
  credential: TokenCredential;
  /** Origin that requests go to and tokens are sent to; nothing else is reachable through this transport. */
  origin: string;
  subscriptionId: string;
  /** Scope of the tokens, e.g. `https://management.azure.com/.default`. */
  scope: string;
  /** What stands in messages, e.g. "Azure Resource Manager". */
  what: string;
  allowInsecureLoopback: boolean;
}

export interface Sent {
  status: number;
  headers: PlainHeaders;
  /** At most 16 MiB; longer answers are cut and `truncated` says so. */
  text: string;
  truncated: boolean;
}

export interface PlainHeaders {
  get(name: string): string | undefined;
}

export interface Transport {
  readonly origin: string;
  /** Sends one request below the origin. Network failures and time-outs reject with an Error that holds no token. */
  send(request: { method: string; path: string; body?: unknown; timeoutMs: number }): Promise<Sent>;
  /** Who the last token says we are, for messages. */
  identity(): string;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export function createTransport(settings: TransportSettings): Transport {
  const { endpoint, policies } = reach(settings.what, settings.origin, settings.allowInsecureLoopback);
  let identity = 'without a token';
  const credential: TokenCredential = {
    async getToken(scopes, options) {
      const token = await settings.credential.getToken(scopes, options);
      if (token) identity = identityOf(token.token);
      return token;
    },
  };
  let client: Promise<AzureMachineLearningWorkspaces> | undefined;

  return {
    origin: settings.origin.replace(/\/+$/, ''),
    identity: () => identity,
    async send({ method, path, body, timeoutMs }) {
      client ??= open(settings, credential, endpoint, policies);
      const headers = headersOf({ accept: 'application/json', 'x-ms-client-request-id': randomUUID() });
      if (body !== undefined) headers.set('content-type', 'application/json; charset=utf-8');
      const abortSignal = AbortSignal.timeout(timeoutMs);
      const request: PipelineRequest = {
        url: `${endpoint}${path}`,
        method: method as PipelineRequest['method'],
        headers,
        timeout: 0,
        withCredentials: false,
        requestId: headers.get('x-ms-client-request-id') ?? '',
        abortSignal,
        streamResponseStatusCodes: new Set([Number.POSITIVE_INFINITY]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      };
      try {
        const response = await (await client).sendRequest(request);
        const { text, truncated } = await read(response.readableStreamBody, abortSignal);
        return { status: response.status, headers: response.headers, text, truncated };
      } catch (error) {
        // The SDK's errors carry the request, and with it the token: only their words go on. Those of the credential are ours already.
        if (isOurs(error)) throw error;
        const why = abortSignal.aborted ? `no answer within ${timeoutMs / 1000} s` : wordsOf(error);
        throw new Error(why);
      }
    },
  };
}

async function open(
  settings: TransportSettings,
  credential: TokenCredential,
  endpoint: string,
  policies: { policy: InsecurePolicy; position: 'perRetry' }[],
): Promise<AzureMachineLearningWorkspaces> {
  const sdk = await import('@azure/arm-machinelearning');
  return new sdk.AzureMachineLearningWorkspaces(credential, settings.subscriptionId, {
    endpoint,
    $host: endpoint,
    credentialScopes: [settings.scope],
    additionalPolicies: policies,
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
  });
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && (error.name === 'RejectedError' || error.name === 'TransientError');
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}

async function read(stream: NodeJS.ReadableStream | undefined, signal: AbortSignal): Promise<{ text: string; truncated: boolean }> {
  if (!stream) return { text: '', truncated: false };
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.byteLength;
    if (size > MAX_ANSWER_BYTES) {
      truncated = true;
      break;
    }
    chunks.push(bytes);
  }
  return { text: Buffer.concat(chunks).toString('utf8'), truncated };
}

/** The pipeline wants its own kind of headers, and the package that makes them is not a direct dependency: names without case, in order. */
function headersOf(initial: Record<string, string>): PipelineHeaders {
  const kept = new Map(Object.entries(initial).map(([name, value]) => [name.toLowerCase(), { name, value }]));
  return {
    get: (name) => kept.get(name.toLowerCase())?.value,
    has: (name) => kept.has(name.toLowerCase()),
    set(name, value) {
      kept.set(name.toLowerCase(), { name, value: String(value) });
    },
    delete(name) {
      kept.delete(name.toLowerCase());
    },
    toJSON: (options) => Object.fromEntries([...kept].map(([lower, { name, value }]) => [options?.preserveCase ? name : lower, value])),
    *[Symbol.iterator]() {
      for (const [lower, { value }] of kept) yield [lower, value] as [string, string];
    },
  };
}
