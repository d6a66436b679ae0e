// AWS without a stored key: an Entra token becomes session credentials (AssumeRoleWithWebIdentity), shared by all clients of all regions.
// facts/sagemaker.md §3.4. Endpoints: the SDK's own AWS_ENDPOINT_URL_<SERVICE> variables; nothing is passed here.
import type { S3Client } from '@aws-sdk/client-s3';
import type { SageMakerClient } from '@aws-sdk/client-sagemaker';
import type { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { STSClient } from '@aws-sdk/client-sts';
import { RejectedError, TransientError } from '../errors/errors.ts';

export interface AwsSettings {
  /** Role that trusts the managed identity. */
  roleArn: string;
  /** Application id URI that the role's identity provider expects, e.g. `api://aws-sagemaker`. */
  audience: string;
  /** 2–64 of `[\w+=,.@-]`; shows in CloudTrail. */
  sessionName: string;
  /** Region of the token service. */
  region: string;
  /** Gives a fresh Entra token for an audience. */
  getToken: (audience: string) => Promise<string>;
  /** Milliseconds since 1970. */
  now: () => number;
}

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

/** Clients by region, made once, with explicit timeouts. */
export interface AwsClients {
  s3(region: string): Promise<S3Client>;
  /** A client whose credentials live at least so long: a pre-signed URL dies with them. Rejects `session-too-short`. */
  s3Lasting(region: string, seconds: number): Promise<S3Client>;
  sagemaker(region: string): Promise<SageMakerClient>;
  runtime(region: string): Promise<SageMakerRuntimeClient>;
  sts(region: string): Promise<STSClient>;
}

const SESSION_SECONDS = 3_600;
/** Renewed early, so that an ordinary pre-signed URL (15 minutes) fits into what is left and no client fetches on every use (below 5 minutes). */
const RENEW_BELOW_SECONDS = 1_200;
const CONTROL_PLANE = { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true };
/** The container may take 60 s (facts/sagemaker.md §0.13); the client alone would wait for ever. */
const INVOCATION = { connectionTimeout: 5_000, requestTimeout: 70_000, throwOnRequestTimeout: true };

export function createAwsClients(settings: AwsSettings): AwsClients {
  const session = createSession(settings);
  const credentials = () => session(RENEW_BELOW_SECONDS);
  const base = (region: string) => ({ region, credentials, requestHandler: CONTROL_PLANE, maxAttempts: 3 });
  // The SDK's default checksum (CRC32) would go into every upload and every pre-signed URL; ours is SHA-256 and explicit.
  const checksums = { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' } as const;
  return {
    s3: byRegion(async (region) => {
      const { S3Client } = await import('@aws-sdk/client-s3');
      return new S3Client({ ...base(region), ...checksums });
    }),
    async s3Lasting(region, seconds) {
      const [{ S3Client }, fixed] = await Promise.all([import('@aws-sdk/client-s3'), session(Math.max(seconds, RENEW_BELOW_SECONDS))]);
      return new S3Client({ ...base(region), ...checksums, credentials: fixed });
    },
    sagemaker: byRegion(async (region) => {
      const { SageMakerClient } = await import('@aws-sdk/client-sagemaker');
      return new SageMakerClient(base(region));
    }),
    runtime: byRegion(async (region) => {
      const { SageMakerRuntimeClient } = await import('@aws-sdk/client-sagemaker-runtime');
      return new SageMakerRuntimeClient({ ...base(region), requestHandler: INVOCATION, maxAttempts: 2 });
    }),
    sts: byRegion(async (region) => {
      const { STSClient } = await import('@aws-sdk/client-sts');
      return new STSClient(base(region));
    }),
  };
}

function byRegion<Client>(make: (region: string) => Promise<Client>): (region: string) => Promise<Client> {
  const made = new Map<string, Promise<Client>>();
  return (region) => {
    let client = made.get(region);
    if (!client) {
      client = make(region);
      made.set(region, client);
    }
    return client;
  };
}

/** One memoized provider for all clients: the SDK memoizes per client only, and would ask STS once for each. */
function createSession(settings: AwsSettings): (leastSeconds: number) => Promise<AwsCredentials> {
  let current: AwsCredentials | undefined;
  let renewing: Promise<AwsCredentials> | undefined;
  const left = (credentials: AwsCredentials) => ((credentials.expiration?.getTime() ?? Infinity) - settings.now()) / 1000;

  return async (leastSeconds) => {
    if (current && left(current) >= leastSeconds) return current;
    renewing ??= assume(settings).finally(() => {
      renewing = undefined;
    });
    current = await renewing;
    // A role that allows less than the usual hour still works for calls; only a promise about a URL's life cannot be kept.
    if (leastSeconds > RENEW_BELOW_SECONDS && left(current) < leastSeconds) {
      throw new RejectedError(
        'session-too-short',
        `A signed URL of ${leastSeconds} s was asked for, but a session of ${settings.roleArn} lives ${Math.floor(left(current))} s. ` +
          'Ask for a shorter one (setting signedUrlSeconds).',
      );
    }
    return current;
  };
}

async function assume(settings: AwsSettings): Promise<AwsCredentials> {
  const { fromWebToken } = await import('@aws-sdk/credential-providers');
  const webIdentityToken = await settings.getToken(settings.audience);
  try {
    // The provider is made anew each time, with a fresh token: it does not handle the token's expiry itself.
    return await fromWebToken({
      roleArn: settings.roleArn,
      roleSessionName: settings.sessionName,
      durationSeconds: SESSION_SECONDS,
      webIdentityToken,
      clientConfig: { region: settings.region, requestHandler: CONTROL_PLANE, maxAttempts: 3 },
    })();
  } catch (error) {
    throw translateSts(error, settings);
  }
}

/**
 * The SDK's error without the HTTP exchange that hangs on it: that holds the request, and so tokens and signatures, and a log would print it.
 * For use as `cause`.
 */
export function withoutExchange(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  const { code, $metadata } = error as { code?: unknown; $metadata?: unknown };
  const plain = new Error(error.message, error.cause instanceof Error ? { cause: withoutExchange(error.cause) } : {});
  plain.name = error.name;
  if (error.stack !== undefined) plain.stack = error.stack;
  return Object.assign(plain, typeof code === 'string' ? { code } : {}, $metadata === undefined ? {} : { $metadata });
}

/** Trust faults are permanent; everything else may pass. Names arrive with or without the suffix `Exception`. */
function translateSts(error: unknown, settings: AwsSettings): Error {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const short = name.replace(/Exception$/, '');
  const text = `AWS STS gave no credentials for ${settings.roleArn} (${short}): ${message.slice(0, 400)}`;
  if (['AccessDenied', 'InvalidIdentityToken', 'MalformedPolicyDocument', 'PackedPolicyTooLarge', 'ValidationError'].includes(short)) {
    return new RejectedError(
      'role-refused',
      `${text}. The role's trust policy must name this identity's object id as sub and "${settings.audience}" as aud.`,
      { cause: withoutExchange(error) },
    );
  }
  return new TransientError('sts-unavailable', text, { cause: withoutExchange(error) });
}
