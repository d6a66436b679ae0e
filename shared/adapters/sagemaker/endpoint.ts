// An endpoint's way from one configuration to another, and back: read first, then at most one change (facts/sagemaker.md §1.3-§1.4).
// There is no wait in here; "not now" is a TransientError and the engine comes again.
import type { DescribeEndpointCommandOutput, UpdateEndpointCommandInput } from '@aws-sdk/client-sagemaker';
import type { EndpointState } from '../../contracts/serving.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { SagemakerApi } from './api.ts';
import { tagList } from './names.ts';

type Description = DescribeEndpointCommandOutput;

/** The facts about an endpoint; whether they mean success is decided elsewhere. */
export function endpointState(found: Description | null): EndpointState {
  if (!found) return { status: 'absent', configName: null, pendingConfig: null, reason: null };
  const configName = found.EndpointConfigName ?? null;
  const pendingConfig = found.PendingDeploymentSummary?.EndpointConfigName ?? null;
  return { ...statusOf(found), configName, pendingConfig };
}

function statusOf(found: Description): Pick<EndpointState, 'status' | 'reason'> {
  const given = found.FailureReason?.slice(0, 2000) ?? null;
  const status = found.EndpointStatus as string | undefined;
  switch (status) {
    case 'InService': {
      const moving = movingVariant(found);
      return moving ? { status: 'changing', reason: moving } : { status: 'in-service', reason: given };
    }
    case 'Creating':
    case 'Updating':
    case 'RollingBack':
    case 'Deleting':
    case 'SystemUpdating':
      return { status: 'changing', reason: given ?? `SageMaker: ${status}` };
    case 'Failed':
    case 'OutOfService':
    case 'UpdateRollbackFailed':
      return { status: 'failed', reason: `SageMaker: ${status}${given ? `: ${given}` : ' (no reason given)'}` };
    default:
      return { status: 'changing', reason: `unknown SageMaker status "${String(status).slice(0, 60)}"` };
  }
}

/** In service, but a variant's capacity or weight is still on its way: not at rest (facts/sagemaker.md §0.1). */
function movingVariant(found: Description): string | null {
  for (const variant of found.ProductionVariants ?? []) {
    const pairs = [
      ['instances', variant.CurrentInstanceCount, variant.DesiredInstanceCount],
      ['weight', variant.CurrentWeight, variant.DesiredWeight],
    ] as const;
    for (const [what, current, desired] of pairs) {
      if (current !== undefined && desired !== undefined && current !== desired) {
        return `variant ${variant.VariantName ?? '?'} has ${what} ${current}, wants ${desired}`;
      }
    }
  }
  return null;
}

/** What `apply` did; `deleted` only from `restore`. */
type Applied = 'created' | 'updated' | 'unchanged';

export async function apply(api: SagemakerApi, name: string, configName: string, tags: Record<string, string>): Promise<Applied> {
  const found = await api.endpoint(name);
  if (!found) return create(api, name, configName, tags);
  const pending = found.PendingDeploymentSummary?.EndpointConfigName;
  switch (found.EndpointStatus) {
    case 'Creating':
      if (found.EndpointConfigName === configName) return 'unchanged';
      throw busy(name, found);
    case 'InService':
    case 'SystemUpdating':
      if (pending === configName || (pending === undefined && found.EndpointConfigName === configName)) return 'unchanged';
      if (found.EndpointStatus === 'SystemUpdating' || pending !== undefined) throw busy(name, found);
      return update(api, name, found, configName);
    case 'Updating':
      // Without a summary it is not known which of the two configurations is named: come again when it rests.
      if (pending === configName) return 'unchanged';
      throw busy(name, found);
    case 'OutOfService':
    case 'UpdateRollbackFailed':
      return update(api, name, found, configName);
    case 'Failed':
      // Its first creation failed; only a deletion works now, and the name must be free before it can be used again.
      await api.deleteEndpoint(name);
      throw new TransientError(
        'endpoint-busy',
        `Endpoint "${name}" had failed (${found.FailureReason ?? 'no reason'}); it is being deleted to be made anew.`,
      );
    default:
      throw busy(name, found);
  }
}

async function create(api: SagemakerApi, name: string, configName: string, tags: Record<string, string>): Promise<Applied> {
  const input = { EndpointName: name, EndpointConfigName: configName, Tags: tagList(tags) };
  if ((await api.createEndpoint(input)) === 'created') return 'created';
  // The first answer was lost and the SDK asked again, or somebody was quicker: only the description tells.
  const found = await api.endpoint(name);
  if (found?.EndpointConfigName === configName) return 'created';
  throw found
    ? busy(name, found)
    : new TransientError('not-visible-yet', `SageMaker says that endpoint "${name}" exists but does not show it yet.`);
}

async function update(api: SagemakerApi, name: string, found: Description, configName: string): Promise<Applied> {
  const retained = await retention(api, found.EndpointConfigName, configName);
  if ((await api.updateEndpoint({ EndpointName: name, EndpointConfigName: configName, ...retained })) === 'updating') return 'updated';
  const after = await api.endpoint(name);
  if (after?.PendingDeploymentSummary?.EndpointConfigName === configName) return 'updated';
  throw after ? busy(name, after) : new TransientError('endpoint-busy', `Endpoint "${name}" is being deleted.`);
}

/**
 * What of the running capacity survives the update. False (the service's default) would reset a scaled endpoint to its initial instances; true
 * needs unchanged variant names and would ignore a new count (facts/sagemaker.md §0.7). So: keep the capacity that autoscaling found unless the
 * owner changed type or count in the file, and always take the configuration's weights.
 */
async function retention(
  api: SagemakerApi,
  from: string | undefined,
  to: string,
): Promise<Pick<UpdateEndpointCommandInput, 'RetainAllVariantProperties' | 'ExcludeRetainedVariantProperties'>> {
  const next = await api.config(to);
  if (!next) throw new TransientError('not-visible-yet', `Endpoint configuration "${to}" is not visible yet, or it was deleted.`);
  const before = from === undefined ? null : await api.config(from);
  const shape = (config: typeof next) =>
    JSON.stringify(config.ProductionVariants?.map((variant) => [variant.VariantName, variant.InstanceType, variant.InitialInstanceCount]));
  if (!before || shape(before) !== shape(next)) return { RetainAllVariantProperties: false };
  return { RetainAllVariantProperties: true, ExcludeRetainedVariantProperties: [{ VariantPropertyType: 'DesiredWeight' }] };
}

export async function restore(api: SagemakerApi, name: string, configName: string | null): Promise<'restored' | 'deleted' | 'unchanged'> {
  if (configName === null) return remove(api, name);
  if (!(await api.config(configName))) {
    throw new RejectedError(
      'config-gone',
      `Endpoint "${name}" cannot go back to "${configName}": that configuration was deleted. Promote a model again to repair it.`,
    );
  }
  return (await apply(api, name, configName, {})) === 'unchanged' ? 'unchanged' : 'restored';
}

async function remove(api: SagemakerApi, name: string): Promise<'deleted' | 'unchanged'> {
  const found = await api.endpoint(name);
  if (!found) return 'unchanged';
  if (found.EndpointStatus === 'Deleting') return 'deleted';
  const outcome = await api.deleteEndpoint(name);
  if (outcome === 'busy') throw busy(name, found);
  return outcome === 'absent' ? 'unchanged' : 'deleted';
}

function busy(name: string, found: Description): TransientError {
  const pending = found.PendingDeploymentSummary?.EndpointConfigName;
  const toward = pending ? ` on its way to "${pending}"` : '';
  return new TransientError(
    'endpoint-busy',
    `Endpoint "${name}" is ${found.EndpointStatus ?? 'in an unknown state'} (configuration "${found.EndpointConfigName ?? '?'}"${toward}); it takes no change now.`,
  );
}
