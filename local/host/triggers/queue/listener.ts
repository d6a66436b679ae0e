// The storage queue trigger: takes messages in batches, runs the function, deletes on success, hides again on failure,
// and moves a message to `<queue>-poison` when it was delivered too often or is not in the queue's encoding.
import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue';
import type { QueueSettings } from '../../config/host-json.ts';
import type { HostLog } from '../../config/logging.ts';
import type { ParameterBinding } from '../../core/rpc.ts';
import type { Blocked, Listener } from '../listener.ts';
import type { PlannedFunction } from '../plan.ts';
import type { Runner } from '../runner.ts';
import { createBackOff } from './back-off.ts';
import type { InFlight } from './in-flight.ts';
import { decodeMessage, queueMetadata } from './message.ts';
import { createOutage, storageErrorText } from './outage.ts';

/** What a queue listener needs. */
export interface QueueListenerOptions {
  readonly planned: PlannedFunction;
  readonly queueName: string;
  readonly connection: string | undefined;
  readonly settings: QueueSettings;
  readonly runner: Runner;
  readonly log: HostLog;
  readonly inFlight: InFlight;
  readonly blocked: Blocked;
  open(queueName: string): Promise<QueueClient>;
  extraInputs(planned: PlannedFunction): ParameterBinding[];
}

/** How long a message is hidden while its function runs, in seconds, and how often that is prolonged. As on the real host. */
const LEASE_SECONDS = 600;
const RENEW_MS = 240_000;

/** Creates the listener of one function. */
export function createQueueListener(options: QueueListenerOptions): Listener {
  const { planned, queueName, settings, runner, log, inFlight, blocked } = options;
  const { name: functionName } = planned.registered;
  const backOff = createBackOff(settings.maxPollingIntervalMs);
  const stopping = new AbortController();
  const outage = createOutage(`Queue "${queueName}" of function "${functionName}"`, log);
  const working = new Set<Promise<void>>();
  let wake: () => void = () => undefined;
  let loop: Promise<void> | undefined;

  const say = (level: 'debug' | 'information' | 'warning' | 'error', message: string) => {
    log({ level, category: 'system', source: 'Host.Triggers.Queue', message });
  };

  async function listen(): Promise<void> {
    let queue: QueueClient | undefined;
    while (!stopping.signal.aborted) {
      if (blocked() !== undefined) {
        await pause(settings.maxPollingIntervalMs);
        continue;
      }
      try {
        queue ??= await openQueue();
        const { receivedMessageItems: messages } = await queue.receiveMessages({
          numberOfMessages: settings.batchSize,
          visibilityTimeout: LEASE_SECONDS,
          abortSignal: stopping.signal,
        });
        outage.over();
        if (messages.length > 0) backOff.reset();
        for (const message of messages) {
          const ended = work(queue, message).finally(() => {
            working.delete(ended);
            wake();
          });
          working.add(ended);
        }
        if (messages.length === 0) await pause(backOff.next());
        else await room();
      } catch (error) {
        if (stopping.signal.aborted) return;
        outage.met(error);
        // A queue that was deleted meanwhile is created again.
        queue = undefined;
        await pause(backOff.next());
      }
    }
  }

  async function openQueue(): Promise<QueueClient> {
    const queue = await options.open(queueName);
    await queue.createIfNotExists({ abortSignal: stopping.signal });
    for (const left of inFlight.takeLeftOver(queueName, options.connection)) await giveBack(queue, left.id, left.popReceipt);
    return queue;
  }

  async function work(queue: QueueClient, message: DequeuedMessageItem): Promise<void> {
    const lease = holdLease(queue, message);
    try {
      const text = decodeMessage(message.messageText, settings.messageEncoding);
      if (text === undefined) return await poison(queue, message, lease, `its text is not ${settings.messageEncoding}`);
      if (message.dequeueCount > settings.maxDequeueCount)
        return await poison(queue, message, lease, `it was delivered ${message.dequeueCount} times`);
      if (await succeeds(message, text)) return await remove(queue, message.messageId, lease.receipt());
      // A failure while nothing can be stored is the disk's, not the message's.
      if (message.dequeueCount >= settings.maxDequeueCount && blocked() === undefined)
        return await poison(queue, message, lease, `its function failed ${message.dequeueCount} times`);
      await queue.updateMessage(message.messageId, lease.receipt(), undefined, Math.ceil(settings.visibilityTimeoutMs / 1000));
    } catch (error) {
      // The message stays in the queue and comes again when its visibility has run out.
      say(
        'warning',
        `Message ${message.messageId} of queue "${queueName}" could not be settled: ${storageErrorText(error)}. It will be delivered again.`,
      );
    } finally {
      lease.end();
    }
  }

  async function succeeds(message: DequeuedMessageItem, text: string): Promise<boolean> {
    const reason = `message ${message.messageId} of queue ${queueName}, delivery ${message.dequeueCount}`;
    try {
      await runner.run(functionName, reason, {
        inputs: [{ name: planned.trigger.name, data: { string: text } }, ...options.extraInputs(planned)],
        triggerMetadata: queueMetadata(text, message),
      });
      return true;
    } catch {
      // The runner has logged it; the queue's redelivery is the retry.
      return false;
    }
  }

  /** Keeps a message hidden for as long as its function runs, and on record. */
  function holdLease(queue: QueueClient, message: DequeuedMessageItem): { receipt(): string; end(): void } {
    let popReceipt = message.popReceipt;
    const taken = () => ({ connection: options.connection, queue: queueName, id: message.messageId, popReceipt });
    inFlight.begin(taken());
    const timer = setInterval(() => {
      queue.updateMessage(message.messageId, popReceipt, undefined, LEASE_SECONDS).then(
        (updated) => {
          popReceipt = updated.popReceipt ?? popReceipt;
          inFlight.renew(taken());
        },
        (error: unknown) =>
          say('warning', `Message ${message.messageId} of queue "${queueName}" could not be kept hidden: ${storageErrorText(error)}.`),
      );
    }, RENEW_MS);
    timer.unref();
    return {
      receipt: () => popReceipt,
      end: () => {
        clearInterval(timer);
        inFlight.end(message.messageId);
      },
    };
  }

  async function remove(queue: QueueClient, id: string, popReceipt: string): Promise<void> {
    await queue.deleteMessage(id, popReceipt).catch((error: unknown) => {
      if ((error as { statusCode?: number }).statusCode !== 404) throw error;
      say('debug', `Message ${id} of queue "${queueName}" was deleted or taken by somebody else meanwhile.`);
    });
  }

  /** Copied before it is deleted: a crash between the two makes a second copy, never none. */
  async function poison(queue: QueueClient, message: DequeuedMessageItem, lease: { receipt(): string }, why: string): Promise<void> {
    const target = await options.open(`${queueName}-poison`);
    await target.createIfNotExists();
    await target.sendMessage(message.messageText, { messageTimeToLive: -1 });
    await remove(queue, message.messageId, lease.receipt());
    say('warning', `Message ${message.messageId} was moved to queue "${queueName}-poison": ${why}.`);
  }

  async function giveBack(queue: QueueClient, id: string, popReceipt: string): Promise<void> {
    await queue.updateMessage(id, popReceipt, undefined, 0).then(
      () =>
        say('information', `Message ${id} of queue "${queueName}" was in work when the host before this one ended; it is delivered again.`),
      (error: unknown) => say('debug', `Message ${id} of queue "${queueName}" needs no redelivery: ${storageErrorText(error)}`),
    );
    inFlight.end(id);
  }

  /** Resolves when few enough messages are in work for another batch. */
  async function room(): Promise<void> {
    while (working.size > settings.newBatchThreshold && !stopping.signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
  }

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        stopping.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      stopping.signal.addEventListener('abort', end);
    });
  }

  return {
    start() {
      loop ??= listen();
    },
    async stop() {
      stopping.abort();
      wake();
      await loop;
    },
    async drained() {
      await Promise.allSettled(working);
    },
  };
}
