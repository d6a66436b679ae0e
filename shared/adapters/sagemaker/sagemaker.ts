// Ports ServingPlatform and ArtifactStore over AWS: SageMaker, its runtime, S3, and STS for the question "who am I?".
// The parts are in the files beside this one; this one only puts them together.
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import type { AwsClients } from '../../clients/aws.ts';
import type { ArtifactStore, ServingPlatform } from '../../ports/serving-platform.ts';
import { createApi } from './api.ts';
import { createArtifactStore } from './artifacts.ts';
import { apply, endpointState, restore } from './endpoint.ts';
import { translate } from './errors.ts';
import { invoke } from './invoke.ts';
import { stage } from './stage.ts';

export interface SagemakerOptions {
  clients: AwsClients;
  /** Milliseconds since 1970; the date of pre-signed URLs. */
  now: () => number;
}

export interface Sagemaker {
  readonly platform: ServingPlatform;
  readonly artifacts: ArtifactStore;
}

export function createSagemaker({ clients, now }: SagemakerOptions): Sagemaker {
  const api = async (region: string) => createApi(await clients.sagemaker(region));
  return {
    platform: {
      platform: 'sagemaker',
      stage: async (request) => stage(await api(request.target.region), request),
      apply: async (place, configName, tags) => apply(await api(place.region), place.endpoint, configName, tags),
      read: async (place) => endpointState(await (await api(place.region)).endpoint(place.endpoint)),
      restore: async (place, configName) => restore(await api(place.region), place.endpoint, configName),
      invoke: async (place, rows) => invoke(await clients.runtime(place.region), place.endpoint, rows),
      async probe(region) {
        try {
          const caller = await (await clients.sts(region)).send(new GetCallerIdentityCommand({}));
          return { identity: caller.Arn ?? 'unknown' };
        } catch (error) {
          throw translate(error, 'say who this deployment is');
        }
      },
    },
    artifacts: createArtifactStore(clients, now),
  };
}
