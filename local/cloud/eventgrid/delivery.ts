// Delivery of rendered events to Storage queues: at least once, repeated with the service's schedule, then dead-lettered.
// 400, 403 and 413 are not repeated for Azure destinations; without a dead-letter container the event is lost (facts/azure.md §3.1).
import { randomUUID } from 'node:crypto';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Clock } from '../kit/clock.ts';
import type { RetryPolicy, Subscription } from './options.ts';

/** An event on its way to one subscription; JSON, so that it can wait on disk. */
export interface Parcel {
  readonly subscription: string;
  readonly event: Record<string, unknown>;
  readonly publishedAt: string;
  attempts: number;
  /** Instant (milliseconds since 1970) before which it is not tried. */
  dueAt: number;
}

/** Counters since the start. */
export interface DeliveryCounts {
  delivered: number;
  failedAttempts: number;
  deadLettered: number;
  lost: number;
}

/** Sends parcels in the background. */
export interface Delivery {
  send(parcel: Parcel): void;
  readonly counts: DeliveryCounts;
  /** Ends attempts under way, stops timers; gives back what was not delivered. */
  close(): Promise<Parcel[]>;
}

/** Where deliveries go. */
export interface DeliveryOptions {
  readonly connectionString: string;
  /** The account as seen through the proxy: dead letters make events of their own, as in Azure. */
  readonly deadLetterConnectionString: string;
  readonly subscriptions: readonly Subscription[];
  readonly retry: RetryPolicy;
  readonly clock: Clock;
}

/** The service waits this long for a destination. */
const ACK_MS = 30_000;
const NEVER_RETRIED = new Set([400, 403, 413]);

/** Starts a delivery agent. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const queues = QueueServiceClient.fromConnectionString(options.connectionString, { retryOptions: { maxTries: 1 } });
  const blobs = BlobServiceClient.fromConnectionString(options.deadLetterConnectionString, { retryOptions: { maxTries: 2 } });
  const subscriptions = new Map(options.subscriptions.map((subscription) => [subscription.name, subscription]));
  const queueOf = new Map(options.subscriptions.map(({ name, queue }) => [name, queues.getQueueClient(queue)]));
  const waiting = new Set<Parcel>();
  const timers = new Map<Parcel, NodeJS.Timeout>();
  const underWay = new Set<Promise<void>>();
  const counts: DeliveryCounts = { delivered: 0, failedAttempts: 0, deadLettered: 0, lost: 0 };
  let closed = false;

  const schedule = (parcel: Parcel): void => {
    waiting.add(parcel);
    if (closed) return;
    const wait = parcel.dueAt - options.clock.now();
    // A clock that can be moved is looked at again from time to time.
    if (wait > 0) timers.set(parcel, setTimeout(schedule, Math.min(wait, 250), parcel));
    else start(parcel);
  };
  const start = (parcel: Parcel): void => {
    timers.delete(parcel);
    const work = attempt(parcel).finally(() => underWay.delete(work));
    underWay.add(work);
  };
  const attempt = async (parcel: Parcel): Promise<void> => {
    const subscription = subscriptions.get(parcel.subscription);
    const queue = queueOf.get(parcel.subscription);
    if (!subscription || !queue) {
      waiting.delete(parcel); // its subscription was removed while it waited
      return;
    }
    parcel.attempts += 1;
    try {
      await putMessage(queue, subscription, parcel.event);
      waiting.delete(parcel);
      counts.delivered += 1;
    } catch (error) {
      counts.failedAttempts += 1;
      await failed(parcel, subscription, error);
    }
  };
  const failed = async (parcel: Parcel, subscription: Subscription, error: unknown): Promise<void> => {
    const status = (error as { statusCode?: number }).statusCode;
    const final = status !== undefined && NEVER_RETRIED.has(status);
    if (!final && parcel.attempts < options.retry.maxAttempts) {
      const delays = options.retry.delaysMs;
      parcel.dueAt = options.clock.now() + (delays[Math.min(parcel.attempts, delays.length) - 1] ?? 0);
      schedule(parcel);
      return;
    }
    waiting.delete(parcel);
    const outcome = (error as { code?: string }).code ?? (error instanceof Error ? error.name : 'Unknown');
    try {
      if (!subscription.deadLetterContainer) throw new Error('the subscription has no dead-letter container');
      const container = blobs.getContainerClient(subscription.deadLetterContainer);
      await writeDeadLetter(
        container,
        subscription,
        parcel,
        final ? 'UndeliverableEvent' : 'MaxDeliveryAttemptsExceeded',
        outcome,
        options.clock.now(),
      );
      counts.deadLettered += 1;
    } catch (cause) {
      counts.lost += 1;
      const reason = cause instanceof Error ? cause.message : String(cause);
      process.stderr.write(`eventgrid: an event of subscription ${subscription.name} is lost after ${outcome}: ${reason}\n`);
    }
  };

  return {
    send: schedule,
    counts,
    async close() {
      closed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.allSettled(underWay);
      return [...waiting];
    },
  };
}

async function putMessage(queue: QueueClient, subscription: Subscription, event: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify(event);
  const message = subscription.encoding === 'plain' ? text : Buffer.from(text, 'utf8').toString('base64');
  await queue.sendMessage(message, { abortSignal: AbortSignal.timeout(ACK_MS) });
}

async function writeDeadLetter(
  container: ContainerClient,
  subscription: Subscription,
  parcel: Parcel,
  reason: string,
  outcome: string,
  nowMs: number,
): Promise<void> {
  const now = new Date(nowMs);
  const details = {
    deadLetterReason: reason,
    deliveryAttempts: parcel.attempts,
    lastDeliveryOutcome: outcome,
    publishTime: parcel.publishedAt,
    lastDeliveryAttemptTime: now.toISOString(),
  };
  // CloudEvents allows lower-case attribute names only.
  const named =
    subscription.schema === 'eventgrid'
      ? details
      : Object.fromEntries(Object.entries(details).map(([key, value]) => [key.toLowerCase(), value]));
  const content = Buffer.from(JSON.stringify([{ ...parcel.event, ...named }]), 'utf8');
  const folder = [now.getUTCFullYear(), now.getUTCMonth() + 1, now.getUTCDate(), now.getUTCHours()].join('/');
  await container
    .getBlockBlobClient(`${subscription.name.toUpperCase()}/${folder}/${randomUUID()}.json`)
    .upload(content, content.byteLength, {
      blobHTTPHeaders: { blobContentType: 'application/json' },
      abortSignal: AbortSignal.timeout(ACK_MS),
    });
}
