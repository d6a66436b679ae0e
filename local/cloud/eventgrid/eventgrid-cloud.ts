// Event Grid for one storage account: a proxy before its blob port that makes the events Azure would make and puts them into Storage queues.
// Any Storage client that writes through the proxy's address starts the story; what goes to the account directly makes no event.
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { json } from '../kit/body.ts';
import { systemClock } from '../kit/clock.ts';
import type { Cloud } from '../kit/server.ts';
import { openState } from '../kit/state.ts';
import { blobOperation, type BlobOperation } from './blob-operation.ts';
import { createBlobProxy } from './blob-proxy.ts';
import { administerChaos, createChaos } from './chaos.ts';
import { createDelivery, type Parcel } from './delivery.ts';
import { createSequencer, render, toEvent, wants } from './events.ts';
import { BLOB_CREATED, BLOB_DELETED, SERVICE_RETRY, type EventGridOptions } from './options.ts';

/** The running stand-in. `fetch` answers the admin routes only: `/_admin/chaos`, `/_admin/deliveries`. */
export interface EventGridCloud extends Cloud {
  /** Blob endpoint to give to Storage clients, e.g. `http://127.0.0.1:4123/devstoreaccount1`. */
  readonly blobEndpoint: string;
  /** The account's connection string with the blob endpoint replaced by the proxy's. */
  readonly connectionString: string;
}

const PROPERTIES_MS = 10_000;

/** Starts the proxy. Fails when the port is taken or the connection string names no blob endpoint. */
export async function createEventGridCloud(options: EventGridOptions): Promise<EventGridCloud> {
  const clock = options.clock ?? systemClock;
  const blobs = BlobServiceClient.fromConnectionString(options.connectionString, { retryOptions: { maxTries: 2 } });
  const target = new URL(blobs.url);
  const account = options.accountName ?? options.resourceId.split('/').at(-1) ?? blobs.accountName;
  const state = openState<{ waiting: Parcel[]; sequencer?: string }>(join(options.dataDir, 'eventgrid.json'), { waiting: [] });
  const sequencer = createSequencer(clock, state.value.sequencer);
  const chaos = createChaos();

  const withProperties = async (operation: BlobOperation, eTag?: string): Promise<BlobOperation> => {
    const blob = blobs.getContainerClient(operation.container).getBlobClient(operation.blob);
    try {
      const found = await blob.getProperties({
        ...(eTag === undefined ? {} : { conditions: { ifMatch: eTag } }),
        abortSignal: AbortSignal.timeout(PROPERTIES_MS),
      });
      return { ...operation, contentType: found.contentType, contentLength: found.contentLength, blobType: found.blobType };
    } catch (error) {
      // Another writer was faster: the size of what it left is nearer to the truth than none.
      if (eTag !== undefined && (error as { statusCode?: number }).statusCode === 412) return withProperties(operation);
      return operation;
    }
  };
  const wanted = (operation: BlobOperation): boolean => {
    const type = operation.api === 'DeleteBlob' ? BLOB_DELETED : BLOB_CREATED;
    const subject = `/blobServices/default/containers/${operation.container}/blobs/${operation.blob}`;
    return options.subscriptions.some((subscription) => wants(subscription, { type, subject, api: operation.api }));
  };

  const proxy = createBlobProxy(target, {
    classify: (request) => {
      const operation = blobOperation(request, blobs.accountName);
      return operation && wanted(operation) ? operation : undefined;
    },
    before: async (operation) => (operation.api === 'DeleteBlob' ? withProperties(operation) : operation),
    after: async (operation, answer) => {
      const sequence = sequencer.next();
      const complete = operation.contentLength === undefined && answer.eTag ? await withProperties(operation, answer.eTag) : operation;
      const event = toEvent(
        { ...complete, ...answer, eTag: operation.api === 'DeleteBlob' ? undefined : answer.eTag },
        account,
        sequence,
        clock.now(),
      );
      for (const subscription of options.subscriptions) {
        if (!wants(subscription, event)) continue;
        const rendered = render(subscription, event, options.resourceId);
        chaos.pass((delayMs) => {
          delivery.send({
            subscription: subscription.name,
            event: rendered,
            publishedAt: event.time,
            attempts: 0,
            dueAt: clock.now() + delayMs,
          });
        });
      }
    },
  });
  const blobEndpoint = await listen(proxy.server, options.host ?? '127.0.0.1', options.port ?? 0, target.pathname);
  const connectionString = withBlobEndpoint(options.connectionString, blobEndpoint);
  const delivery = createDelivery({
    connectionString: options.connectionString,
    deadLetterConnectionString: connectionString,
    subscriptions: options.subscriptions,
    retry: options.retry ?? SERVICE_RETRY,
    clock,
  });
  for (const parcel of state.value.waiting) delivery.send(parcel);

  return {
    name: 'eventgrid',
    blobEndpoint,
    connectionString,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/_admin/chaos') return administerChaos(chaos, request);
      if (pathname === '/_admin/deliveries' && request.method === 'GET') return json(delivery.counts);
      return json({ error: 'Known routes: /_admin/chaos, /_admin/deliveries.' }, 404);
    },
    async close() {
      await proxy.close();
      chaos.clear();
      const waiting = await delivery.close();
      state.update((value) => Object.assign(value, { waiting, sequencer: sequencer.last() }));
    },
  };
}

async function listen(server: ReturnType<typeof createBlobProxy>['server'], host: string, port: number, path: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `Port ${port} on ${host} is taken by another program. Stop it or choose another port.`;
      reject(new Error(error.code === 'EADDRINUSE' ? taken : `Cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error(`The blob proxy on ${host} has no port.`);
  return `http://${host}:${address.port}${path.replace(/\/$/, '')}`;
}

function withBlobEndpoint(connectionString: string, endpoint: string): string {
  const parts = connectionString.split(';').filter((part) => part !== '' && !part.startsWith('BlobEndpoint='));
  return [...parts, `BlobEndpoint=${endpoint}`, ''].join(';');
}
