// Everything that Sluice remembers: host and Durable state, ledger tables, store, landing queues, dead letters, app package.
// One account, so that one identity and three private endpoints (blob, queue, table) are the whole surface.
import { roles } from '../access/roles.bicep'

param accountName string
param location string
param tags object
param identityPrincipalId string

@description('Redundancy of the account.')
param skuName string

@description('Container of bundles, staged data, models and reports.')
param storeContainer string

@description('Object ids of others that read and write the store: the identities of jobs and of catalogues.')
param storeUserPrincipalIds string[]

@description('Container that the app is started from.')
param packageContainer string

@description('Container of events that could not be delivered.')
param deadLetterContainer string

@description('Queue of landing events; its poison queue has the same name with `-poison`.')
param landingQueue string

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: skuName }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Disabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      defaultAction: 'Deny'
      // Event Grid delivers from outside the network as a trusted service, by the topic's system-assigned identity (facts/azure.md §4).
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for name in [storeContainer, packageContainer, deadLetterContainer]: {
    parent: blobs
    name: name
    properties: { publicAccess: 'None' }
  }
]

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource landingQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for name in [landingQueue, '${landingQueue}-poison']: {
    parent: queues
    name: name
  }
]

// Durable makes containers, queues and tables of its own, and Sluice its tables, so these rights are the account's.
// They cover what the reconciler does too: it lists, reads and removes dead letters, and takes messages off the poison queue.
var accountRoles = [
  roles.storageBlobDataOwner
  roles.storageQueueDataContributor
  roles.storageTableDataContributor
]

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in accountRoles: {
    scope: account
    name: guid(account.id, identityPrincipalId, role)
    properties: {
      principalId: identityPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource store 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobs
  name: storeContainer
}

// Whoever trains reads staged data and writes its report there, and sees nothing else of this account.
resource storeAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in storeUserPrincipalIds: {
    scope: store
    name: guid(store.id, principalId, roles.storageBlobDataContributor)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        roles.storageBlobDataContributor
      )
    }
    dependsOn: [containers]
  }
]

output accountId string = account.id
output accountName string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
