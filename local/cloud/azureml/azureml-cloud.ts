// Azure Resource Manager for one machine, as far as Azure ML workspaces are read: token, api-version, names without regard to case.
// Source: facts/azure.md §1; `@azure/arm-machinelearning` 2.1.1 reads a workspace from it.
import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { json } from '../kit/body.ts';
import { systemClock, type Clock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { workspaceBody, type WorkspaceOptions } from './workspace.ts';

/** What the stand-in is given. */
export interface AzureMlOptions {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly workspaces: readonly WorkspaceOptions[];
  /** Issuer of the tokens that are taken, and where its keys are. */
  readonly issuer: string;
  readonly jwksUri: string;
  readonly tenant: string;
  /** Audiences that are taken; default ARM's, with and without the trailing slash. */
  readonly audiences?: readonly string[];
  /** Object ids that may read; default everybody with a good token. */
  readonly readers?: readonly string[];
  readonly clock?: Clock;
}

/** The running stand-in. */
export type AzureMlCloud = Cloud & { readonly faults: Faults };

const DEFAULT_AUDIENCES = ['https://management.azure.com', 'https://management.azure.com/', 'https://management.core.windows.net/'];
/** Versions of the resource provider (facts/azure.md §1.2). */
const API_VERSIONS = [
  '2022-10-01',
  '2023-04-01',
  '2023-10-01',
  '2024-04-01',
  '2024-10-01',
  '2025-04-01',
  '2025-06-01',
  '2025-09-01',
  '2025-12-01',
  '2026-03-01',
  '2026-05-01',
  '2026-07-01',
  '2026-09-01',
];

/** A refusal in ARM's words. */
class ArmError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Opens the stand-in (no port: put `serve` before it). */
export function createAzureMlCloud(options: AzureMlOptions): AzureMlCloud {
  const keys = createRemoteJWKSet(new URL(options.jwksUri), { timeoutDuration: 5_000 });
  const clock = options.clock ?? systemClock;

  const principal = async (request: Request): Promise<string> => {
    const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    if (!token) throw new ArmError(401, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.");
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: [...(options.audiences ?? DEFAULT_AUDIENCES)],
        algorithms: ['RS256'],
        currentDate: new Date(clock.now()),
      });
      return typeof payload['oid'] === 'string' ? payload['oid'] : '';
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new ArmError(401, 'ExpiredAuthenticationToken', 'The access token expiry UTC time is earlier than current UTC time.');
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
        const audiences = (options.audiences ?? DEFAULT_AUDIENCES).join(',');
        throw new ArmError(
          401,
          'InvalidAuthenticationTokenAudience',
          `The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences '${audiences}'.`,
        );
      }
      throw new ArmError(401, 'InvalidAuthenticationToken', 'The access token is invalid.');
    }
  };

  const answer = async (request: Request): Promise<Response> => {
    const correlation = randomUUID();
    const headers = { 'x-ms-request-id': correlation, 'x-ms-correlation-request-id': correlation, 'cache-control': 'no-cache' };
    try {
      return json(await route(options, request, await principal(request)), 200, {
        ...headers,
        'x-ms-ratelimit-remaining-subscription-reads': '249',
      });
    } catch (error) {
      if (!(error instanceof ArmError)) throw error;
      const challenge = `Bearer authorization_uri="${options.issuer}", error="invalid_token", error_description="${error.code}"`;
      return json({ error: { code: error.code, message: error.message } }, error.status, {
        ...headers,
        'x-ms-failure-cause': 'gateway',
        ...(error.status === 401 ? { 'www-authenticate': challenge } : {}),
      });
    }
  };
  return withFaults({ name: 'azureml', fetch: answer, close: async () => undefined }, (request) =>
    WORKSPACE.test(new URL(request.url).pathname) ? 'GetWorkspace' : undefined,
  );
}

const WORKSPACE =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.MachineLearningServices\/workspaces\/([^/]+)$/i;

async function route(options: AzureMlOptions, request: Request, oid: string): Promise<object> {
  const url = new URL(request.url);
  const [, subscription, group, name] = WORKSPACE.exec(url.pathname) ?? [];
  if (request.method !== 'GET' || subscription === undefined || group === undefined || name === undefined) {
    throw new ArmError(
      404,
      'InvalidResourceType',
      `The stand-in knows GET on Azure ML workspaces only, not ${request.method} ${url.pathname.slice(0, 200)}.`,
    );
  }
  const version = url.searchParams.get('api-version');
  if (!version)
    throw new ArmError(400, 'MissingApiVersionParameter', 'The api-version query parameter (?api-version=) is required for all requests.');
  if (!API_VERSIONS.includes(version)) {
    throw new ArmError(
      400,
      'NoRegisteredProviderFound',
      `No registered resource provider found for API version '${version.slice(0, 40)}' for type 'workspaces'. The supported api-versions are '${API_VERSIONS.join(', ')}'.`,
    );
  }
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  if (!same(subscription, options.subscriptionId))
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${subscription.slice(0, 80)}' could not be found.`);
  if (options.readers && !options.readers.includes(oid)) {
    throw new ArmError(
      403,
      'AuthorizationFailed',
      `The client with object id '${oid}' does not have authorization to perform action 'Microsoft.MachineLearningServices/workspaces/read' over scope '${url.pathname.slice(0, 300)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    );
  }
  if (!same(group, options.resourceGroup))
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${group.slice(0, 90)}' could not be found.`);
  const workspace = options.workspaces.find((candidate) => same(candidate.name, name));
  if (!workspace) {
    throw new ArmError(
      404,
      'ResourceNotFound',
      `The Resource 'Microsoft.MachineLearningServices/workspaces/${name.slice(0, 90)}' under resource group '${options.resourceGroup}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
    );
  }
  return workspaceBody(options, workspace);
}
