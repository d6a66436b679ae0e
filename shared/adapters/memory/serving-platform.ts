// Ports ServingPlatform and ArtifactStore in memory: endpoints that change by the clock they are given, and come up or not as they are told.
// For tests and dry runs; deterministic, nothing is served but what `predict` says.
import type { InputRow } from '../../contracts/rows.ts';
import type { EndpointState, Prediction, ServingRequest } from '../../contracts/serving.ts';
import { digestOf } from '../../decisions/digest.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { ArtifactStore, EndpointPlace, ServingPlatform } from '../../ports/serving-platform.ts';

export interface MemoryServingOptions {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Seconds that a creation, update or deletion takes (default 2). */
  changeSeconds?: number;
  /** Why a model never gets healthy, or null (default) when it does. */
  unhealthy?: (request: ServingRequest) => string | null;
  /** What a served model answers; default: every row is "unknown". */
  predict?: (request: ServingRequest, rows: readonly InputRow[]) => Prediction[];
}

/** The platform, its bucket, and the place where a test puts objects. */
export interface MemoryServing {
  readonly platform: ServingPlatform;
  readonly artifacts: ArtifactStore;
  readonly putObject: (place: { region: string; bucket: string; key: string }, content: { sha256: string; bytes: number }) => void;
}

interface Endpoint {
  /** What serves; null before the first configuration is up. */
  config: string | null;
  change: { to: string | null; readyAt: number } | null;
  reason: string | null;
  failed: boolean;
}

export function createMemoryServing(options: MemoryServingOptions): MemoryServing {
  const configs = new Map<string, ServingRequest>();
  const endpoints = new Map<string, Endpoint>();
  const objects = new Map<string, { sha256: string; bytes: number }>();
  const changeMs = (options.changeSeconds ?? 2) * 1000;
  const keyOf = (place: EndpointPlace) => `${place.region}/${place.endpoint}`;
  const configOf = (place: EndpointPlace, name: string) => configs.get(`${place.region}/${name}`);

  /** The endpoint with every change whose time has come carried out. */
  function look(place: EndpointPlace): Endpoint | null {
    const endpoint = endpoints.get(keyOf(place));
    if (!endpoint) return null;
    const { change } = endpoint;
    if (!change || options.now() < change.readyAt) return endpoint;
    endpoint.change = null;
    if (change.to === null) {
      endpoints.delete(keyOf(place));
      return null;
    }
    const request = configOf(place, change.to);
    const problem = request ? (options.unhealthy?.(request) ?? null) : 'the configuration was deleted';
    endpoint.reason = problem;
    if (problem === null) endpoint.config = change.to;
    else if (endpoint.config === null) Object.assign(endpoint, { failed: true, config: change.to });
    return endpoint;
  }

  function begin(place: EndpointPlace, endpoint: Endpoint, to: string | null): void {
    endpoint.change = { to, readyAt: options.now() + changeMs };
    endpoint.reason = null;
    endpoints.set(keyOf(place), endpoint);
  }

  async function apply(place: EndpointPlace, configName: string): Promise<'created' | 'updated' | 'unchanged'> {
    const found = look(place);
    if (!configOf(place, configName)) throw new TransientError('not-visible-yet', `There is no configuration "${configName}" yet.`);
    if (!found) {
      begin(place, { config: null, change: null, reason: null, failed: false }, configName);
      return 'created';
    }
    if (found.change) {
      if (found.change.to === configName) return 'unchanged';
      throw busy(place);
    }
    if (found.failed) {
      begin(place, found, null);
      throw busy(place);
    }
    if (found.config === configName) return 'unchanged';
    begin(place, found, configName);
    return 'updated';
  }

  const platform: ServingPlatform = {
    platform: 'sagemaker',
    async stage(request) {
      const { tags: _tags, ...content } = request;
      const given = request.target.endpoint.slice(0, 46).replace(/-+$/, '');
      const modelName = `${given}-${digestOf([content.image, content.modelDigest, content.artifactUri]).slice(0, 16)}`;
      const configName = `${given}-${digestOf(content).slice(0, 16)}`;
      configs.set(`${request.target.region}/${configName}`, structuredClone(request));
      return { modelName, configName };
    },
    apply,
    async read(place) {
      return stateOf(look(place));
    },
    async restore(place, configName) {
      if (configName === null) {
        const found = look(place);
        if (!found) return 'unchanged';
        if (found.change?.to === null) return 'deleted';
        if (found.change) throw busy(place);
        begin(place, found, null);
        return 'deleted';
      }
      if (!configOf(place, configName)) throw new RejectedError('config-gone', `Configuration "${configName}" was deleted.`);
      return (await apply(place, configName)) === 'unchanged' ? 'unchanged' : 'restored';
    },
    async invoke(place, rows) {
      const found = look(place);
      if (!found) throw new RejectedError('endpoint-absent', `There is no endpoint "${place.endpoint}".`);
      const request = found.config === null || found.failed ? undefined : configOf(place, found.config);
      if (!request) throw new TransientError('endpoint-not-ready', `Endpoint "${place.endpoint}" serves nothing yet.`);
      return options.predict?.(request, rows) ?? rows.map(() => ({ label: 'unknown', probability: null }));
    },
    probe: async (region) => ({ identity: `memory/${region}` }),
  };

  const objectKey = (place: { region: string; bucket: string; key: string }) => `${place.region}/${place.bucket}/${place.key}`;
  return {
    platform,
    artifacts: {
      head: async (place) => objects.get(objectKey(place)) ?? null,
      presignPut: async (request) => ({
        url: `https://memory.invalid/${objectKey(request)}`,
        headers: { 'x-amz-meta-sha256': request.sha256, 'content-length': String(request.bytes) },
      }),
    },
    putObject: (place, content) => void objects.set(objectKey(place), content),
  };
}

function stateOf(endpoint: Endpoint | null): EndpointState {
  if (!endpoint) return { status: 'absent', configName: null, pendingConfig: null, reason: null };
  const { change, config, reason } = endpoint;
  if (change) return { status: 'changing', configName: config ?? change.to, pendingConfig: change.to, reason };
  return { status: endpoint.failed ? 'failed' : 'in-service', configName: config, pendingConfig: null, reason };
}

function busy(place: EndpointPlace): TransientError {
  return new TransientError('endpoint-busy', `Endpoint "${place.endpoint}" is changing; it takes no other change now.`);
}
