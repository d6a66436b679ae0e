// The settings of the app on this machine: what `local.settings.json` holds and the local host gets as its environment.
import { join } from 'node:path';
import { ACCOUNT } from './azurite.ts';
import { LOCAL } from './cloud-config.ts';

/** Addresses of the local cloud, as its process reports them. */
export interface CloudUrls {
  tokenEndpoint: string;
  issuerV2: string;
  jwks: string;
  identityEndpoint: string;
  blob: string;
  topic: string;
  kubeflow: string;
  azureml: string;
  databricks: string | null;
  kubernetes: string | null;
  s3: string;
  sts: string;
  sagemaker: string;
}

export interface SettingsInput {
  cloud: CloudUrls;
  /** Connection string of Azurite itself. */
  state: string;
  /** The same account through the event proxy. */
  lake: string;
  /** What callers of the identity endpoint must send; made anew for every data folder. */
  identityHeader: string;
  workDir: string;
  /** Folder of the components, and the Python that runs them. */
  components: string;
  python: string;
  poll: { firstSeconds: number; maxSeconds: number };
}

export function appSettings(input: SettingsInput): Record<string, string> {
  const { cloud } = input;
  return {
    FUNCTIONS_WORKER_RUNTIME: 'node',
    AzureWebJobsStorage: input.state,
    LandingEvents: input.state,
    Lake: input.lake,
    State: input.state,
    SLUICE_LAKE_ACCOUNT: ACCOUNT,
    SLUICE_LAKE_CONTAINER: LOCAL.lakeContainer,
    SLUICE_WORK_DIR: input.workDir,
    SLUICE_POLL_FIRST_SECONDS: String(input.poll.firstSeconds),
    SLUICE_POLL_MAX_SECONDS: String(input.poll.maxSeconds),
    SLUICE_TOKEN_ISSUER: cloud.issuerV2,
    SLUICE_TOKEN_AUDIENCE: LOCAL.audience,
    SLUICE_JWKS_URI: cloud.jwks,
    SLUICE_CLIENT_ID: LOCAL.identity.clientId,
    IDENTITY_ENDPOINT: cloud.identityEndpoint,
    IDENTITY_HEADER: input.identityHeader,
    KUBEFLOW_URL: cloud.kubeflow,
    KUBEFLOW_NAMESPACE: LOCAL.namespace,
    KUBEFLOW_SITE_CLAIM: LOCAL.siteClaim,
    AWS_REGION: LOCAL.region,
    SLUICE_AWS_ROLE_ARN: LOCAL.promoterRole,
    SLUICE_AWS_AUDIENCE: LOCAL.awsAudience,
    AWS_ENDPOINT_URL_S3: cloud.s3,
    AWS_ENDPOINT_URL_STS: cloud.sts,
    AWS_ENDPOINT_URL_SAGEMAKER: cloud.sagemaker,
    AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: cloud.sagemaker,
    SLUICE_ARM_ENDPOINT: cloud.azureml,
    AZUREML_SUBSCRIPTION_ID: LOCAL.subscriptionId,
    AZUREML_RESOURCE_GROUP: LOCAL.resourceGroup,
    AZUREML_WORKSPACE: LOCAL.workspace,
    AZUREML_DATASTORE: LOCAL.datastore,
    AZUREML_COMPUTE: LOCAL.compute,
    DATAFACTORY_SUBSCRIPTION_ID: LOCAL.subscriptionId,
    DATAFACTORY_RESOURCE_GROUP: LOCAL.resourceGroup,
    DATAFACTORY_NAME: LOCAL.factory,
    ...(cloud.kubernetes === null ? {} : { KUBERNETES_URL: cloud.kubernetes, KUBERNETES_TOKEN_AUDIENCE: LOCAL.kubernetesAudience }),
    ...(cloud.databricks === null
      ? {}
      : {
          DATABRICKS_URL: cloud.databricks,
          DATABRICKS_CLUSTER_ID: LOCAL.cluster,
          DATABRICKS_STORE_VOLUME: LOCAL.storeVolume,
          DATABRICKS_WHEELS: LOCAL.wheels,
        }),
    SLUICE_LOCAL_JOBS: join(input.workDir, 'local-jobs'),
    SLUICE_LOCAL_COMPONENTS: input.components,
    SLUICE_LOCAL_PYTHON: input.python,
    SLUICE_TOPIC_ENDPOINT: cloud.topic,
  };
}
