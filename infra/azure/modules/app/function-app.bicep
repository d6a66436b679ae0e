// The Functions app: Flex Consumption, Node 22, inside the network, private, with one identity and no key.
// Its settings are those of shared/config/config.ts; tests/infra/bicep-settings.test.ts keeps the two lists the same.
import {
  AwsSettings
  AzureMlSettings
  DatabricksSettings
  DataFactorySettings
  HandOverSettings
  KubeflowSettings
  KubernetesSettings
  LineageSettings
} from '../../types.bicep'

param planName string
param appName string
param location string
param tags object
param subnetId string
param identityResourceId string
param identityClientId string

param stateBlobEndpoint string
param stateQueueEndpoint string
param stateTableEndpoint string
param packageContainer string
param storeContainer string
param lakeBlobEndpoint string
param lakeAccountName string
param lakeContainer string

@description('Audience of the tokens that the API accepts.')
param apiAudience string
param kubeflow KubeflowSettings?
param kubernetes KubernetesSettings?
param databricks DatabricksSettings?
param azureMl AzureMlSettings?
param dataFactory DataFactorySettings?
param handOver HandOverSettings?
param aws AwsSettings?
param lineage LineageSettings?

@description('Where backends keep data, e.g. kubeflow=plant-3,azureml=eu.')
param residency string?

@description('Event Grid topic for Sluice\'s own transitions; none are published without it.')
param topicEndpoint string?

@description('Where telemetry goes; none is sent without it.')
param telemetryConnectionString string?

@allowed([2048, 4096])
param instanceMemoryMb int
param maximumInstanceCount int

// Token scopes are built as `<endpoint>/.default`.
func withoutSlash(url string) string => endsWith(url, '/') ? substring(url, 0, max(length(url) - 1, 0)) : url

// A setting that has no value is left out, so that the app takes its own default.
func given(settings object) object =>
  toObject(filter(items(settings), entry => entry.value != null), entry => entry.key, entry => entry.value)

var login = environment().authentication.loginEndpoint
var byIdentity = { credential: 'managedidentity', clientId: identityClientId }

// FUNCTIONS_WORKER_RUNTIME and its kin are left out: Flex refuses them (facts/infra.md §2.5).
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: stateBlobEndpoint
  AzureWebJobsStorage__queueServiceUri: stateQueueEndpoint
  AzureWebJobsStorage__tableServiceUri: stateTableEndpoint
  AzureWebJobsStorage__credential: byIdentity.credential
  AzureWebJobsStorage__clientId: byIdentity.clientId
}
// Lake and State are read by Sluice itself, which takes its identity from SLUICE_CLIENT_ID; only bindings need `__credential`.
var coreSettings = {
  Lake__blobServiceUri: lakeBlobEndpoint
  LandingEvents__queueServiceUri: stateQueueEndpoint
  LandingEvents__credential: byIdentity.credential
  LandingEvents__clientId: byIdentity.clientId
  State__blobServiceUri: stateBlobEndpoint
  State__tableServiceUri: stateTableEndpoint
  SLUICE_CLIENT_ID: byIdentity.clientId
  SLUICE_ARM_ENDPOINT: withoutSlash(environment().resourceManager)
  SLUICE_LAKE_ACCOUNT: lakeAccountName
  SLUICE_LAKE_CONTAINER: lakeContainer
  SLUICE_STORE_CONTAINER: storeContainer
  // modules/events/report-events.bicep tells of them.
  SLUICE_STORE_EVENTS: 'true'
  // Refining gets half of the instance; the host, Node and the worker's own memory need the rest.
  SLUICE_MEMORY_LIMIT_MB: string(instanceMemoryMb / 2)
  SLUICE_TOKEN_ISSUER: '${login}${tenant().tenantId}/v2.0'
  SLUICE_TOKEN_AUDIENCE: apiAudience
  SLUICE_JWKS_URI: '${login}${tenant().tenantId}/discovery/v2.0/keys'
}
var kubeflowSettings = kubeflow == null
  ? {}
  : given({
      KUBEFLOW_URL: kubeflow!.url
      KUBEFLOW_NAMESPACE: kubeflow!.namespace
      KUBEFLOW_TOKEN_AUDIENCE: kubeflow.?tokenAudience
      KUBEFLOW_CA_FILE: kubeflow.?caFile
      KUBEFLOW_SERVICE_ACCOUNT: kubeflow.?serviceAccount
      KUBEFLOW_PULL_SECRETS: kubeflow.?pullSecrets
      KUBEFLOW_PIPELINE_ROOT: kubeflow.?pipelineRoot
      KUBEFLOW_SITE_CLAIM: kubeflow.?siteClaim
      KUBEFLOW_RUNTIME_CLASS_LABEL: kubeflow.?runtimeClassLabel
      KUBEFLOW_ENCLAVE_RESOURCE: kubeflow.?enclaveResource
      KUBEFLOW_AWS_ROLE_ARN: kubeflow.?awsRoleArn
      KUBEFLOW_AWS_REGION: kubeflow.?awsRegion
      KUBEFLOW_AWS_AUDIENCE: kubeflow.?awsAudience
    })
var kubernetesSettings = kubernetes == null
  ? {}
  : given({
      KUBERNETES_URL: kubernetes!.url
      KUBERNETES_TOKEN_AUDIENCE: kubernetes.?tokenAudience
      KUBERNETES_CA_FILE: kubernetes.?caFile
    })
var databricksSettings = databricks == null
  ? {}
  : given({
      DATABRICKS_URL: databricks!.url
      DATABRICKS_CLUSTER_ID: databricks!.clusterId
      DATABRICKS_STORE_VOLUME: databricks!.storeVolume
      DATABRICKS_WHEELS: databricks!.wheels
      DATABRICKS_AUDIENCE: databricks.?audience
    })
var awsSettings = aws == null
  ? {}
  : { AWS_REGION: aws!.region, SLUICE_AWS_ROLE_ARN: aws!.roleArn, SLUICE_AWS_AUDIENCE: aws!.audience }
var azureMlSettings = azureMl == null
  ? {}
  : given({
      AZUREML_SUBSCRIPTION_ID: azureMl!.subscriptionId
      AZUREML_RESOURCE_GROUP: azureMl!.resourceGroup
      AZUREML_WORKSPACE: azureMl!.workspace
      AZUREML_DATASTORE: azureMl.?datastore
      AZUREML_COMPUTE: azureMl.?compute
      AZUREML_JOB_CLIENT_ID: azureMl.?jobClientId
      AZUREML_API_VERSION: azureMl.?apiVersion
      AZUREML_REGISTRY: azureMl.?registry
      AZUREML_EVENTS: string(azureMl.?told ?? azureMl.?events ?? true)
    })
var dataFactorySettings = dataFactory == null
  ? {}
  : {
      DATAFACTORY_SUBSCRIPTION_ID: dataFactory!.subscriptionId
      DATAFACTORY_RESOURCE_GROUP: dataFactory!.resourceGroup
      DATAFACTORY_NAME: dataFactory!.factory
    }
var handOverSettings = handOver == null
  ? {}
  : given({
      SLUICE_HANDOVER_MB: string(handOver!.aboveMb)
      SLUICE_HANDOVER_TO: handOver!.to
      SLUICE_HANDOVER_PIPELINE: handOver.?pipeline
      SLUICE_HANDOVER_IMAGE: handOver.?image
      SLUICE_HANDOVER_DEADLINE: handOver.?deadline
    })
var residencySettings = residency == null ? {} : { SLUICE_RESIDENCY: residency }
var lineageSettings = lineage == null
  ? {}
  : given({ SLUICE_LINEAGE_URL: lineage!.url, SLUICE_LINEAGE_AUDIENCE: lineage.?audience })
var topicSettings = topicEndpoint == null ? {} : { SLUICE_TOPIC_ENDPOINT: topicEndpoint }
var telemetrySettings = telemetryConnectionString == null
  ? {}
  : {
      APPLICATIONINSIGHTS_CONNECTION_STRING: telemetryConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    }

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'sluice' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityResourceId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Disabled'
    virtualNetworkSubnetId: subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${stateBlobEndpoint}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityResourceId
          }
        }
      }
      runtime: { name: 'node', version: '22' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMb
        maximumInstanceCount: maximumInstanceCount
        // Stories wait on timers; without an instance that is always there each one would start cold.
        alwaysReady: [{ name: 'durable', instanceCount: 1 }]
      }
    }
    siteConfig: {
      alwaysOn: false
      ftpsState: 'Disabled'
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      remoteDebuggingEnabled: false
      // The API has no browser callers of other origins.
      cors: { allowedOrigins: [] }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    hostSettings,
    coreSettings,
    kubeflowSettings,
    kubernetesSettings,
    databricksSettings,
    azureMlSettings,
    dataFactorySettings,
    handOverSettings,
    awsSettings,
    residencySettings,
    lineageSettings,
    topicSettings,
    telemetrySettings
  )
}

// Publishing by password is off on both doors.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

output resourceId string = app.id
output name string = app.name
output hostName string = app.properties.defaultHostName
