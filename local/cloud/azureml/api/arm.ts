// ARM's front: api-version, subscription, resource group, type, right, then the route (facts/azure.md §1).
// The order of the checks is ARM's: who, what, which version, where, may they, is it there.
import { ArmError } from './arm-error.ts';
import { json } from '../../kit/body.ts';
import type { Caller } from '../identity/tokens.ts';
import { workspaceBody } from '../workspace.ts';
import type { CloudContext } from './context.ts';
import { fit, REGISTRY_ROUTES, WORKSPACE_ROUTES, type Endpoint } from './routes.ts';

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
/** The first version has no registries (facts/azure.md §1.1). */
const REGISTRY_VERSIONS = API_VERSIONS.slice(1);

const PATH =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.MachineLearningServices\/(workspaces|registries)\/([^/]+)(?:\/(.*))?$/i;

interface Target {
  readonly subscription: string;
  readonly group: string;
  readonly kind: 'workspaces' | 'registries';
  readonly name: string;
  readonly below: string;
}

function targetOf(pathname: string): Target | undefined {
  const [, subscription = '', group = '', kind, name = '', below = ''] = PATH.exec(pathname) ?? [];
  if (kind === undefined) return undefined;
  return { subscription, group, kind: kind.toLowerCase() === 'workspaces' ? 'workspaces' : 'registries', name, below };
}

/** Name of a call for planned failures, e.g. `PutJob`. */
export function armOperation(method: string, pathname: string): string | undefined {
  const target = targetOf(pathname);
  if (!target) return /\/mfeOperation(Results|sStatus)\//i.test(pathname) ? 'GetOperation' : undefined;
  if (target.kind === 'workspaces' && target.below === '') return 'GetWorkspace';
  const table: readonly Endpoint<never>[] = target.kind === 'workspaces' ? WORKSPACE_ROUTES : REGISTRY_ROUTES;
  return table.find((endpoint) => endpoint.method === method && fit(endpoint.path, target.below))?.operation;
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** Answers a call of ARM. Throws `ArmError`. */
export async function answerArm(context: CloudContext, request: Request, caller: Caller & { kind: 'principal' }): Promise<Response> {
  const url = new URL(request.url);
  if (context.operations.isOperation(url.pathname)) {
    checkVersion(url, 'locations', API_VERSIONS);
    const answer = context.operations.answer(url);
    if (answer) return answer;
  }
  const target = targetOf(url.pathname);
  // Where no registry is configured the type is not known at all.
  if (!target || (target.kind === 'registries' && context.registries.length === 0)) throw unknownType(request.method, url.pathname);
  const endpoint = endpointOf(target, request.method, url.pathname);
  const apiVersion = checkVersion(url, target.kind, target.kind === 'registries' ? REGISTRY_VERSIONS : API_VERSIONS);
  if (!same(target.subscription, context.options.subscriptionId))
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${target.subscription.slice(0, 80)}' could not be found.`);
  context.roles.authorize(caller, endpoint?.action ?? 'workspaces/read', decoded(target.name), url.pathname);
  if (!same(target.group, context.options.resourceGroup))
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${target.group.slice(0, 90)}' could not be found.`);
  return target.kind === 'workspaces'
    ? onWorkspace(context, request, url, caller, apiVersion, target)
    : onRegistry(context, request, url, caller, apiVersion, target);
}

function endpointOf(target: Target, method: string, pathname: string): Endpoint<never> | undefined {
  if (target.kind === 'workspaces' && target.below === '') {
    if (method === 'GET') return undefined;
    throw unknownType(method, pathname); // workspaces are made by infrastructure
  }
  const table: readonly Endpoint<never>[] = target.kind === 'workspaces' ? WORKSPACE_ROUTES : REGISTRY_ROUTES;
  const fitting = table.filter(({ path }) => fit(path, target.below));
  if (fitting.length === 0) throw unknownType(method, pathname);
  const found = fitting.find((endpoint) => endpoint.method === method);
  if (!found) {
    throw new ArmError(405, 'HttpMethodNotAllowed', `The requested resource does not support http method '${method}'.`, {
      allow: fitting.map((endpoint) => endpoint.method).join(', '),
    });
  }
  return found;
}

const unknownType = (method: string, pathname: string): ArmError =>
  new ArmError(
    404,
    'InvalidResourceType',
    `The stand-in does not know ${method} ${pathname.slice(0, 200)}. It knows workspaces (read), and below them jobs, computes, datastores, environments, codes, models, data and components; registries where they are configured.`,
  );

function checkVersion(url: URL, type: string, versions: readonly string[]): string {
  const version = url.searchParams.get('api-version');
  if (!version)
    throw new ArmError(400, 'MissingApiVersionParameter', 'The api-version query parameter (?api-version=) is required for all requests.');
  if (versions.includes(version)) return version;
  throw new ArmError(
    400,
    'NoRegisteredProviderFound',
    `No registered resource provider found for API version '${version.slice(0, 40)}' for type '${type}'. The supported api-versions are '${versions.join(', ')}'.`,
  );
}

const notThere = (kind: string, name: string, group: string): ArmError =>
  new ArmError(
    404,
    'ResourceNotFound',
    `The Resource 'Microsoft.MachineLearningServices/${kind}/${name.slice(0, 90)}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );

async function onWorkspace(
  context: CloudContext,
  request: Request,
  url: URL,
  caller: Caller & { kind: 'principal' },
  apiVersion: string,
  target: Target,
): Promise<Response> {
  const { options } = context;
  const workspace = context.workspaces.find(({ options: { name } }) => same(name, decoded(target.name)));
  if (!workspace) throw notThere('workspaces', target.name, options.resourceGroup);
  if (target.below === '') {
    const base = context.baseUrl();
    return json(workspaceBody(options, workspace.options, base === undefined ? undefined : new URL(base).host));
  }
  for (const endpoint of WORKSPACE_ROUTES) {
    const params = endpoint.method === request.method ? fit(endpoint.path, target.below) : undefined;
    if (params) return endpoint.route({ context, workspace, request, url, caller, apiVersion, params });
  }
  throw unknownType(request.method, url.pathname);
}

async function onRegistry(
  context: CloudContext,
  request: Request,
  url: URL,
  caller: Caller & { kind: 'principal' },
  apiVersion: string,
  target: Target,
): Promise<Response> {
  const registry = context.registries.find(({ options: { name } }) => same(name, decoded(target.name)));
  if (!registry) throw notThere('registries', target.name, context.options.resourceGroup);
  for (const endpoint of REGISTRY_ROUTES) {
    const params = endpoint.method === request.method ? fit(endpoint.path, target.below) : undefined;
    if (params) return endpoint.route({ context, registry, request, url, caller, apiVersion, params });
  }
  throw unknownType(request.method, url.pathname);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
