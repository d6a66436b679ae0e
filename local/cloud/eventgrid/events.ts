// Writes a blob change as Event Grid does, in both schemas, and makes the sequencer.
// Source: Azure Event Grid, "Azure Blob Storage as an Event Grid source" (facts/azure.md §3.1).
import { randomUUID } from 'node:crypto';
import type { Clock } from '../kit/clock.ts';
import type { BlobOperation } from './blob-operation.ts';
import { BLOB_CREATED, BLOB_DELETED, type EventType, type Subscription } from './options.ts';

/** A change that was carried out, with what the storage account answered. */
export interface BlobChange extends BlobOperation {
  readonly requestId: string;
  /** As in the HTTP header, with quotes; absent for a deletion. */
  readonly eTag: string | undefined;
}

/** An event before a subscription's schema is chosen. */
export interface BlobEvent {
  readonly id: string;
  readonly type: EventType;
  readonly subject: string;
  readonly time: string;
  readonly api: string;
  readonly eTag: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Makes sequencers: 32 hexadecimal digits, strictly rising as strings, also when the clock goes back. */
export function createSequencer(clock: Clock, last?: string): { next(): string; last(): string } {
  let time = last ? BigInt(`0x${last.slice(0, 16)}`) : 0n;
  let count = last ? BigInt(`0x${last.slice(16)}`) : 0n;
  const format = () => time.toString(16).padStart(16, '0') + count.toString(16).padStart(16, '0');
  return {
    next() {
      const now = BigInt(Math.max(0, Math.floor(clock.now())));
      if (now > time) [time, count] = [now, 0n];
      else count += 1n;
      return format();
    },
    last: format,
  };
}

/** The event of a change. `account` names the host in `url`, as the public service would. */
export function toEvent(change: BlobChange, account: string, sequencer: string, nowMs: number): BlobEvent {
  const created = change.api !== 'DeleteBlob';
  return {
    id: randomUUID(),
    type: created ? BLOB_CREATED : BLOB_DELETED,
    subject: `/blobServices/default/containers/${change.container}/blobs/${change.blob}`,
    time: `${new Date(nowMs).toISOString().slice(0, -1)}0000Z`,
    api: change.api,
    eTag: change.eTag,
    data: {
      api: change.api,
      ...(change.clientRequestId === undefined ? {} : { clientRequestId: change.clientRequestId }),
      requestId: change.requestId,
      ...(change.eTag === undefined ? {} : { eTag: change.eTag }),
      contentType: change.contentType ?? 'application/octet-stream',
      ...(created ? { contentLength: change.contentLength ?? 0 } : {}),
      blobType: change.blobType ?? 'BlockBlob',
      url: `https://${account}.blob.core.windows.net/${change.encodedPath}`,
      sequencer,
      storageDiagnostics: { batchId: randomUUID() },
    },
  };
}

/** Whether the subscription wants the event. */
export function wants(subscription: Subscription, event: { type: EventType; subject: string; api: string }): boolean {
  return (
    (subscription.includedEventTypes?.includes(event.type) ?? true) &&
    subjectFits(subscription, event.subject) &&
    (subscription.apis?.includes(event.api) ?? true)
  );
}

/** Whether the subject passes the subscription's prefix and suffix, without regard to case. */
export function subjectFits(filter: Pick<Subscription, 'subjectBeginsWith' | 'subjectEndsWith'>, subject: string): boolean {
  const text = subject.toLowerCase();
  return text.startsWith(filter.subjectBeginsWith?.toLowerCase() ?? '') && text.endsWith(filter.subjectEndsWith?.toLowerCase() ?? '');
}

/** The JSON of the event for one subscription. */
export function render(subscription: Subscription, event: BlobEvent, resourceId: string): Record<string, unknown> {
  const eTag = subscription.quotedETag ? event.eTag : event.eTag?.replaceAll('"', '');
  const data = eTag === undefined ? event.data : { ...event.data, eTag };
  return subscription.schema === 'cloudevents'
    ? { source: resourceId, subject: event.subject, type: event.type, time: event.time, id: event.id, data, specversion: '1.0' }
    : {
        topic: resourceId,
        subject: event.subject,
        eventType: event.type,
        id: event.id,
        data,
        dataVersion: '',
        metadataVersion: '1',
        eventTime: event.time,
      };
}
