// What `bench:events` measures on: a queue and the tables of one Azurite, and the two ways in which a message can leave the queue.
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { dataLanded } from '../../functions/triggers/data-landed.ts';
import { deserializeEvents } from '../../shared/adapters/eventgrid/deserialize.ts';
import { createMemoryStore } from '../../shared/adapters/memory/store.ts';
import { openTables, type Tables } from '../../shared/adapters/tables/open-tables.ts';
import { createTableStores } from '../../shared/adapters/tables/stores.ts';
import type { Table } from '../../shared/adapters/tables/table.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { exampleVersion } from '../../tests/support/example-pipeline.ts';

export const LAKE = { account: 'lake', container: 'data' };
/** The host's batch: `host.json`, extensions.queues.batchSize. */
export const BATCH = 16;
const SOURCE = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/lake';

export type Way = 'ours' | 'bare';

export interface Site {
  ledger: Table;
  /** Puts the messages into the queue of that way. */
  send(way: Way, messages: readonly string[]): Promise<void>;
  /** Receives one batch of that way's queue, does with each message what the way does, and deletes it; gives how many there were. */
  takeBatch(way: Way): Promise<number>;
  /** Stories that the intake has asked for. */
  started(): number;
}

/** Messages as Event Grid writes them (base64), each of another file that landed. */
export function messagesOf(round: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const path = `bronze/ble-location/${round}/${index}.csv`;
    const eTag = `0x8D${sha256Hex(path).slice(0, 13).toUpperCase()}`;
    const data = {
      api: 'PutBlob',
      requestId: `r-${round}-${index}`,
      eTag,
      contentType: 'text/csv',
      contentLength: 524_288,
      blobType: 'BlockBlob',
      url: `https://${LAKE.account}.blob.core.windows.net/${LAKE.container}/${path}`,
      sequencer: String(index).padStart(32, '0'),
      storageDiagnostics: { batchId: 'b' },
    };
    const event = {
      specversion: '1.0',
      id: `event-${round}-${index}`,
      source: SOURCE,
      type: 'Microsoft.Storage.BlobCreated',
      subject: `/blobServices/default/containers/${LAKE.container}/blobs/${path}`,
      time: new Date().toISOString(),
      data,
    };
    return Buffer.from(JSON.stringify(event)).toString('base64');
  });
}

/** The real tables, ledger and registry with the example pipeline registered; the starter counts. */
export async function openSite(storage: string): Promise<Site> {
  const service = QueueServiceClient.fromConnectionString(storage);
  // One for each way, so that they can take turns batch by batch.
  const queues: Record<Way, QueueClient> = { ours: service.getQueueClient('landing-events'), bare: service.getQueueClient('bare-events') };
  await Promise.all([queues.ours.createIfNotExists(), queues.bare.createIfNotExists()]);
  const tables: Tables = openTables({ connectionString: storage });
  await tables.ensureTables();
  const store = createMemoryStore();
  const stores = createTableStores(tables, store);
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'bench', new Date().toISOString());
  let started = 0;
  const take = dataLanded({
    ...stores,
    store,
    lake: LAKE,
    readCommit: () => Promise.reject(new Error('no commit lands in this benchmark')),
    deserialize: deserializeEvents,
    policy: { pollFirstSeconds: 5, pollMaxSeconds: 60, signedUrlSeconds: 900 },
    now: () => new Date(),
  });
  const starter = {
    start: () => ((started += 1), Promise.resolve('started' as const)),
    raise: () => Promise.resolve('nobody' as const),
  };
  const quiet = { info: () => undefined, warn: () => undefined };
  const ways: Record<Way, (text: string) => Promise<void>> = {
    ours: (text) => take(text, starter, quiet),
    async bare(text) {
      // In the same table, so that both find the same number of rows there; a partition for each message, as the ledger has one for each file.
      const row = { partitionKey: `bare-${sha256Hex(text)}`, rowKey: 'row', message: text };
      if ((await tables.ledger.insert(row)) !== 'inserted') throw new Error('a message came twice');
    },
  };
  return {
    ledger: tables.ledger,
    async send(way, messages) {
      for (let start = 0; start < messages.length; start += 32)
        await Promise.all(messages.slice(start, start + 32).map((text) => queues[way].sendMessage(text)));
    },
    async takeBatch(way) {
      const queue = queues[way];
      const { receivedMessageItems: messages } = await queue.receiveMessages({ numberOfMessages: BATCH, visibilityTimeout: 300 });
      await Promise.all(
        messages.map(async ({ messageId, popReceipt, messageText }) => {
          await ways[way](messageText);
          await queue.deleteMessage(messageId, popReceipt);
        }),
      );
      return messages.length;
    },
    started: () => started,
  };
}
