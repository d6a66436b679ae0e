// A job as ARM shows it: what was sent, its status, the service's own properties, where its outputs and its run are.
import type { JobRecord, JsonObject } from '../model.ts';
import { systemData, type CloudContext, type WorkspacePart } from './context.ts';

/** The resource as JSON. */
export function jobView(context: CloudContext, workspace: WorkspacePart, job: JobRecord): object {
  return {
    id: `${workspace.id}/jobs/${job.name}`,
    name: job.name,
    type: 'Microsoft.MachineLearningServices/workspaces/jobs',
    systemData: systemData(job),
    properties: {
      ...job.spec,
      description: job.description,
      tags: job.tags,
      properties: { ...job.userProperties, ...job.results },
      displayName: job.displayName,
      experimentName: job.experimentName,
      isArchived: job.isArchived,
      status: job.status,
      services: {
        Tracking: service('Tracking', trackingUri(context, workspace)),
        Studio: service('Studio', `https://ml.azure.com/runs/${job.name}?wsid=${workspace.id}&tid=${context.options.tenant}`),
      },
      outputs: outputs(job),
      ...(job.jobType === 'Command' ? { parameters: {} } : {}),
    },
  };
}

const service = (jobServiceType: string, endpoint: string): object => ({
  jobServiceType,
  endpoint,
  port: null,
  status: null,
  errorMessage: null,
  properties: null,
});

/** `azureml://…/mlflow/v1.0/…` of a workspace: given, of this stand-in, or the region's. */
export function trackingUri(
  { baseUrl }: Pick<CloudContext, 'baseUrl'>,
  { options, id, region }: Pick<WorkspacePart, 'options' | 'id' | 'region'>,
): string {
  const base = baseUrl();
  return options.mlFlowTrackingUri ?? `azureml://${base === undefined ? `${region}.api.azureml.ms` : new URL(base).host}/mlflow/v1.0${id}`;
}

/** Every job has the output `default`: the artifacts of its run. */
function outputs(job: JobRecord): JsonObject {
  const sent = (job.spec['outputs'] ?? {}) as Record<string, JsonObject>;
  return {
    ...Object.fromEntries(
      Object.entries(sent).map(([name, output]) => [name, { description: null, ...output, uri: job.outputUris[name] ?? null }]),
    ),
    default: {
      jobOutputType: 'uri_folder',
      mode: 'ReadWriteMount',
      uri: `azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.${job.name}`,
      description: null,
    },
  };
}
