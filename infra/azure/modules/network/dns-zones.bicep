// Private DNS zones for every private endpoint of this deployment, linked to its network (facts/infra.md §2.2).
// The one place that knows which zone belongs to which kind of endpoint.

param virtualNetworkId string
param virtualNetworkName string
param tags object

@description('Also the zones of Azure Monitor. They take over its names for everybody who uses this network\'s DNS.')
param monitor bool

var storageSuffix = environment().suffixes.storage
var serviceZones = [
  'privatelink.blob.${storageSuffix}'
  'privatelink.queue.${storageSuffix}'
  'privatelink.table.${storageSuffix}'
  'privatelink.dfs.${storageSuffix}'
  #disable-next-line no-hardcoded-env-urls // the zone of App Service has no name in environment()
  'privatelink.azurewebsites.net'
]
var monitorZones = [
  #disable-next-line no-hardcoded-env-urls // nor have those of Azure Monitor
  'privatelink.monitor.azure.com'
  'privatelink.oms.opinsights.azure.com'
  'privatelink.ods.opinsights.azure.com'
  'privatelink.agentsvc.azure-automation.net'
]
var zoneNames = concat(serviceZones, monitor ? monitorZones : [])

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for name in zoneNames: {
    name: name
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (name, index) in zoneNames: {
    parent: zones[index]
    name: virtualNetworkName
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: virtualNetworkId }
    }
  }
]

@description('Zone of each kind of private endpoint.')
output ids { blob: string, queue: string, table: string, dfs: string, sites: string } = {
  blob: zones[0].id
  queue: zones[1].id
  table: zones[2].id
  dfs: zones[3].id
  sites: zones[4].id
}

// Azure Monitor keeps its agents' configuration in blobs, so its endpoint needs that zone too.
output azuremonitor string[] = monitor ? [zones[5].id, zones[6].id, zones[7].id, zones[8].id, zones[0].id] : []
