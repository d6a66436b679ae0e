// Entra ID for one machine: discovery, keys, client credentials, and the App Service endpoint of a managed identity.
// `ManagedIdentityCredential` of @azure/identity works against it with IDENTITY_ENDPOINT and IDENTITY_HEADER.
import { createHash, timingSafeEqual } from 'node:crypto';
import { BodyTooLargeError, json, readText } from '../kit/body.ts';
import { systemClock } from '../kit/clock.ts';
import type { Cloud } from '../kit/server.ts';
import { TokenError, tokenErrorResponse } from './errors.ts';
import { openSigningKey, type SigningKey } from './keys.ts';
import { DEFAULT_APIS, type EntraApi, type EntraOptions } from './options.ts';
import { issuerV1, issuerV2, issueToken, type IssuedToken } from './tokens.ts';

/** The running tenant. */
export interface EntraCloud extends Cloud {
  /** `iss` of v1 tokens (AWS federation). */
  readonly issuerV1: string;
  /** `iss` of v2 tokens (Sluice's own API). */
  readonly issuerV2: string;
  /** The JWKS document's address. */
  readonly jwksUri: string;
}

const MAX_FORM = 65_536;

/** Opens a tenant. Routes: `/{tenant}/[v2.0/].well-known/openid-configuration`, `…/discovery/[v2.0/]keys`, `/{tenant}/oauth2/[v2.0/]token`, `/msi/token`. */
export async function createEntraCloud(options: EntraOptions): Promise<EntraCloud> {
  const key = await openSigningKey(options.dataDir);
  const clock = options.clock ?? systemClock;
  const jwksUri = `${options.baseUrl}/${options.tenant}/discovery/v2.0/keys`;
  const fetch = async (request: Request): Promise<Response> => {
    try {
      return await route(options, key, jwksUri, request, clock.now());
    } catch (error) {
      if (error instanceof TokenError) return tokenErrorResponse(error, clock.now());
      if (error instanceof BodyTooLargeError) return json({ error: 'invalid_request', error_description: error.message }, 413);
      throw error;
    }
  };
  return { name: 'entra', fetch, close: async () => undefined, issuerV1: issuerV1(options), issuerV2: issuerV2(options), jwksUri };
}

async function route(options: EntraOptions, key: SigningKey, jwksUri: string, request: Request, nowMs: number): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === '/msi/token' && request.method === 'GET') return managedIdentityToken(options, key, request, url, nowMs);
  if (url.pathname === '/discovery/v2.0/keys' && request.method === 'GET') return json({ keys: [key.publicJwk] });
  const [tenant = '', ...rest] = url.pathname.slice(1).split('/');
  const call = `${request.method} ${rest.join('/')}`;
  const known = new Set([
    'GET .well-known/openid-configuration',
    'GET v2.0/.well-known/openid-configuration',
    'GET discovery/keys',
    'GET discovery/v2.0/keys',
    'POST oauth2/token',
    'POST oauth2/v2.0/token',
  ]);
  if (!known.has(call)) return new Response(null, { status: 404 });
  if (tenant !== options.tenant) {
    throw new TokenError(
      400,
      'invalid_tenant',
      90002,
      `Tenant '${tenant.slice(0, 64)}' not found. Check to make sure you have the correct tenant ID.`,
    );
  }
  if (call.startsWith('GET discovery/')) return json({ keys: [{ ...key.publicJwk, issuer: issuerV2(options) }] });
  if (call.endsWith('openid-configuration')) return discovery(options, jwksUri, call.includes('v2.0'));
  return clientCredentials(options, key, request, call.includes('v2.0'), nowMs);
}

function discovery(options: EntraOptions, jwksUri: string, v2: boolean): Response {
  const base = `${options.baseUrl}/${options.tenant}`;
  return json({
    token_endpoint: `${base}/oauth2/${v2 ? 'v2.0/' : ''}token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    jwks_uri: jwksUri,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['token'],
    issuer: v2 ? issuerV2(options) : issuerV1(options),
    authorization_endpoint: `${base}/oauth2/${v2 ? 'v2.0/' : ''}authorize`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'tid', 'oid', 'roles', 'ver'],
  });
}

async function clientCredentials(options: EntraOptions, key: SigningKey, request: Request, v2: boolean, nowMs: number): Promise<Response> {
  const form = new URLSearchParams(await readText(request, MAX_FORM));
  const grant = required(form, 'grant_type');
  if (grant !== 'client_credentials') {
    throw new TokenError(
      400,
      'unsupported_grant_type',
      70003,
      'The app requested an unsupported grant type; this tenant knows client_credentials.',
    );
  }
  const { id, secret } = presented(request, form);
  const client = options.clients.find((candidate) => candidate.clientId === id);
  if (!client) {
    throw new TokenError(
      400,
      'unauthorized_client',
      700016,
      `Application with identifier '${id.slice(0, 64)}' was not found in the directory '${options.tenant}'.`,
    );
  }
  if (client.secret === undefined || !sameSecret(client.secret, secret)) {
    throw new TokenError(401, 'invalid_client', 7000215, `Invalid client secret provided for app '${client.clientId}'.`);
  }
  const scope = required(form, v2 ? 'scope' : 'resource');
  if (v2 && !scope.endsWith('/.default')) {
    throw new TokenError(
      400,
      'invalid_scope',
      1002012,
      `The provided value for scope ${scope.slice(0, 200)} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
    );
  }
  const issued = await issueToken(options, key, client, apiOf(options, v2 ? scope.slice(0, -'/.default'.length) : scope), nowMs, '1');
  return tokenAnswer(issued);
}

/** The client's id and secret: in the form, or as HTTP Basic. */
function presented(request: Request, form: URLSearchParams): { id: string; secret: string } {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
  if (basic === undefined) return { id: required(form, 'client_id'), secret: required(form, 'client_secret') };
  const text = Buffer.from(basic, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const decode = (part: string) => new URLSearchParams(`v=${part}`).get('v') ?? '';
  return { id: decode(text.slice(0, colon)), secret: decode(text.slice(colon + 1)) };
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (!value) throw new TokenError(400, 'invalid_request', 900144, `The request body must contain the following parameter: '${name}'.`);
  return value;
}

function sameSecret(expected: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(expected), digest(given));
}

function apiOf(options: EntraOptions, resource: string): EntraApi {
  const wanted = resource.replace(/\/$/, '');
  const api = (options.apis ?? DEFAULT_APIS).find((candidate) => candidate.uri === wanted);
  if (!api) {
    throw new TokenError(
      400,
      'invalid_resource',
      500011,
      `The resource principal named ${wanted.slice(0, 200)} was not found in the tenant ${options.tenant}.`,
    );
  }
  return api;
}

function tokenAnswer({ token, issuedAt, expiresAt }: IssuedToken): Response {
  const seconds = expiresAt - issuedAt;
  return json({ token_type: 'Bearer', expires_in: seconds, ext_expires_in: seconds, access_token: token }, 200, {
    'cache-control': 'no-store',
  });
}

/** App Service's endpoint: https://learn.microsoft.com/azure/app-service/overview-managed-identity (api-version 2019-08-01). */
async function managedIdentityToken(options: EntraOptions, key: SigningKey, request: Request, url: URL, nowMs: number): Promise<Response> {
  const refuse = (status: number, message: string) => json({ statusCode: status, message }, status);
  const identity = options.managedIdentity;
  const client = options.clients.find((candidate) => candidate.clientId === identity?.clientId);
  if (!identity || !client) return refuse(400, 'No managed identity is configured for this app.');
  if (!sameSecret(identity.header, request.headers.get('x-identity-header') ?? ''))
    return refuse(401, 'The X-IDENTITY-HEADER is missing or wrong.');
  if (url.searchParams.get('api-version') !== '2019-08-01') return refuse(400, 'The api-version must be 2019-08-01.');
  const asked = [
    [url.searchParams.get('client_id'), client.clientId],
    [url.searchParams.get('principal_id') ?? url.searchParams.get('object_id'), client.objectId],
  ];
  if (asked.some(([given, own]) => given !== null && given !== own)) {
    return refuse(400, 'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.');
  }
  const resource = url.searchParams.get('resource');
  if (!resource) return refuse(400, 'The parameter resource is missing.');
  try {
    const issued = await issueToken(options, key, client, apiOf(options, resource), nowMs, '2');
    return json({
      access_token: issued.token,
      expires_on: String(issued.expiresAt),
      resource,
      token_type: 'Bearer',
      client_id: client.clientId,
    });
  } catch (error) {
    if (error instanceof TokenError) return refuse(400, `AADSTS${error.code}: ${error.message}`);
    throw error;
  }
}
