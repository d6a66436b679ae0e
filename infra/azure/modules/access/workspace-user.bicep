// What Sluice's identity may do in one Azure ML workspace, and in the registry that its models go to prod by.
// Deployed into the workspace's own resource group.
import { roles } from 'roles.bicep'

param workspaceName string
param principalId string

@description('Registry in the same resource group; no rights in any without it.')
param registryName string?

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource registry 'Microsoft.MachineLearningServices/registries@2024-10-01' existing = if (registryName != null) {
  name: registryName ?? 'none'
}

resource work 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: workspace
  name: guid(workspace.id, principalId, roles.azureMlDataScientist)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azureMlDataScientist)
  }
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (registryName != null) {
  scope: registry
  name: guid(registry.id, principalId, roles.azureMlRegistryUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azureMlRegistryUser)
  }
}
