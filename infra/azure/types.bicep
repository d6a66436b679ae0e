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

  @description('NAMESPACE/NAME whose tokens Kubeflow takes instead of Entra\'s, made by TokenRequest; needs `kubernetes`. infra/kubernetes makes sluice/sluice-control.')
  serviceAccount: string?

  @description('Names of image pull secrets of the namespace, with commas.')
  pullSecrets: string?

  @description('Where artifacts are kept (s3://, minio://, gs://); the namespace\'s default without it.')
  pipelineRoot: string?

  @description('Volume claim with the data of the site, for pipelines with `data: on-premises`.')
  siteClaim: string?

  @description('Label of pods that a policy of the cluster turns into their runtimeClassName. With infra/kubernetes/runtime-class: sluice/runtime-class.')
  runtimeClassLabel: string?

  @description('What a pod must have to be in an enclave, NAME=QUANTITY: sgx.intel.com/epc=512Mi.')
  enclaveResource: string?

  @description('Role that the pods which send models assume by their projected token; models go by signed addresses without it.')
  awsRoleArn: string?

  @description('Region of that role\'s buckets; that of `aws` without it.')
  awsRegion: string?

  @description('Audience of the projected token; sts.amazonaws.com without it.')
  awsAudience: string?
}

@export()
@description('API server of the cluster that Kubeflow runs on: machines, pods and their events are looked at there.')
type KubernetesSettings = {
  @description('Address of the API server, on 443.')
  url: string

  @description('Audience of the bearer token; for AKS with Entra 6dae42f8-4368-4678-94ff-3960e28e3630. None is sent without it.')
  tokenAudience: string?

  @description('PEM file of the cluster\'s certificate authority, as a path inside the app package.')
  caFile: string?
}

@export()
@description('Databricks workspace that trains. What Bicep cannot do there is listed in infra/README.md.')
type DatabricksSettings = {
  @description('Address of the workspace.')
  url: string

  @description('Cluster that runs attach to.')
  clusterId: string

  @description('Volume over the store\'s container: /Volumes/CATALOG/SCHEMA/NAME.')
  storeVolume: string

  @description('Folder of pinned wheels in a volume.')
  wheels: string

  @description('Audience of tokens; Azure Databricks itself without it.')
  audience: string?
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
@description('Azure ML workspace: keeps track of trainings, and trains where a datastore is named. It is not made here.')
type AzureMlSettings = {
  subscriptionId: string
  resourceGroup: string
  workspace: string

  @description('Region of the workspace; that of this deployment without it.')
  location: string?

  @description('Datastore on the store\'s container; without it the workspace does not train.')
  datastore: string?

  @description('Compute that trains; serverless without it.')
  compute: string?

  @description('Client id of the user-assigned identity that jobs run as; name its object id in `storeUsers`.')
  jobClientId: string?

  @description('api-version of Azure ML; the app\'s own default without it.')
  apiVersion: string?

  @description('Registry that models go to prod by, in the resource group of the workspace.')
  registry: string?

  @description('False where the workspace has a system topic already: it can have one only, and its owner adds the subscription. Default true.')
  events: bool?

  @description('Whether the workspace\'s events about jobs reach the landing queue, so that jobs are looked at seldom; as `events` without it.')
  told: bool?
}

@export()
@description('Data Factory whose pipelines Sluice runs: extraction from on-premises databases, and refining of what is too large for one process.')
type DataFactorySettings = {
  subscriptionId: string
  resourceGroup: string
  factory: string
}

@export()
@description('Who refines datasets above a size: a pipeline of the Data Factory, or the wheel of the component refine on Databricks.')
type HandOverSettings = {
  @description('Unpacked megabytes above which a dataset is handed over.')
  aboveMb: int

  to: 'data-factory' | 'databricks'

  @description('Pipeline of the factory that refines, with data-factory.')
  pipeline: string?

  @description('Image by digest of the component refine, from the lock file, with databricks.')
  image: string?

  @description('How long such a refining may take, e.g. 12h; 6h without it.')
  deadline: string?
}

@export()
@description('Where OpenLineage events are sent.')
type LineageSettings = {
  url: string

  @description('Audience of the bearer token; none is sent without it.')
  audience: string?
}
