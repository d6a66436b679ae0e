// Groups of settings. A group is given wholly or not at all: the compiler and Azure refuse half of one.
// They mirror the groups of shared/config/config.ts.

@export()
@description('The hub that this network joins: the only way out, and who answers names.')
type HubSettings = {
  @description('Resource id of the hub network.')
  virtualNetworkId: string

  @description('Private address of the hub firewall.')
  firewallPrivateIp: string

  @description('DNS servers of the hub; empty = Azure DNS. Servers named here must be able to answer the private zones of this deployment.')
  dnsServers: string[]
}

@export()
@description('Kubeflow Pipelines, where training runs.')
type KubeflowSettings = {
  @description('Base address, up to /pipeline or the API host. HTTPS on 443: nothing else leaves the subnet.')
  url: string

  @description('Profile namespace of the runs.')
  namespace: string

  @description('Audience of the bearer token; none is sent without it.')
  tokenAudience: string?

  @description('PEM file of the gateway\'s certificate authority, as a path inside the app package.')
  caFile: string?
}

@export()
@description('AWS, where models are served. Values come from the outputs of infra/aws.')
type AwsSettings = {
  @description('Region of the security token service.')
  region: string

  @description('Role that Sluice assumes by its Entra token.')
  roleArn: string

  @description('Audience that the AWS identity provider expects.')
  audience: string
}

@export()
@description('Azure ML workspace. Sluice reads it; it is not made here.')
type AzureMlSettings = {
  subscriptionId: string
  resourceGroup: string
  workspace: string
}
