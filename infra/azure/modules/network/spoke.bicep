// Sluice's own network: one subnet for the app's way out, one for private endpoints, and the peering to the hub.
// Whatever leaves goes through the hub's firewall; nothing comes in except HTTPS to the private endpoints.
import { HubSettings } from '../../types.bicep'

param virtualNetworkName string
param networkSecurityGroupName string
param routeTableName string
param location string
param tags object

@description('/25 or larger: two subnets of /26 are cut from its start.')
param addressPrefix string
param hub HubSettings

resource appSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${networkSecurityGroupName}-app'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-https-outbound'
        properties: {
          description: 'Private endpoints, Kubeflow, and the hosts that the firewall lets through.'
          priority: 100
          direction: 'Outbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '443'
        }
      }
      {
        name: 'deny-other-outbound'
        properties: {
          description: 'Whatever is neither HTTPS nor inside the peered networks.'
          priority: 4000
          direction: 'Outbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: 'Internet'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource endpointSecurity 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${networkSecurityGroupName}-endpoints'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-https-from-networks'
        properties: {
          description: 'From this network and those joined to it.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '443'
        }
      }
      {
        name: 'deny-other-inbound'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource routes 'Microsoft.Network/routeTables@2024-07-01' = {
  name: routeTableName
  location: location
  tags: tags
  properties: {
    disableBgpRoutePropagation: true
    routes: [
      {
        name: 'everything-through-the-firewall'
        properties: {
          addressPrefix: '0.0.0.0/0'
          nextHopType: 'VirtualAppliance'
          nextHopIpAddress: hub.firewallPrivateIp
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: virtualNetworkName
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    dhcpOptions: { dnsServers: hub.dnsServers }
    // Subnets are written here and not as children: a second deployment would otherwise take them away and put them back.
    subnets: [
      {
        name: 'app'
        properties: {
          // Flex Consumption takes up to 40 addresses per app and wants this delegation, not Web/serverFarms (facts/infra.md §2.5).
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          defaultOutboundAccess: false
          networkSecurityGroup: { id: appSecurity.id }
          routeTable: { id: routes.id }
          delegations: [
            {
              name: 'functions'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          defaultOutboundAccess: false
          networkSecurityGroup: { id: endpointSecurity.id }
          // The security group counts for private endpoints only with this.
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

// The other half, from the hub to here, belongs to whoever owns the hub.
resource peering 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings@2025-05-01' = {
  parent: network
  name: 'to-hub'
  properties: {
    remoteVirtualNetwork: { id: hub.virtualNetworkId }
    allowVirtualNetworkAccess: true
    allowForwardedTraffic: true
    allowGatewayTransit: false
    useRemoteGateways: false
  }
}

output virtualNetworkId string = network.id
output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
