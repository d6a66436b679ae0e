// Has the endpoint arrived where the promotion sent it? "InService" alone does not say so (facts/sagemaker.md §0.1).
import type { EndpointState } from '../contracts/serving.ts';

export type Arrival = { kind: 'arrived' } | { kind: 'waiting' } | { kind: 'lost'; reason: string };

/** Compares an endpoint with the configuration that was asked for. */
export function arrival(state: EndpointState, configName: string): Arrival {
  if (state.status === 'failed') return { kind: 'lost', reason: state.reason ?? 'the endpoint failed and gave no reason' };
  if (state.status === 'absent') return { kind: 'lost', reason: 'the endpoint is not there any more; somebody deleted it' };
  if (state.status === 'changing' || state.pendingConfig !== null) return { kind: 'waiting' };
  if (state.configName === configName) return { kind: 'arrived' };
  return {
    kind: 'lost',
    reason: `the endpoint went back to ${state.configName ?? 'no configuration'}${state.reason ? `: ${state.reason}` : ''}`,
  };
}

/** Is the endpoint at rest, whatever it serves? */
export function atRest(state: EndpointState): boolean {
  return state.status !== 'changing' && state.pendingConfig === null;
}
