// Azure Resource Manager with the managed identity: typed reads through @azure/arm-machinelearning where it is right, and thin calls on the
// same authenticated pipeline for everything that it loses or does not know (facts/azure.md §1.1). Azure ML and Data Factory share it.
import type { TokenCredential } from '@azure/identity';
import { RejectedError } from '../errors/errors.ts';
import { type Answer, type CallBudget, type Caller, type CallMethod, type CallOptions, createCaller } from './arm/call.ts';
import { type ArmOperation, operationState, type OperationState } from './arm/operations.ts';
import { createTransport } from './arm/transport.ts';
import { reach } from './loopback.ts';

export interface ArmSettings {
  credential: TokenCredential;
  /** `https://management.azure.com`, a sovereign cloud's, or a stand-in on this machine. */
  endpoint: string;
  subscriptionId: string;
  allowInsecureLoopback: boolean;
  /** Limit of one call (default 30 000 ms). */
  timeoutMs?: number;
  /** Calls that all instances together may make; without it only the service's own 429 holds this one back. */
  budget?: CallBudget;
  /** How long one thin call may wait in all for budget and `Retry-After` (default 20 000 ms). */
  maxWaitMs?: number;
  /** Milliseconds since 1970 (default Date.now). */
  now?: () => number;
  sleep?: (ms: number) => Promise<void>;
}

/** What ARM says about a workspace, as far as Sluice reads it. */
export interface ArmWorkspace {
  name?: string;
  location?: string;
  publicNetworkAccess?: string;
  mlFlowTrackingUri?: string;
}

export interface ArmRequest extends CallOptions {
  /** Sent as `api-version`; every resource provider has its own. */
  apiVersion: string;
}

export interface Arm {
  readonly subscriptionId: string;
  /** Audience of the tokens that ARM takes, e.g. `https://management.azure.com`. */
  readonly audience: string;
  readonly workspaces: {
    /** Throws the SDK's RestError; the adapter translates it. */
    get(resourceGroup: string, workspace: string): Promise<ArmWorkspace>;
  };
  /** One plain call, e.g. `request('PUT', '/subscriptions/…', { apiVersion, body })`. Retry rules and errors: arm/call.ts. */
  request(method: CallMethod, path: string, request: ArmRequest): Promise<Answer>;
  /** Looks once at a long operation (arm/operations.ts makes one from an answer). */
  poll(operation: ArmOperation): Promise<OperationState>;
  /** Plain calls to a service beside ARM (a workspace's MLflow, for one) with the same identity, for another origin and scope. */
  service(what: string, origin: string, scope: string): Caller;
}

/** Audience of tokens for ARM in the public cloud; a stand-in takes the same. */
const PUBLIC_AUDIENCE = 'https://management.azure.com';
const WHAT = 'Azure Resource Manager';

export function createArm(settings: ArmSettings): Arm {
  const { credential, subscriptionId, allowInsecureLoopback } = settings;
  const { endpoint, policies } = reach(WHAT, settings.endpoint, allowInsecureLoopback);
  const audience = policies.length > 0 ? PUBLIC_AUDIENCE : endpoint;
  const scope = `${audience}/.default`;
  const timeoutMs = settings.timeoutMs ?? 30_000;
  const now = settings.now ?? Date.now;
  const callers = new Map<string, Caller>();

  async function load() {
    const { AzureMachineLearningWorkspaces } = await import('@azure/arm-machinelearning');
    const options = { endpoint, $host: endpoint, credentialScopes: [scope], additionalPolicies: policies };
    return new AzureMachineLearningWorkspaces(credential, subscriptionId, {
      ...options,
      retryOptions: { maxRetries: 2, maxRetryDelayInMs: 10_000 },
    });
  }
  let client: ReturnType<typeof load> | undefined;

  /** One caller per service, so that connections and tokens are kept. Only ARM itself is metered by the shared budget. */
  function caller(what: string, origin: string, wanted: string): Caller {
    const key = `${wanted} ${origin}`;
    const known = callers.get(key);
    if (known) return known;
    const made = createCaller({
      what,
      transport: createTransport({ credential, origin, subscriptionId, scope: wanted, what, allowInsecureLoopback }),
      timeoutMs,
      maxWaitMs: settings.maxWaitMs ?? 20_000,
      now,
      sleep: settings.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
      ...(settings.budget && what === WHAT ? { budget: settings.budget } : {}),
    });
    callers.set(key, made);
    return made;
  }

  return {
    subscriptionId,
    audience,
    workspaces: {
      async get(resourceGroup, workspace) {
        client ??= load();
        const abortSignal = AbortSignal.timeout(timeoutMs);
        const found = await (await client).workspaces.get(resourceGroup, workspace, { abortSignal });
        return {
          ...(found.name === undefined ? {} : { name: found.name }),
          ...(found.location === undefined ? {} : { location: found.location }),
          ...(found.publicNetworkAccess === undefined ? {} : { publicNetworkAccess: found.publicNetworkAccess }),
          ...(found.mlFlowTrackingUri === undefined ? {} : { mlFlowTrackingUri: found.mlFlowTrackingUri }),
        };
      },
    },
    request(method, path, { apiVersion, query, ...options }) {
      return caller(WHAT, settings.endpoint, scope)(method, path, { ...options, query: { 'api-version': apiVersion, ...query } });
    },
    async poll(operation) {
      const { origin, path } = within(settings.endpoint, operation.url);
      const answer = await caller(WHAT, origin, scope)('GET', path, { accept: operation.kind === 'location' ? [400, 404, 409, 412] : [] });
      return operationState(operation, answer, now());
    },
    service: (what, origin, wanted) => caller(what, origin, wanted),
  };
}

/** An operation may live at ARM itself or at a regional name below it; anywhere else our token has no business. */
function within(endpoint: string, url: string): { origin: string; path: string } {
  const arm = new URL(endpoint);
  const target = URL.canParse(url) ? new URL(url) : null;
  const regional = target?.protocol === 'https:' && target.hostname.endsWith(`.${arm.hostname}`) && target.port === '';
  if (!target || (target.origin !== arm.origin && !regional)) {
    throw new RejectedError(
      'arm-answer-invalid',
      `A long operation is said to be at ${target?.origin ?? 'no address'}, which is not ${arm.origin}.`,
    );
  }
  return { origin: target.origin, path: `${target.pathname}${target.search}` };
}

export type { Answer, CallBudget, Caller, CallMethod, CallOptions };
export { type ArmOperation, operationOf, type OperationState } from './arm/operations.ts';
