// A custom topic of Event Grid for one machine: takes CloudEvents from whoever holds the role, keeps them, and delivers them to queues.
// Source: facts/azure.md §3, learn.microsoft.com/azure/event-grid/{post-to-custom-topic,cloudevents-schema}, the wire of @azure/eventgrid 5.12.
import { join } from 'node:path';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { BodyTooLargeError, json, readBytes } from '../kit/body.ts';
import { systemClock, type Clock } from '../kit/clock.ts';
import { withFaults, type Faults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { openState } from '../kit/state.ts';
import { cloudEventProblem, type CloudEvent } from './cloud-event.ts';
import { createDelivery, type Parcel } from './delivery.ts';
import { openEventLog, type EventLog } from './event-log.ts';
import { subjectFits } from './events.ts';
import { SERVICE_RETRY, type RetryPolicy, type Subscription } from './options.ts';
import { newRequestId, TopicError, topicErrorResponse } from './topic-error.ts';

/** A subscription on the topic; it delivers CloudEvents. */
export interface TopicSubscription extends Pick<
  Subscription,
  'name' | 'queue' | 'subjectBeginsWith' | 'subjectEndsWith' | 'deadLetterContainer' | 'encoding'
> {
  /** Default: all types. */
  readonly includedEventTypes?: readonly string[];
}

/** What the stand-in is given. */
export interface TopicOptions {
  readonly dataDir: string;
  /** Resource id, named in refusals. */
  readonly resourceId: string;
  /** Issuer of the tokens that are taken, and where its keys are. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Object ids with the role "EventGrid Data Sender" on this topic; nobody else may send. */
  readonly dataSenders: readonly string[];
  /** Storage account of the subscriptions' queues. */
  readonly connectionString: string;
  /** The account as seen through the blob proxy; dead letters make events of their own. Default: the account itself. */
  readonly deadLetterConnectionString?: string;
  readonly subscriptions?: readonly TopicSubscription[];
  readonly retry?: RetryPolicy;
  readonly clock?: Clock;
}

/** The running stand-in. Routes: `POST /api/events`, `GET /_admin/events[?limit=N]`, `/_admin/deliveries`, `/_admin/faults`. */
export type TopicCloud = Cloud & { readonly faults: Faults };

/** What a token must be made for; publishers ask for `https://eventgrid.azure.net/.default`. */
export const TOPIC_AUDIENCE = 'https://eventgrid.azure.net';
/** Documented limit of an event and of a request. */
const MAX_BYTES = 1_048_576;
const API_VERSION = '2018-01-01';
const SINGLE = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';
const MAX_LISTED = 10_000;

/** Opens the topic (no port: put `serve` before it). */
export function createTopicCloud(options: TopicOptions): TopicCloud {
  const clock = options.clock ?? systemClock;
  const keys = createRemoteJWKSet(new URL(options.jwksUri), { timeoutDuration: 5_000 });
  const log = openEventLog(join(options.dataDir, 'events.jsonl'));
  const state = openState<{ waiting: Parcel[] }>(join(options.dataDir, 'topic.json'), { waiting: [] });
  const subscriptions = options.subscriptions ?? [];
  const delivery = createDelivery({
    connectionString: options.connectionString,
    deadLetterConnectionString: options.deadLetterConnectionString ?? options.connectionString,
    subscriptions: subscriptions.map(({ includedEventTypes: _types, ...subscription }) => ({ ...subscription, schema: 'cloudevents' })),
    retry: options.retry ?? SERVICE_RETRY,
    clock,
  });
  for (const parcel of state.value.waiting) delivery.send(parcel);

  const publish = async (request: Request, requestId: string): Promise<Response> => {
    const publisher = await authenticate(request, options, keys, clock.now());
    const events = await readEvents(request);
    const acceptedAt = new Date(clock.now()).toISOString();
    log.append(events.map((event) => ({ acceptedAt, publisher, event })));
    for (const event of events) {
      for (const subscription of subscriptions.filter((one) => wantsEvent(one, event))) {
        delivery.send({ subscription: subscription.name, event, publishedAt: acceptedAt, attempts: 0, dueAt: clock.now() });
      }
    }
    return new Response(null, { status: 200, headers: { 'x-ms-request-id': requestId, 'api-supported-versions': API_VERSION } });
  };
  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const requestId = newRequestId();
    try {
      if (url.pathname === '/_admin/events' && request.method === 'GET') return await listEvents(log, url);
      if (url.pathname === '/_admin/deliveries' && request.method === 'GET') return json(delivery.counts);
      if (url.pathname !== '/api/events')
        throw new TopicError(404, 'The requested resource was not found. A topic takes POST /api/events.');
      if (request.method !== 'POST') throw new TopicError(405, `The method ${request.method} is not supported. Send events with POST.`);
      const version = url.searchParams.get('api-version');
      if (version !== API_VERSION) {
        throw new TopicError(400, `The api-version '${(version ?? '').slice(0, 40)}' is not supported. Supported: ${API_VERSION}.`);
      }
      return await publish(request, requestId);
    } catch (error) {
      if (error instanceof BodyTooLargeError) {
        return topicErrorResponse(new TopicError(413, `The maximum size (${MAX_BYTES}) has been exceeded.`), requestId, clock.now());
      }
      if (error instanceof TopicError) return topicErrorResponse(error, requestId, clock.now());
      throw error;
    }
  };
  const close = async (): Promise<void> => {
    const waiting = await delivery.close();
    state.update((value) => (value.waiting = waiting));
    log.close();
  };
  return withFaults({ name: 'topic', fetch: answer, close }, (request) =>
    request.method === 'POST' && new URL(request.url).pathname === '/api/events' ? 'PublishEvents' : undefined,
  );
}

/** The publisher's object id. The issuer not answering is our failure (500), not the publisher's. */
async function authenticate(
  request: Request,
  options: TopicOptions,
  keys: ReturnType<typeof createRemoteJWKSet>,
  nowMs: number,
): Promise<string> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  if (!token) {
    const isKey = request.headers.has('aeg-sas-key') || request.headers.has('aeg-sas-token');
    throw new TopicError(
      401,
      isKey
        ? 'Local authentication is disabled for this topic. Use an access token of Microsoft Entra ID.'
        : 'The request holds no access token. Send the header Authorization: Bearer.',
    );
  }
  const oid = await objectId(token, options, keys, nowMs);
  if (!options.dataSenders.includes(oid)) {
    throw new TopicError(
      401,
      `The principal associated with access token presented with the incoming request does not have permission to send data to ${options.resourceId}.`,
    );
  }
  return oid;
}

async function objectId(token: string, options: TopicOptions, keys: ReturnType<typeof createRemoteJWKSet>, nowMs: number): Promise<string> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: options.issuer,
      audience: [TOPIC_AUDIENCE, `${TOPIC_AUDIENCE}/`],
      algorithms: ['RS256'],
      requiredClaims: ['exp'],
      currentDate: new Date(nowMs),
    });
    return typeof payload['oid'] === 'string' ? payload['oid'] : '';
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) throw error;
    if (error instanceof errors.JWTExpired) throw new TopicError(401, 'The access token has expired.');
    const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : undefined;
    if (claim === 'aud') throw new TopicError(401, `The audience of the access token is invalid. Ask for ${TOPIC_AUDIENCE}.`);
    if (claim === 'iss') throw new TopicError(401, 'The issuer of the access token is invalid.');
    throw new TopicError(401, 'The access token is invalid.');
  }
}

async function readEvents(request: Request): Promise<CloudEvent[]> {
  const [type = '', ...parameters] = (request.headers.get('content-type') ?? '').split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((one) => one.startsWith('charset='))?.replace(/^charset=|"/g, '') ?? 'utf-8';
  if ((type !== SINGLE && type !== BATCH) || charset !== 'utf-8') {
    throw new TopicError(
      415,
      `The Content-Type header is either missing or it doesn't have a valid value. The content type header must either be ${SINGLE}; charset=utf-8 or ${BATCH}; charset=UTF-8.`,
    );
  }
  const value = parseJson(await readBytes(request, MAX_BYTES));
  if (Array.isArray(value) !== (type === BATCH)) {
    const [expected, actual] = type === BATCH ? ['StartArray', 'StartObject'] : ['StartObject', 'StartArray'];
    throw invalid(
      `The JSON received does not conform to the expected schema. Token Expected: ${expected}, Actual Token Received: ${actual}.`,
    );
  }
  const events: unknown[] = Array.isArray(value) ? value : [value];
  for (const [index, event] of events.entries()) {
    const problem = cloudEventProblem(event);
    if (problem) throw invalid(`Event ${index + 1} of ${events.length} does not conform to the expected schema. ${problem}`);
  }
  return events as CloudEvent[];
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw invalid('The body received is not JSON in UTF-8.');
  }
}

function invalid(what: string): TopicError {
  return new TopicError(400, `This resource is configured to receive event in 'CloudEventV10' schema. ${what}`, 'InputJsonInvalid');
}

function wantsEvent(subscription: TopicSubscription, event: CloudEvent): boolean {
  return (subscription.includedEventTypes?.includes(event.type) ?? true) && subjectFits(subscription, event.subject ?? '');
}

async function listEvents(log: EventLog, url: URL): Promise<Response> {
  const limit = Number(url.searchParams.get('limit') ?? '1000');
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LISTED) {
    return json({ error: `limit is a whole number from 1 to ${MAX_LISTED}.` }, 400);
  }
  return json({ events: await log.read(limit) });
}
