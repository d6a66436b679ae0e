// Calls to one workspace: ARM below its path, its MLflow, and our errors in the words of a training backend.
import type { Answer, Arm, Caller, CallMethod, CallOptions } from '../../clients/arm.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import { type WorkspacePlace, workspacePath } from './place.ts';
import { WorkspaceBody } from './wire.ts';

export interface AzureMlPlace {
  arm: Arm;
  resourceGroup: string;
  workspace: string;
  /** Default 2025-12-01 (facts/azure.md §1.2); sovereign clouds lag behind. */
  apiVersion?: string;
  /** Scope of tokens for MLflow; default ARM's own (facts/azure.md §2). */
  mlflowScope?: string;
}

export const DEFAULT_API_VERSION = '2025-12-01';

export interface AzureMlApi {
  readonly place: WorkspacePlace;
  readonly apiVersion: string;
  /** `path` is below the workspace, e.g. `/jobs/x`, already percent-encoded. */
  call(method: CallMethod, path: string, options?: CallOptions): Promise<Answer>;
  /** Any path of ARM: registries are outside the workspace. */
  arm(method: CallMethod, path: string, options?: CallOptions): Promise<Answer>;
  /** The workspace itself; rejects `workspace-unknown` when there is none. */
  workspace(): Promise<WorkspaceBody>;
  /** The workspace's data plane: MLflow below `mlflow`, artifacts below `artifacts` (facts/azure.md §2, facts/mlflow.md §9). */
  data(): Promise<{ call: Caller; mlflow: string; artifacts: string }>;
}

export function createAzureMlApi(options: AzureMlPlace): AzureMlApi {
  const { arm, resourceGroup, workspace } = options;
  const place = { subscriptionId: arm.subscriptionId, resourceGroup, workspace };
  const base = workspacePath(place);
  const apiVersion = options.apiVersion ?? DEFAULT_API_VERSION;
  let tracking: string | undefined;

  const ask = (method: CallMethod, path: string, more: CallOptions = {}): Promise<Answer> =>
    inOurWords(() => arm.request(method, path, { apiVersion, ...more }));

  async function readWorkspace(): Promise<WorkspaceBody> {
    const answer = await ask('GET', base, { accept: [404] });
    if (answer.status === 404) throw workspaceUnknown(place, answer.error.message);
    return parsed(WorkspaceBody, answer.json, `workspace ${workspace}`);
  }

  return {
    place,
    apiVersion,
    call: (method, path, more) => ask(method, `${base}${path}`, more),
    arm: ask,
    workspace: readWorkspace,
    async data() {
      // Read once: the property never changes in the life of a workspace.
      tracking ??= (await readWorkspace()).properties?.mlFlowTrackingUri ?? '';
      if (tracking === '') {
        throw new TransientError('backend-failing', `Resource Manager does not say where the MLflow of workspace ${workspace} is.`);
      }
      const { origin, mlflow, artifacts } = trackingPaths(tracking);
      const scope = options.mlflowScope ?? `${arm.audience}/.default`;
      const inner = arm.service(`MLflow of workspace ${workspace}`, origin, scope);
      return { call: (method, path, more) => inOurWords(() => inner(method, path, more)), mlflow, artifacts };
    },
  };
}

/** Rejects for a workspace that is not there. */
export function workspaceUnknown(place: WorkspacePlace, said: string): RejectedError {
  return new RejectedError(
    'workspace-unknown',
    `Subscription ${place.subscriptionId} has no Azure ML workspace ${place.resourceGroup}/${place.workspace}. ` +
      `Check subscription, resource group and name. Resource Manager: ${said.slice(0, 300) || '(no message)'}`,
  );
}

/**
 * `azureml://host/mlflow/v1.0/subscriptions/…` → the same over https; it is taken as it is read, never built (facts/azure.md §2).
 * A stand-in on this machine is reached by http, as ARM is there.
 */
export function trackingPaths(uri: string): { origin: string; mlflow: string; artifacts: string } {
  const [, host, version, scope] = /^(?:azureml|https|http):\/\/([^/?#]+)\/mlflow\/(v\d+\.\d+)(\/[^?#]*?)\/?(?:[?#].*)?$/.exec(uri) ?? [];
  if (!host || !version || !scope) {
    throw new RejectedError('backend-answer-invalid', `The tracking address of the workspace is not understood: "${uri.slice(0, 300)}".`);
  }
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(host);
  return {
    origin: `${loopback ? 'http' : 'https'}://${host}`,
    mlflow: `/mlflow/${version}${scope}/api/2.0/mlflow`,
    artifacts: `/artifact/v2.0${scope}/artifacts`,
  };
}

interface Parser<Value> {
  safeParse(
    value: unknown,
  ): { success: true; data: Value } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };
}

/** A body read as `schema`; else rejects `backend-answer-invalid`. */
export function parsed<Value>(schema: Parser<Value>, value: unknown, what: string): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`).join('; ');
  throw new RejectedError('backend-answer-invalid', `Azure ML's answer about ${what} is not understood: ${problems}.`);
}

/** The codes of a training backend for those of the ARM client; the message stays. */
export async function inOurWords<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RejectedError) {
      if (error.code === 'arm-forbidden') throw new RejectedError('backend-forbidden', error.message);
      if (error.code === 'arm-answer-invalid') throw new RejectedError('backend-answer-invalid', error.message);
      if (error.code.startsWith('arm-')) throw new RejectedError('backend-refused', error.message);
    }
    if (error instanceof TransientError) {
      if (error.code === 'arm-throttled') throw new TransientError('backend-throttled', error.message);
      if (error.code === 'arm-unreachable') throw new TransientError('backend-unreachable', error.message);
      if (error.code === 'arm-unavailable') throw new TransientError('backend-failing', error.message);
    }
    throw error;
  }
}
