// Azure Resource Manager with the managed identity: so far the Azure ML workspace, through @azure/arm-machinelearning.
// That package loses inputs of jobs (facts/azure.md §1.1); for reading a workspace it is right.
import type { TokenCredential } from '@azure/identity';
import { reach } from './loopback.ts';

export interface ArmSettings {
  credential: TokenCredential;
  /** `https://management.azure.com`, a sovereign cloud's, or a stand-in on this machine. */
  endpoint: string;
  subscriptionId: string;
  allowInsecureLoopback: boolean;
  /** Limit of one call (default 30 000 ms). */
  timeoutMs?: number;
}

/** What ARM says about a workspace, as far as Sluice reads it. */
export interface ArmWorkspace {
  name?: string;
  location?: string;
  publicNetworkAccess?: string;
  mlFlowTrackingUri?: string;
}

export interface Arm {
  readonly subscriptionId: string;
  readonly workspaces: {
    /** Throws the SDK's RestError; the adapter translates it. */
    get(resourceGroup: string, workspace: string): Promise<ArmWorkspace>;
  };
}

/** Audience of tokens for ARM in the public cloud; a stand-in takes the same. */
const PUBLIC_AUDIENCE = 'https://management.azure.com';

export function createArm(settings: ArmSettings): Arm {
  const { endpoint, policies } = reach('Azure Resource Manager', settings.endpoint, settings.allowInsecureLoopback);
  const scope = `${policies.length > 0 ? PUBLIC_AUDIENCE : endpoint}/.default`;

  async function load() {
    const { AzureMachineLearningWorkspaces } = await import('@azure/arm-machinelearning');
    const options = { endpoint, $host: endpoint, credentialScopes: [scope], additionalPolicies: policies };
    return new AzureMachineLearningWorkspaces(settings.credential, settings.subscriptionId, {
      ...options,
      retryOptions: { maxRetries: 2, maxRetryDelayInMs: 10_000 },
    });
  }
  let client: ReturnType<typeof load> | undefined;

  return {
    subscriptionId: settings.subscriptionId,
    workspaces: {
      async get(resourceGroup, workspace) {
        client ??= load();
        const abortSignal = AbortSignal.timeout(settings.timeoutMs ?? 30_000);
        const found = await (await client).workspaces.get(resourceGroup, workspace, { abortSignal });
        return {
          ...(found.name === undefined ? {} : { name: found.name }),
          ...(found.location === undefined ? {} : { location: found.location }),
          ...(found.publicNetworkAccess === undefined ? {} : { publicNetworkAccess: found.publicNetworkAccess }),
          ...(found.mlFlowTrackingUri === undefined ? {} : { mlFlowTrackingUri: found.mlFlowTrackingUri }),
        };
      },
    },
  };
}
