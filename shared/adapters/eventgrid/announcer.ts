// Port Announcer: Sluice's own transitions as CloudEvents to an Event Grid topic, with the managed identity.
// The id comes from the orchestration, so a repeat is recognised by whoever listens.
import type { TokenCredential } from '@azure/identity';
import { reach } from '../../clients/loopback.ts';
import { RejectedError, TransientError } from '../../errors/errors.ts';
import type { Announcer } from '../../ports/platform.ts';

export interface AnnouncerOptions {
  /** `https://<topic>.<region>-1.eventgrid.azure.net/api/events`, or a stand-in on this machine. */
  endpoint: string;
  credential: TokenCredential;
  /** CloudEvents source of this deployment, e.g. `/sluice`. */
  source: string;
  allowInsecureLoopback: boolean;
  /** Limit of one publication (default 20 000 ms). */
  timeoutMs?: number;
}

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { endpoint, policies } = reach('The Event Grid topic', options.endpoint, options.allowInsecureLoopback);

  async function load() {
    const { EventGridPublisherClient } = await import('@azure/eventgrid');
    return new EventGridPublisherClient(endpoint, 'CloudEvent', options.credential, {
      additionalPolicies: policies,
      retryOptions: { maxRetries: 2, maxRetryDelayInMs: 5_000 },
    });
  }
  let client: ReturnType<typeof load> | undefined;

  return {
    async publish({ id, type, subject, at, data }) {
      client ??= load();
      const event = { id, type: `sluice.${type}`, source: options.source, subject, time: new Date(at), data };
      try {
        await (await client).send([event], { abortSignal: AbortSignal.timeout(options.timeoutMs ?? 20_000) });
      } catch (error) {
        throw translate(error, `${type} ${id}`, options.endpoint);
      }
    },
  };
}

/** RestError's status decides; its request is not kept as a cause, because it carries the token. */
function translate(error: unknown, what: string, endpoint: string): Error {
  if (error instanceof RejectedError || error instanceof TransientError) return error;
  const { statusCode } = error as { statusCode?: unknown };
  const text = `Event Grid at ${endpoint} did not take ${what}${typeof statusCode === 'number' ? ` (${statusCode})` : ''}: ${(error as Error).message.slice(0, 400)}`;
  if (statusCode === 401 || statusCode === 403) {
    return new RejectedError('topic-forbidden', `${text} The managed identity needs the role "EventGrid Data Sender" on the topic.`);
  }
  if (statusCode === 404) return new RejectedError('topic-unknown', `${text} Check the topic's endpoint.`);
  if (statusCode === 400 || statusCode === 413) return new RejectedError('announcement-refused', text);
  return new TransientError('topic-unavailable', text);
}
