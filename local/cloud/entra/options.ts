// What a local tenant consists of: principals, the APIs they may get tokens for, and how long tokens live.
// Given by configuration; nothing here is created over HTTP.
import type { Clock } from '../kit/clock.ts';

/** A principal that can get tokens: an app registration with a secret, or a managed identity. */
export interface EntraClient {
  readonly clientId: string;
  /** Object id of the service principal: `oid` and `sub` of its tokens. */
  readonly objectId: string;
  readonly name: string;
  /** Without a secret the principal cannot use the token endpoint (a managed identity has none). */
  readonly secret?: string;
  /** App roles that were granted; a token carries those which its API defines. */
  readonly roles?: readonly string[];
  /** Seconds that its tokens live; negative values make tokens that have expired already. */
  readonly tokenLifetimeSeconds?: number;
}

/** An API that tokens are made for. */
export interface EntraApi {
  /** Application ID URI, e.g. `api://sluice`: what a caller asks for as `<uri>/.default` or `resource=<uri>`. */
  readonly uri: string;
  /** Shape of its tokens; a property of the API's registration, not of the endpoint called (facts/sagemaker.md §3). */
  readonly tokenVersion: 1 | 2;
  /** The `aud` claim; default the URI. The real service puts the API's client id into v2 tokens. */
  readonly audience?: string;
  /** App roles that the API defines. */
  readonly roles?: readonly string[];
  /** Refuse principals that hold none of the roles (AADSTS501051). */
  readonly assignmentRequired?: boolean;
}

/** A local tenant. */
export interface EntraOptions {
  /** Directory of the signing key. */
  readonly dataDir: string;
  /** Address under which the issuer is reached, without trailing slash; part of every `iss`. */
  readonly baseUrl: string;
  readonly tenant: string;
  readonly clients: readonly EntraClient[];
  /** Default: `DEFAULT_APIS`. */
  readonly apis?: readonly EntraApi[];
  /** Which client `GET /msi/token` speaks for, and the value that its caller must send as X-IDENTITY-HEADER. */
  readonly managedIdentity?: { readonly clientId: string; readonly header: string };
  /** Seconds that tokens live (default 3600). */
  readonly tokenLifetimeSeconds?: number;
  readonly clock?: Clock;
}

/** The APIs of a Sluice deployment: its own, the one that AWS trusts, and Azure's. */
export const DEFAULT_APIS: readonly EntraApi[] = [
  { uri: 'api://sluice', tokenVersion: 2, roles: ['reader', 'operator', 'approver', 'admin'] },
  { uri: 'api://aws-sagemaker', tokenVersion: 1, roles: ['AssumeRoleWithWebIdentity'], assignmentRequired: true },
  { uri: 'https://management.azure.com', tokenVersion: 1 },
  { uri: 'https://storage.azure.com', tokenVersion: 1 },
  { uri: 'https://eventgrid.azure.net', tokenVersion: 1 },
  // Azure Databricks and Azure Kubernetes Service, by their application ids (facts/azure.md §6, facts/kubeflow.md §1).
  { uri: '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d', tokenVersion: 1 },
  { uri: '6dae42f8-4368-4678-94ff-3960e28e3630', tokenVersion: 1 },
];
