// Who calls: a token of the tenant for ARM, or the token that a job was given for its own workspace's data plane.
// The scope of MLflow's host is ARM's too (facts/mlflow.md §9).
import { randomBytes } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { Clock } from '../../kit/clock.ts';
import { ArmError } from '../api/arm-error.ts';
import type { Author } from '../model.ts';
import type { AzureMlOptions } from '../options.ts';

/** A caller that was recognised. */
export type Caller =
  | { readonly kind: 'principal'; readonly oid: string; readonly author: Author }
  /** The process of a job: it may write runs of its own workspace, nothing else. */
  | { readonly kind: 'job'; readonly workspace: string; readonly job: string; readonly author: Author };

/** Recognises callers. */
export interface Tokens {
  /** Rejects with ARM's 401. */
  principal(request: Request): Promise<Caller & { kind: 'principal' }>;
  /** A principal, or a job's own token. Rejects with ARM's 401. */
  dataPlane(request: Request): Promise<Caller>;
  /** A token for a job's process; `end` makes it worthless. */
  issue(workspace: string, job: string): { readonly token: string; readonly end: () => void };
}

const DEFAULT_AUDIENCES = ['https://management.azure.com', 'https://management.azure.com/', 'https://management.core.windows.net/'];

/** The checks of a stand-in. */
export function createTokens(options: AzureMlOptions, clock: Clock): Tokens {
  const keys = createRemoteJWKSet(new URL(options.jwksUri), { timeoutDuration: 5_000 });
  const audiences = options.audiences ?? DEFAULT_AUDIENCES;
  const jobs = new Map<string, { workspace: string; job: string }>();

  const principal: Tokens['principal'] = async (request) => {
    const token = bearer(request);
    if (token === undefined)
      throw new ArmError(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.");
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: [...audiences],
        algorithms: ['RS256'],
        currentDate: new Date(clock.now()),
      });
      const oid = text(payload['oid']);
      const application = text(payload['appid']) || text(payload['azp']);
      return { kind: 'principal', oid, author: application ? { id: application, type: 'Application' } : { id: oid, type: 'User' } };
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new ArmError(401, 'ExpiredAuthenticationToken', 'The access token expiry UTC time is earlier than current UTC time.');
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
        throw new ArmError(
          401,
          'InvalidAuthenticationTokenAudience',
          `The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences '${audiences.join(',')}'.`,
        );
      }
      throw new ArmError(401, 'InvalidAuthenticationToken', 'The access token is invalid.');
    }
  };

  return {
    principal,
    async dataPlane(request) {
      const job = jobs.get(bearer(request) ?? '');
      if (job) return { kind: 'job', ...job, author: { id: job.job, type: 'Application' } };
      return principal(request);
    },
    issue(workspace, job) {
      const token = randomBytes(32).toString('base64url');
      jobs.set(token, { workspace, job });
      return { token, end: () => void jobs.delete(token) };
    },
  };
}

const bearer = (request: Request): string | undefined => /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
