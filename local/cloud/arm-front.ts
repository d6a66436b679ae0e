// Azure Resource Manager is one front door: Azure ML and Data Factory behind one address and one check of tokens.
import { asCloudEvent, createAzureMlCloud, type RunCloudEvent } from './azureml/azureml-cloud.ts';
import { createTokens } from './azureml/identity/tokens.ts';
import type { AzureMlOptions } from './azureml/options.ts';
import type { CloudConfig } from './config.ts';
import { createDataFactoryCloud, isDataFactoryPath } from './datafactory/data-factory.ts';
import { systemClock } from './kit/clock.ts';
import type { Cloud } from './kit/server.ts';
import { withPython } from './step-images.ts';

export interface ArmSurroundings {
  issuer: string;
  jwksUri: string;
  folder: (name: string) => string;
  lake: string;
  /** Takes the events of jobs, as a subscription of the workspace would. */
  events: ((event: RunCloudEvent) => Promise<void>) | null;
}

export type ArmFront = Cloud & { reachableAt(url: string): void };

/** `folder` gives the state folder of a stand-in by its name; `lake` is the account as writers see it, so that copies make events. */
export function createArmFront(config: CloudConfig, { issuer, jwksUri, folder, lake, events }: ArmSurroundings): ArmFront {
  const { images, eventsQueue: _queue, ...settings } = config.azureml;
  const options: AzureMlOptions = {
    ...settings,
    images: withPython(config, images),
    issuer,
    jwksUri,
    tenant: config.entra.tenant,
    dataDir: folder('azureml'),
    ...(events ? { events: { publish: (event) => events(asCloudEvent(event)) } } : {}),
  };
  const azureml = createAzureMlCloud(options);
  const tokens = createTokens(options, systemClock);
  const factory = config.datafactory
    ? createDataFactoryCloud({
        ...config.datafactory,
        subscriptionId: config.azureml.subscriptionId,
        resourceGroup: config.azureml.resourceGroup,
        connectionString: lake,
        dataDir: folder('datafactory'),
        authorize: (request) => tokens.principal(request),
      })
    : null;
  return {
    name: 'arm',
    fetch: (request) => (factory && isDataFactoryPath(new URL(request.url).pathname) ? factory : azureml).fetch(request),
    reachableAt: (url) => azureml.reachableAt(url),
    async close() {
      await factory?.close();
      await azureml.close();
    },
  };
}
