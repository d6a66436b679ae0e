// Who Sluice is: the managed identity of its host, as a credential for the Azure SDKs and as plain tokens for everything else.
// App Service and Functions give IDENTITY_ENDPOINT and IDENTITY_HEADER, which @azure/identity reads itself; no secret is stored.
import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/identity';
import { RejectedError, TransientError } from '../errors/errors.ts';

export interface EntraSettings {
  /** Client id of a user-assigned managed identity; null = the system-assigned one. */
  clientId: string | null;
  /** Limit of one token request (default 20 000 ms). */
  timeoutMs?: number;
}

/** The identity of this deployment. Tokens are cached by the SDK and renewed before they expire. */
export interface Entra {
  /** For Azure SDK clients. Its errors are ours: `identity-refused` (rejected), `identity-unavailable` (transient). */
  readonly credential: TokenCredential;
  /** A token for an application id URI, e.g. `api://aws-sagemaker`. Never log it. */
  readonly getToken: (audience: string) => Promise<string>;
}

export function createCredential(settings: EntraSettings): Entra {
  const timeoutMs = settings.timeoutMs ?? 20_000;
  let loading: Promise<TokenCredential> | undefined;

  async function load(): Promise<TokenCredential> {
    const { ManagedIdentityCredential } = await import('@azure/identity');
    // Few retries here: whoever asked tries again by its own rules.
    const retryOptions = { maxRetries: 2, retryDelayInMs: 300, maxRetryDelayInMs: 2_000 };
    return new ManagedIdentityCredential({ retryOptions, ...(settings.clientId === null ? {} : { clientId: settings.clientId }) });
  }

  async function getToken(scopes: string | string[], options: GetTokenOptions = {}): Promise<AccessToken> {
    loading ??= load();
    const scope = Array.isArray(scopes) ? scopes.join(' ') : scopes;
    try {
      const inner = await loading;
      const token = await withTimeout(inner.getToken(scopes, options), timeoutMs);
      if (token) return token;
    } catch (error) {
      throw translate(error, scope);
    }
    throw new TransientError('identity-unavailable', `The managed identity gave no token for ${scope}.`);
  }

  return {
    credential: { getToken },
    getToken: async (audience) => (await getToken(`${audience.replace(/\/+$/, '')}/.default`)).token,
  };
}

/** The SDK does not pass an abort signal to the identity endpoint, so the wait is ended here. */
async function withTimeout<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function translate(error: unknown, scope: string): Error {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 600);
  const status = statusOf(error);
  if (status !== undefined && status >= 400 && status < 500 && status !== 429 && status !== 408) {
    return new RejectedError(
      'identity-refused',
      `Entra gave the managed identity no token for ${scope} (${status}): ${message}. ` +
        'Check that the identity exists and has the app role that this audience asks for.',
      { cause: error },
    );
  }
  return new TransientError('identity-unavailable', `The managed identity could not be asked for a token for ${scope}: ${message}.`, {
    cause: error,
  });
}

/** The endpoint's HTTP status: the library hides it in the cause of its own error. */
function statusOf(error: unknown): number | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const { status } = current as { status?: unknown };
    if (typeof status === 'number') return status;
  }
  return undefined;
}
