// The local STS: AssumeRoleWithWebIdentity and GetCallerIdentity over the AWS query protocol (form in, XML out).
// The way a keyless Azure identity becomes AWS credentials (facts/sagemaker.md §3).
import { createHash, randomUUID } from 'node:crypto';
import { BodyTooLargeError, readBytes } from '../kit/body.ts';
import { dated } from '../kit/clock.ts';
import { type Faults, withFaults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import type { Authority, RoleOptions } from './authority.ts';
import { parsePolicy, PolicyError } from './session-policy.ts';
import { SignatureError, type SignatureFault, verifySignature } from './signature.ts';
import { createWebIdentityCheck, type OidcProviderOptions, StsError, type WebIdentity } from './web-identity.ts';
import { xml, type XmlElements } from './xml.ts';

/** Options of the local STS. Roles live in the authority, which s3 and sagemaker share. */
export interface StsOptions {
  readonly authority: Authority;
  readonly providers: readonly OidcProviderOptions[];
}

/** The local STS. */
export type StsCloud = Cloud & { readonly faults: Faults };

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';
const VERSION = '2011-06-15';
const LONGEST_FORM = 65_536;
const LONGEST_POLICY = 2_048;

/** Starts the local STS (no process, no port: put `serve` before it). */
export async function createStsCloud(options: StsOptions): Promise<StsCloud> {
  const check = createWebIdentityCheck(options.providers, options.authority.clock);
  const answer = async (request: Request): Promise<Response> => {
    try {
      return await route(request, options.authority, check);
    } catch (error) {
      const refusal = translate(error);
      return document(
        'ErrorResponse',
        { Error: { Type: refusal.status < 500 ? 'Sender' : 'Receiver', Code: refusal.code, Message: refusal.message } },
        refusal.status,
      );
    }
  };
  return withFaults({ name: 'sts', fetch: dated(answer, options.authority.clock), close: async () => undefined });
}

async function route(request: Request, authority: Authority, check: (token: string) => Promise<WebIdentity>): Promise<Response> {
  if (request.method !== 'POST') throw new StsError('InvalidAction', 'This stand-in takes POST only (stricter than the service).');
  const body = await readBytes(request, LONGEST_FORM);
  const form = new URLSearchParams(Buffer.from(body).toString('utf8'));
  if (form.get('Version') !== VERSION) throw new StsError('InvalidAction', `Version must be ${VERSION}.`);
  const action = form.get('Action') ?? '';
  switch (action) {
    case 'AssumeRoleWithWebIdentity':
      return assume(form, authority, check);
    case 'GetCallerIdentity':
      return callerIdentity(request, body, authority);
    default:
      throw new StsError('InvalidAction', `Could not find operation ${action.slice(0, 80)} for version ${VERSION}`);
  }
}

async function assume(form: URLSearchParams, authority: Authority, check: (token: string) => Promise<WebIdentity>): Promise<Response> {
  refuseUnknownFields(form);
  const roleArn = required(form, 'RoleArn', /^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]{1,500}$/);
  // facts/sagemaker.md §3.4: 2–64 of [\w+=,.@-].
  const sessionName = required(form, 'RoleSessionName', /^[\w+=,.@-]{2,64}$/);
  const token = required(form, 'WebIdentityToken', /^[^]{4,20000}$/);
  const policy = sessionPolicy(form.get('Policy'));
  const role = authority.roles.find((candidate) => candidate.arn === roleArn);
  const durationSeconds = duration(form.get('DurationSeconds'), role);
  const identity = await check(token);
  const trusted =
    role?.subjects.includes(identity.subject) === true && (role.audiences === undefined || role.audiences.includes(identity.audience));
  // A role that does not exist and a role that does not trust answer alike.
  if (!trusted) throw new StsError('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 403);

  const credentials = authority.issue({ roleArn, sessionName, durationSeconds, ...(policy === undefined ? {} : { policy }) });
  const roleName = roleArn.split('/').at(-1) ?? '';
  return result('AssumeRoleWithWebIdentity', {
    SubjectFromWebIdentityToken: identity.subject,
    Audience: identity.audience,
    AssumedRoleUser: {
      Arn: `arn:aws:sts::${authority.accountId}:assumed-role/${roleName}/${sessionName}`,
      AssumedRoleId: `AROA${createHash('sha256').update(roleArn).digest('hex').slice(0, 16).toUpperCase()}:${sessionName}`,
    },
    Credentials: {
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      SessionToken: credentials.sessionToken,
      Expiration: new Date(credentials.expiresAt).toISOString(),
    },
    Provider: `arn:aws:iam::${authority.accountId}:oidc-provider/${identity.issuer.replace(/^https?:\/\//, '')}`,
  });
}

function callerIdentity(request: Request, body: Uint8Array, authority: Authority): Response {
  const bodyHash = createHash('sha256').update(body).digest('hex');
  const { session } = verifySignature(request, { authority, service: 'sts', bodyHash });
  return result('GetCallerIdentity', {
    Arn: authority.callerArn(session),
    UserId: `${session.accessKeyId}:${session.sessionName}`,
    Account: authority.accountId,
  });
}

/** Stricter than the service: PolicyArns and ProviderId are known to STS, not to this stand-in, and a typo is always an error. */
function refuseUnknownFields(form: URLSearchParams): void {
  const known = ['Action', 'Version', 'RoleArn', 'RoleSessionName', 'WebIdentityToken', 'Policy', 'DurationSeconds'];
  const unknown = [...form.keys()].filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new StsError('ValidationError', `This stand-in does not know ${unknown.join(', ').slice(0, 200)}.`);
}

function required(form: URLSearchParams, name: string, pattern: RegExp): string {
  const value = form.get(name) ?? '';
  if (!pattern.test(value)) {
    const field = name.charAt(0).toLowerCase() + name.slice(1);
    throw new StsError(
      'ValidationError',
      `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern.source}`,
    );
  }
  return value;
}

function duration(text: string | null, role: RoleOptions | undefined): number {
  const seconds = text === null ? 3_600 : Number(text);
  if (!Number.isInteger(seconds) || seconds < 900 || seconds > 43_200) {
    throw new StsError(
      'ValidationError',
      `1 validation error detected: Value '${String(text).slice(0, 20)}' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200`,
    );
  }
  if (seconds > (role?.maxSessionSeconds ?? 3_600) && role) {
    throw new StsError('ValidationError', 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
  return seconds;
}

function sessionPolicy(text: string | null): string | undefined {
  if (text === null) return undefined;
  if (text.length > LONGEST_POLICY) {
    // facts/sagemaker.md §3.4: at most 2048 characters.
    throw new StsError(
      'ValidationError',
      "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 2048",
    );
  }
  try {
    parsePolicy(text);
  } catch (error) {
    if (error instanceof PolicyError) throw new StsError('MalformedPolicyDocument', error.message);
    throw error;
  }
  return text;
}

const SIGNATURE_CODES: Readonly<Partial<Record<SignatureFault, string>>> = {
  missing: 'MissingAuthenticationToken',
  malformed: 'IncompleteSignature',
  'unknown-key': 'InvalidClientTokenId',
  'bad-token': 'InvalidClientTokenId',
  'token-expired': 'ExpiredToken',
};

function translate(error: unknown): StsError {
  if (error instanceof StsError) return error;
  if (error instanceof SignatureError) return new StsError(SIGNATURE_CODES[error.fault] ?? 'SignatureDoesNotMatch', error.message, 403);
  if (error instanceof BodyTooLargeError) return new StsError('RequestEntityTooLarge', error.message, 413);
  throw error;
}

function result(action: string, elements: XmlElements): Response {
  return document(`${action}Response`, { [`${action}Result`]: elements, ResponseMetadata: { RequestId: randomUUID() } });
}

function document(root: string, elements: XmlElements, status = 200): Response {
  return new Response(xml(root, elements, NAMESPACE), {
    status,
    headers: { 'content-type': 'text/xml', 'x-amzn-requestid': randomUUID() },
  });
}
