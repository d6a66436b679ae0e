// Who is who in the local AWS account: issues session credentials and recognises them again, also after a restart.
// A session token carries its own content under an HMAC, so that nothing but one secret has to be kept.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Clock, systemClock } from '../kit/clock.ts';
import { openState } from '../kit/state.ts';
import { parsePolicy, permits, type Policy } from './session-policy.ts';

/** A role of the local account. */
export interface RoleOptions {
  /** `arn:aws:iam::<account>:role/<name>`. */
  readonly arn: string;
  /** `sub` values that its trust policy lets in. */
  readonly subjects: readonly string[];
  /** Audiences that its trust policy requires (default: any of the provider). */
  readonly audiences?: readonly string[];
  /** Identity policy as an IAM document of the subset in session-policy.ts; default: everything is allowed. */
  readonly permissions?: unknown;
  /** 3600–43200; IAM's own default is 3600. */
  readonly maxSessionSeconds?: number;
}

/** What AssumeRole hands out. */
export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A recognised session. */
export interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly expiresAt: number;
  readonly policy?: Policy;
}

/** Why credentials were not recognised. */
export type Unrecognised = 'unknown-key' | 'bad-token' | 'expired';

/** Issues and recognises session credentials; s3 and sagemaker ask it. */
export interface Authority {
  readonly accountId: string;
  readonly region: string;
  readonly clock: Clock;
  readonly roles: readonly RoleOptions[];
  /** Makes credentials; `policy` is an inline session policy (text) that has already been parsed once. */
  issue(request: { roleArn: string; sessionName: string; durationSeconds: number; policy?: string }): SessionCredentials;
  /** The session of these credentials, or why there is none. */
  recognise(accessKeyId: string, sessionToken: string | undefined): Session | Unrecognised;
  /** Whether role policy and session policy both let the action through. */
  may(session: Session, action: string, resource: string): boolean;
  /** `arn:aws:sts::<account>:assumed-role/<role>/<session>`. */
  callerArn(session: Session): string;
}

/** Options of the local account. */
export interface AuthorityOptions {
  /** File of the one secret; made when absent. */
  readonly stateFile: string;
  /** 12 digits; default `000000000000`. */
  readonly accountId?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  readonly roles?: readonly RoleOptions[];
  readonly clock?: Clock;
}

interface TokenContent {
  readonly k: string;
  readonly r: string;
  readonly n: string;
  readonly e: number;
  readonly p?: string;
}

/** Opens the local account. Throws when a role's policy cannot be understood. */
export function createAuthority(options: AuthorityOptions): Authority {
  const state = openState<{ secret: string }>(options.stateFile, { secret: randomBytes(32).toString('base64') });
  state.save();
  const secret = Buffer.from(state.value.secret, 'base64');
  const accountId = options.accountId ?? '000000000000';
  const clock = options.clock ?? systemClock;
  const roles = options.roles ?? [];
  const rolePolicies = new Map(roles.map((role) => [role.arn, role.permissions === undefined ? undefined : parsePolicy(role.permissions)]));

  const mac = (purpose: string, text: string) => createHmac('sha256', secret).update(`${purpose}\0${text}`).digest();
  const secretKey = (accessKeyId: string) => mac('secret-key', accessKeyId).toString('base64');

  return {
    accountId,
    region: options.region ?? 'us-east-1',
    clock,
    roles,
    issue({ roleArn, sessionName, durationSeconds, policy }) {
      const accessKeyId = `ASIA${base32(randomBytes(10))}`;
      const expiresAt = Math.floor(clock.now() / 1_000 + durationSeconds) * 1_000;
      const content: TokenContent = {
        k: accessKeyId,
        r: roleArn,
        n: sessionName,
        e: expiresAt,
        ...(policy === undefined ? {} : { p: policy }),
      };
      const body = Buffer.from(JSON.stringify(content), 'utf8').toString('base64url');
      const sessionToken = `${body}.${mac('session-token', body).toString('base64url')}`;
      return { accessKeyId, secretAccessKey: secretKey(accessKeyId), sessionToken, expiresAt };
    },
    recognise(accessKeyId, sessionToken) {
      if (!/^ASIA[A-Z2-7]{16}$/.test(accessKeyId)) return 'unknown-key';
      const [body = '', seal = '', ...rest] = (sessionToken ?? '').split('.');
      const given = Buffer.from(seal, 'base64url');
      const expected = mac('session-token', body);
      if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) return 'bad-token';
      const content = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as TokenContent;
      if (content.k !== accessKeyId) return 'bad-token';
      if (clock.now() >= content.e) return 'expired';
      return {
        accessKeyId,
        secretAccessKey: secretKey(accessKeyId),
        roleArn: content.r,
        sessionName: content.n,
        expiresAt: content.e,
        ...(content.p === undefined ? {} : { policy: parsePolicy(content.p) }),
      };
    },
    may(session, action, resource) {
      if (!rolePolicies.has(session.roleArn)) return false; // the role was taken away since
      const rolePolicy = rolePolicies.get(session.roleArn);
      return (!rolePolicy || permits(rolePolicy, action, resource)) && (!session.policy || permits(session.policy, action, resource));
    },
    callerArn: (session) => `arn:aws:sts::${accountId}:assumed-role/${session.roleArn.split('/').at(-1) ?? ''}/${session.sessionName}`,
  };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < (bytes.length * 8) / 5; i += 1) {
    text = (ALPHABET[Number(bits & 31n)] ?? '') + text;
    bits >>= 5n;
  }
  return text;
}
