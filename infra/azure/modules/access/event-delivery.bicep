// What the identity of a system topic needs to deliver: one queue to send to, one container for what could not be delivered.
// With a storage firewall only a system-assigned identity can deliver, a user-assigned one never can (facts/azure.md §4).
import { roles } from 'roles.bicep'

param stateAccountName string
param landingQueue string
param deadLetterContainer string
param topicId string
param principalId string

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

resource sendMessages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state::queues::landing
  name: guid(state::queues::landing.id, topicId, roles.storageQueueDataMessageSender)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageQueueDataMessageSender
    )
  }
}

resource writeDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: state::blobs::deadLetters
  name: guid(state::blobs::deadLetters.id, topicId, roles.storageBlobDataContributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.storageBlobDataContributor
    )
  }
}
