// A run report that lands in the store becomes a message in the landing queue: a hint that wakes whoever waits for its job; the truth is asked for.
// Whatever trained, its report is written last; renamed are those of writers that never show half a file.

param topicName string
param location string
param tags object
param storeContainer string
param stateAccountName string
param stateAccountId string
param landingQueue string
param deadLetterContainer string

resource state 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: stateAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: state.id
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

module subscription 'queue-subscription.bicep' = {
  params: {
    topicName: topic.name
    name: 'sluice-reports'
    eventTypes: ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobRenamed']
    subjectBeginsWith: '/blobServices/default/containers/${storeContainer}/blobs/runs/'
    subjectEndsWith: '/run-report.json'
    stateAccountId: stateAccountId
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [delivery]
}
