// The environment of a job's process: what the service puts there, what the image brings, what the job says; nothing of the stand-in's own but PATH.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobRecord } from '../model.ts';
import { guid } from '../names.ts';
import type { ImageMapping } from '../options.ts';
import { shellWord } from './bindings.ts';
import type { Place } from './locations.ts';

/** What the service knows about the job. */
export interface ServiceFacts {
  readonly place: Place;
  readonly workspaceId: string;
  readonly location: string;
  /** `azureml://…/mlflow/v2.0/…` of the workspace. */
  readonly trackingUri: string;
  readonly token: string;
  readonly tokenExpiry: number;
}

/** The variables that the service sets (facts/mlflow.md §9 for MLflow's; the others are those that Azure's own SDKs read). */
export function serviceVariables(job: JobRecord, facts: ServiceFacts): Record<string, string> {
  const { place, workspaceId, trackingUri, token } = facts;
  const identity = job.spec['identity'];
  const client = typeof identity === 'object' && identity !== null && !Array.isArray(identity) ? identity['clientId'] : undefined;
  return {
    AZUREML_RUN_ID: job.name,
    AZUREML_ROOT_RUN_ID: job.root,
    AZUREML_RUN_TOKEN: token,
    AZUREML_RUN_TOKEN_EXPIRY: String(Math.floor(facts.tokenExpiry / 1000)),
    AZUREML_ARM_SUBSCRIPTION: place.subscriptionId,
    AZUREML_ARM_RESOURCEGROUP: place.resourceGroup,
    AZUREML_ARM_WORKSPACE_NAME: place.workspace,
    AZUREML_ARM_PROJECT_NAME: job.experimentName,
    AZUREML_EXPERIMENT_ID: job.experimentId,
    AZUREML_EXPERIMENT_SCOPE: `${workspaceId}/experiments/${job.experimentName}`,
    AZUREML_WORKSPACE_ID: guid(workspaceId),
    AZUREML_WORKSPACE_SCOPE: workspaceId,
    AZUREML_DISCOVERY_SERVICE_ENDPOINT: `https://${facts.location}.api.azureml.ms/discovery`,
    AZUREML_SERVICE_ENDPOINT: `https://${facts.location}.api.azureml.ms`,
    MLFLOW_TRACKING_URI: trackingUri,
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_RUN_ID: job.name,
    MLFLOW_EXPERIMENT_ID: job.experimentId,
    MLFLOW_EXPERIMENT_NAME: job.experimentName,
    ...(typeof client === 'string' ? { DEFAULT_IDENTITY_CLIENT_ID: client } : {}),
  };
}

/** All variables of the process. Later ones win: machine, image, job, service. */
export function environment(
  folder: string,
  image: ImageMapping,
  job: Readonly<Record<string, string>>,
  service: Readonly<Record<string, string>>,
): Record<string, string> {
  for (const name of ['home', 'tmp']) mkdirSync(join(folder, name), { recursive: true });
  return {
    LANG: 'C.UTF-8',
    HOME: join(folder, 'home'),
    TMPDIR: join(folder, 'tmp'),
    ...image.env,
    ...job,
    PATH: `${programs(folder, image)}:${image.env?.['PATH'] ?? process.env['PATH'] ?? '/usr/bin:/bin'}`,
    ...service,
  };
}

/** A folder with the image's programs as small scripts; links would lead virtual environments astray. */
function programs(folder: string, image: ImageMapping): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, program] of Object.entries(image.programs ?? {})) {
    if (!/^[\w.+-]+$/.test(name)) throw new Error(`The image's program "${name.slice(0, 80)}" has no plain name.`);
    const file = join(bin, name);
    writeFileSync(file, `#!/bin/sh\nexec ${shellWord(program)} "$@"\n`);
    chmodSync(file, 0o755);
  }
  return bin;
}
