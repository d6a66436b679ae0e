// One subscription of a system topic: what its filter lets through becomes a message in the landing queue, and nothing is lost on the way.
// Deployed beside its topic, after the topic's rights: a subscription that is made before them is refused.

param topicName string
param name string
param eventTypes string[]

@description('What the subject must begin with; anything without it.')
param subjectBeginsWith string = ''

@description('What the subject must end with; anything without it.')
param subjectEndsWith string = ''

@description('What `data.runId` must begin with, any one of these; anything without them.')
param runIdBeginsWith string[] = []

@description('Account with the queue and the container of dead letters.')
param stateAccountId string
param landingQueue string
param deadLetterContainer string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: eventTypes
      subjectBeginsWith: subjectBeginsWith
      subjectEndsWith: subjectEndsWith
      advancedFilters: empty(runIdBeginsWith)
        ? []
        : [{ operatorType: 'StringBeginsWith', key: 'data.runId', values: runIdBeginsWith }]
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: stateAccountId
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
          resourceId: stateAccountId
          blobContainerName: deadLetterContainer
        }
      }
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
