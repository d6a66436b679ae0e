// What the Event Grid stand-in is given: the storage account before which it stands, and the event subscriptions on it.
// The words are those of Azure's event subscriptions (facts/azure.md §3).
import type { Clock } from '../kit/clock.ts';

export const BLOB_CREATED = 'Microsoft.Storage.BlobCreated';
export const BLOB_DELETED = 'Microsoft.Storage.BlobDeleted';
export type EventType = typeof BLOB_CREATED | typeof BLOB_DELETED;

/** One event subscription: which events go to which Storage queue, and how they are written. */
export interface Subscription {
  readonly name: string;
  /** Storage queue of the same account. */
  readonly queue: string;
  readonly schema: 'cloudevents' | 'eventgrid';
  /** Default: all types. */
  readonly includedEventTypes?: readonly EventType[];
  /** Compared without regard to case, as Azure does by default. */
  readonly subjectBeginsWith?: string;
  readonly subjectEndsWith?: string;
  /** Advanced filter `data.api StringIn […]`. */
  readonly apis?: readonly string[];
  /** Container for what could not be delivered; without one such events are lost. */
  readonly deadLetterContainer?: string;
  /** Text of a queue message: base64 (default) or the JSON itself. */
  readonly encoding?: 'base64' | 'plain';
  /** Write `data.eTag` with its quotes; default without. The service does either (facts/azure.md §3.1). */
  readonly quotedETag?: boolean;
}

/** How deliveries are repeated. */
export interface RetryPolicy {
  /** Waits before the second, third … attempt, milliseconds; the last one repeats. */
  readonly delaysMs: readonly number[];
  readonly maxAttempts: number;
}

/** The service's schedule: 10 s, 30 s, 1, 5, 10, 30 min, 1, 3, 6 h, then every 12 h; 30 attempts. */
export const SERVICE_RETRY: RetryPolicy = {
  delaysMs: [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200].map((seconds) => seconds * 1000),
  maxAttempts: 30,
};

/** The stand-in as a whole. */
export interface EventGridOptions {
  /** Directory for what waits at shutdown. */
  readonly dataDir: string;
  /** Connection string of the account (Azurite): blob endpoint to forward to, queue endpoint to deliver to. */
  readonly connectionString: string;
  /** Resource id of the storage account: `topic` or `source` of every event. */
  readonly resourceId: string;
  /** Name in the events' `url`; default: the last part of the resource id. */
  readonly accountName?: string;
  readonly subscriptions: readonly Subscription[];
  /** Port of the blob proxy, default 0 = any. */
  readonly port?: number;
  readonly host?: string;
  readonly retry?: RetryPolicy;
  readonly clock?: Clock;
}
