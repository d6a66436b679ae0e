// What is written to the lake becomes a message in the landing queue: Event Grid pushes to the queue, the app pulls from it.
// Bronze: every file. Silver and gold: the commits of Delta tables, whoever writes them.

param topicName string
param location string
param tags object
param lakeAccountName string
param lakeContainer string
param stateAccountName string
param stateAccountId string
param landingQueue string
param deadLetterContainer string

@description('Log Analytics workspace for delivery failures; none are kept without it.')
param logWorkspaceId string?

// No filter on data.api: writes that do not complete a file get a verdict of their own in the ledger.
// A commit is `…/_delta_log/N.json`; the data files beside it end otherwise.
var layers = [
  { name: 'bronze', subjectEndsWith: '' }
  { name: 'silver', subjectEndsWith: '.json' }
  { name: 'gold', subjectEndsWith: '.json' }
]

resource lake 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: lakeAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: lake.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

module delivery '../access/event-delivery.bicep' = {
  params: {
    stateAccountName: stateAccountName
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
    topicId: topic.id
    principalId: topic.identity.principalId
  }
}

module subscriptions 'queue-subscription.bicep' = [
  for layer in layers: {
    params: {
      topicName: topic.name
      name: 'sluice-${layer.name}'
      eventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${lakeContainer}/blobs/${layer.name}/'
      subjectEndsWith: layer.subjectEndsWith
      stateAccountId: stateAccountId
      landingQueue: landingQueue
      deadLetterContainer: deadLetterContainer
    }
    dependsOn: [delivery]
  }
]

resource failures 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logWorkspaceId != null) {
  scope: topic
  name: 'delivery-failures'
  properties: {
    workspaceId: logWorkspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
