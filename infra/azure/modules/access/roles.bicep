// Every built-in Azure role that this deployment hands out, by its definition id (facts/infra.md §2.7).
// No Owner, Contributor or access administrator is here. The one role of our own is in data-factory-runner.bicep.

@export()
@description('Built-in role definition ids.')
var roles = {
  // The Functions host keeps locks, keys, Durable's large messages and the app package as blobs; it asks for Owner to set their lease and metadata.
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // Lists and reads landed files, writes silver and gold, removes what must be forgotten; Event Grid writes dead letters with it.
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  // Durable's queues, the landing queue and its poison queue.
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // Event Grid puts messages into the landing queue, and does nothing else there.
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  // Durable's history and Sluice's ledger, runs, models and audit.
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  // Sends telemetry with the managed identity.
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  // Submits, reads and cancels jobs, registers data, models and environments, logs runs; makes no compute and does not change the workspace.
  azureMlDataScientist: 'f6c7c914-8db3-469d-8ca1-694a8f32e121'
  // Publishes models to a registry and reads them back.
  azureMlRegistryUser: '1823dd4f-9b8c-4ab6-ab4e-7397a3684615'
}
