// What Azure ML says about our jobs becomes a message in the landing queue: a hint that wakes whoever waits; the truth is asked for.
// Deployed into the workspace's own resource group; a workspace can have one system topic.

param topicName string
param location string
param tags object
param workspaceName string
param stateAccountName string
param stateAccountId string
param stateSubscriptionId string
param stateResourceGroup string
param landingQueue string
param deadLetterContainer string

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: workspace.id
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

module delivery '../access/event-delivery.bicep' = {
  scope: resourceGroup(stateSubscriptionId, stateResourceGroup)
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
    name: 'sluice-jobs'
    eventTypes: [
      'Microsoft.MachineLearningServices.RunCompleted'
      'Microsoft.MachineLearningServices.RunStatusChanged'
    ]
    // A job is named after its run: this leaves out other people's jobs and the steps of pipelines.
    runIdBeginsWith: ['train-', 'sweep-']
    stateAccountId: stateAccountId
    landingQueue: landingQueue
    deadLetterContainer: deadLetterContainer
  }
  dependsOn: [delivery]
}
