// A file that lands in bronze becomes a message in the landing queue: Event Grid pushes to the queue, the app pulls from it.
// With a storage firewall only the topic's system-assigned identity can deliver, a user-assigned one never can (facts/azure.md §4).
import { roles } from '../access/roles.bicep'

param topicName string
param location string
param tags object
param lakeAccountName string
param lakeContainer string
param stateAccountName string
param landingQueue string
param deadLetterContainer string

@description('Log Analytics workspace for delivery failures; none are kept without it.')
param logWorkspaceId string?

resource lake 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: lakeAccountName
}

resource state 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: stateAccountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource landing 'queues' existing = {
      name: landingQueue
    }
  }

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: deadLetterContainer
    }
  }
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

resource sendMessages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state::queues::landing
  name: guid(state::queues::landing.id, topic.id, roles.storageQueueDataMessageSender)
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageQueueDataMessageSender
    )
  }
}

resource writeDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state::blobs::deadLetters
  name: guid(state::blobs::deadLetters.id, topic.id, roles.storageBlobDataContributor)
  properties: {
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'sluice-landing'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      // No filter on data.api: writes that do not complete a file get a verdict of their own in the ledger.
      subjectBeginsWith: '/blobServices/default/containers/${lakeContainer}/blobs/bronze/'
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: state.id
          queueName: landingQueue
          // Never expires: an app that is down for weeks must still find its events.
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
    // A refused delivery (403, 413) is not tried again: without this container the event would be gone (facts/azure.md §3.1).
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: state.id
          blobContainerName: deadLetterContainer
        }
      }
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
  // Rights first: a subscription that is made before them is refused, and the second deployment would succeed.
  dependsOn: [sendMessages, writeDeadLetters]
}

resource failures 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logWorkspaceId != null) {
  scope: topic
  name: 'delivery-failures'
  properties: {
    workspaceId: logWorkspaceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}
