// The identity that Sluice is: for Azure storage, for AWS (by federation) and for Kubeflow.
// User-assigned, so that trust placed in it survives a new deployment of the app.

param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output resourceId string = identity.id
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
