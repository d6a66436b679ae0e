// Sluice on Azure for a closed network: one resource group with network, storage, events, identity and the Functions app.
// Nothing here has a public endpoint or a key. See infra/README.md for the order of things and for what is not covered.
targetScope = 'subscription'

import {
  AwsSettings
  AzureMlSettings
  DatabricksSettings
  DataFactorySettings
  HandOverSettings
  HubSettings
  KubeflowSettings
  KubernetesSettings
  LineageSettings
} from 'types.bicep'

@minLength(1)
@maxLength(40)
@description('Required. Name of the environment, e.g. `dev`; part of the names of all resources.')
param environmentName string

@description('Required. Region of all resources.')
param location string

@description('Required. Audience of the tokens that the API accepts: the application id of Sluice\'s registration in Entra.')
param apiAudience string

@description('Required. The hub network. Sluice has no other way to Entra, AWS and Kubeflow.')
param hub HubSettings

@description('Optional. Address range of Sluice\'s network, /25 or larger, overlapping nothing that the hub knows.')
param addressPrefix string = '10.40.0.0/24'

@minLength(3)
@maxLength(63)
@description('Optional. Container of the lake, with the folders bronze, silver and gold.')
param lakeContainer string = 'lake'

@description('Optional. Kubeflow, where training runs. Nothing trains without it, Databricks or a workspace with a datastore.')
param kubeflow KubeflowSettings?

@description('Optional. The cluster that Kubeflow runs on. Without it machines are not looked at, and pipelines that ask for nodes are refused.')
param kubernetes KubernetesSettings?

@description('Optional. Databricks workspace that trains.')
param databricks DatabricksSettings?

@description('Optional. AWS, where models are served. Nothing is promoted without it.')
param aws AwsSettings?

@description('Optional. Azure ML workspace that keeps track of trainings, and trains where it names a datastore.')
param azureMl AzureMlSettings?

@description('Optional. Data Factory whose pipelines Sluice runs.')
param dataFactory DataFactorySettings?

@description('Optional. Who refines datasets above a size; all are refined in the app without it.')
param handOver HandOverSettings?

@description('Optional. Object ids of identities that jobs use the store by: that of `azureMl.jobClientId`, the access connector of Databricks.')
param storeUsers string[] = []

@description('Optional. Object ids of identities, besides Sluice\'s, that read and write the lake: a Data Factory, an access connector of Databricks.')
param lakeUsers string[] = []

@description('Optional. Where backends keep data, for `choose: residency`, e.g. kubeflow=plant-3,azureml=eu.')
param residency string?

@description('Optional. Where OpenLineage events go; none are sent without it.')
param lineage LineageSettings?

@description('Optional. Event Grid topic for Sluice\'s own transitions; the identity needs `EventGrid Data Sender` there.')
param topicEndpoint string?

@description('Optional. Log Analytics and Application Insights behind a private link scope. Turn off where the hub has a scope of its own.')
param telemetry bool = true

@allowed([2048, 4096])
@description('Optional. Memory of one instance; refining may use half of it.')
param instanceMemoryMb int = 2048

@minValue(1)
@maxValue(1000)
@description('Optional. Upper limit of instances.')
param maximumInstanceCount int = 40

@allowed(['Standard_ZRS', 'Standard_LRS', 'Standard_GZRS'])
@description('Optional. Redundancy of both storage accounts; zones are not everywhere.')
param storageRedundancy string = 'Standard_ZRS'

@description('Optional. Tags of all resources.')
param tags object = {}

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, { 'azd-env-name': environmentName })
// The names that functions/app.ts and local/stack/cloud-config.ts use.
var landingQueue = 'landing-events'
var deadLetterContainer = 'landing-dead-letters'
var storeContainer = 'sluice'
var packageContainer = 'app-package'

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: '${abbreviations.resourceGroup}sluice-${environmentName}'
  location: location
  tags: allTags
}

module identity 'modules/app/identity.bicep' = {
  scope: group
  params: {
    name: '${abbreviations.managedIdentity}sluice-${token}'
    location: location
    tags: allTags
  }
}

module network 'modules/network/spoke.bicep' = {
  scope: group
  params: {
    virtualNetworkName: '${abbreviations.virtualNetwork}sluice-${token}'
    networkSecurityGroupName: '${abbreviations.networkSecurityGroup}sluice-${token}'
    routeTableName: '${abbreviations.routeTable}sluice-${token}'
    location: location
    tags: allTags
    addressPrefix: addressPrefix
    hub: hub
  }
}

module zones 'modules/network/dns-zones.bicep' = {
  scope: group
  params: {
    virtualNetworkId: network.outputs.virtualNetworkId
    virtualNetworkName: '${abbreviations.virtualNetwork}sluice-${token}'
    tags: allTags
    monitor: telemetry
  }
}

module lake 'modules/data/lake.bicep' = {
  scope: group
  params: {
    accountName: '${abbreviations.storageAccount}lake${token}'
    location: location
    tags: allTags
    containerName: lakeContainer
    skuName: storageRedundancy
    identityPrincipalId: identity.outputs.principalId
    userPrincipalIds: lakeUsers
  }
}

module state 'modules/data/state.bicep' = {
  scope: group
  params: {
    accountName: '${abbreviations.storageAccount}state${token}'
    location: location
    tags: allTags
    identityPrincipalId: identity.outputs.principalId
    skuName: storageRedundancy
    storeContainer: storeContainer
    storeUserPrincipalIds: storeUsers
    packageContainer: packageContainer
    deadLetterContainer: deadLetterContainer
    landingQueue: landingQueue
  }
}

module monitor 'modules/app/telemetry.bicep' = if (telemetry) {
  scope: group
  params: {
    workspaceName: '${abbreviations.logAnalyticsWorkspace}sluice-${token}'
    applicationInsightsName: '${abbreviations.applicationInsights}sluice-${token}'
    scopeName: '${abbreviations.monitorPrivateLinkScope}sluice-${token}'
    location: location
    tags: allTags
    identityPrincipalId: identity.outputs.principalId
  }
}

module landing 'modules/events/landing.bicep' = {
  scope: group
  params: {
    topicName: '${abbreviations.eventGridSystemTopic}sluice-${token}'
    location: location
    tags: allTags
    lakeAccountName: lake.outputs.accountName
    lakeContainer: lakeContainer
    stateAccountName: state.outputs.accountName
    stateAccountId: state.outputs.accountId
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
    logWorkspaceId: monitor.?outputs.workspaceId
  }
}

module reportEvents 'modules/events/report-events.bicep' = {
  scope: group
  params: {
    topicName: '${abbreviations.eventGridSystemTopic}sluice-store-${token}'
    location: location
    tags: allTags
    storeContainer: storeContainer
    stateAccountName: state.outputs.accountName
    stateAccountId: state.outputs.accountId
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
  }
}

var storageEndpoints = [
  { account: 'lake', groupId: 'blob' }
  { account: 'lake', groupId: 'dfs' }
  { account: 'state', groupId: 'blob' }
  { account: 'state', groupId: 'queue' }
  { account: 'state', groupId: 'table' }
]

module storagePrivateEndpoints 'modules/network/private-endpoint.bicep' = [
  for entry in storageEndpoints: {
    scope: group
    params: {
      name: '${abbreviations.privateEndpoint}${entry.account}-${entry.groupId}-${token}'
      location: location
      tags: allTags
      subnetId: network.outputs.endpointSubnetId
      targetId: entry.account == 'lake' ? lake.outputs.accountId : state.outputs.accountId
      groupId: entry.groupId
      zoneIds: [zones.outputs.ids[entry.groupId]]
    }
  }
]

module app 'modules/app/function-app.bicep' = {
  scope: group
  params: {
    planName: '${abbreviations.functionPlan}sluice-${token}'
    appName: '${abbreviations.functionApp}sluice-${token}'
    location: location
    tags: allTags
    subnetId: network.outputs.appSubnetId
    identityResourceId: identity.outputs.resourceId
    identityClientId: identity.outputs.clientId
    stateBlobEndpoint: state.outputs.blobEndpoint
    stateQueueEndpoint: state.outputs.queueEndpoint
    stateTableEndpoint: state.outputs.tableEndpoint
    packageContainer: packageContainer
    storeContainer: storeContainer
    lakeBlobEndpoint: lake.outputs.blobEndpoint
    lakeAccountName: lake.outputs.accountName
    lakeContainer: lakeContainer
    apiAudience: apiAudience
    kubeflow: kubeflow
    kubernetes: kubernetes
    databricks: databricks
    azureMl: azureMl
    dataFactory: dataFactory
    handOver: handOver
    aws: aws
    lineage: lineage
    residency: residency
    topicEndpoint: topicEndpoint
    telemetryConnectionString: monitor.?outputs.connectionString
    instanceMemoryMb: instanceMemoryMb
    maximumInstanceCount: maximumInstanceCount
  }
  // The host reads its storage when it starts: without the endpoints it would only see a closed door.
  dependsOn: [storagePrivateEndpoints]
}

module appPrivateEndpoint 'modules/network/private-endpoint.bicep' = {
  scope: group
  params: {
    name: '${abbreviations.privateEndpoint}app-sites-${token}'
    location: location
    tags: allTags
    subnetId: network.outputs.endpointSubnetId
    targetId: app.outputs.resourceId
    groupId: 'sites'
    zoneIds: [zones.outputs.ids.sites]
  }
}

module monitorPrivateEndpoint 'modules/network/private-endpoint.bicep' = if (telemetry) {
  scope: group
  params: {
    name: '${abbreviations.privateEndpoint}monitor-${token}'
    location: location
    tags: allTags
    subnetId: network.outputs.endpointSubnetId
    targetId: monitor.?outputs.scopeId ?? ''
    groupId: 'azuremonitor'
    zoneIds: zones.outputs.azuremonitor
  }
}

module workspaceUser 'modules/access/workspace-user.bicep' = if (azureMl != null) {
  scope: resourceGroup(azureMl.?subscriptionId ?? subscription().subscriptionId, azureMl.?resourceGroup ?? group.name)
  params: {
    workspaceName: azureMl.?workspace ?? ''
    registryName: azureMl.?registry
    principalId: identity.outputs.principalId
  }
}

module workspaceEvents 'modules/events/workspace-events.bicep' = if (azureMl != null && (azureMl.?events ?? true)) {
  scope: resourceGroup(azureMl.?subscriptionId ?? subscription().subscriptionId, azureMl.?resourceGroup ?? group.name)
  params: {
    topicName: '${abbreviations.eventGridSystemTopic}sluice-ml-${token}'
    location: azureMl.?location ?? location
    tags: allTags
    workspaceName: azureMl.?workspace ?? ''
    stateAccountName: state.outputs.accountName
    stateAccountId: state.outputs.accountId
    stateSubscriptionId: subscription().subscriptionId
    stateResourceGroup: group.name
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
  }
}

module factoryRunner 'modules/access/data-factory-runner.bicep' = if (dataFactory != null) {
  scope: resourceGroup(
    dataFactory.?subscriptionId ?? subscription().subscriptionId,
    dataFactory.?resourceGroup ?? group.name
  )
  params: {
    factoryName: dataFactory.?factory ?? ''
    principalId: identity.outputs.principalId
  }
}

@description('Base address of the API, inside the network.')
output SLUICE_URL string = 'https://${app.outputs.hostName}'
output SLUICE_FUNCTION_APP string = app.outputs.name
output SLUICE_RESOURCE_GROUP string = group.name
output SLUICE_LAKE_ACCOUNT string = lake.outputs.accountName

@description('Object id of Sluice\'s identity: the subject that AWS and Kubeflow must trust.')
output SLUICE_IDENTITY_OBJECT_ID string = identity.outputs.principalId
output SLUICE_IDENTITY_CLIENT_ID string = identity.outputs.clientId
