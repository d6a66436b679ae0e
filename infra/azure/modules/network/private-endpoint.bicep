// One private endpoint to one service, with its names in the given zones.
// Every private endpoint of the deployment is made by this file.

param name string
param location string
param tags object
param subnetId string
param targetId string

@description('Kind of endpoint, e.g. `blob` (facts/infra.md §2.2).')
param groupId string
param zoneIds string[]

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    customNetworkInterfaceName: '${name}-nic'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: targetId
          groupIds: [groupId]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      for (zoneId, index) in zoneIds: {
        name: 'zone-${index}'
        properties: { privateDnsZoneId: zoneId }
      }
    ]
  }
}
