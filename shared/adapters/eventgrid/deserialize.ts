// Incoming storage events, CloudEvents 1.0 or Event Grid schema, one or an array → StorageEvent, by @azure/eventgrid at run time (facts/azure.md §3.1).
// Every body is hostile: keys are matched by a closed list whatever their case, nothing else is copied, and what does not fit is a problem in words.
import type { EventGridDeserializer } from '@azure/eventgrid';
import { StorageEvent } from '../../contracts/events.ts';
import { blobPlace, PlaceError } from './blob-place.ts';

/** What could be understood, and what could not: `event 2: …`. Both may be non-empty. */
export interface DeserializedEvents {
  events: StorageEvent[];
  problems: string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** An event after the SDK's deserializer, in one shape. */
interface Envelope {
  source: string;
  id: string;
  type: string;
  subject: string | undefined;
  time: unknown;
  data: Fields;
}

/** Event Grid batches hold at most 5000 events (facts/azure.md §3.1). */
const MAX_EVENTS = 5_000;
const CLOUD_KEYS = ['specversion', 'id', 'source', 'type', 'time', 'subject', 'data', 'datacontenttype', 'dataschema'];
const GRID_KEYS = ['id', 'topic', 'subject', 'eventType', 'eventTime', 'data', 'dataVersion', 'metadataVersion'];
const DATA_KEYS = ['api', 'eTag', 'url', 'contentLength', 'sequencer', 'destinationUrl'];
const KINDS: Readonly<Record<string, StorageEvent['kind']>> = {
  'microsoft.storage.blobcreated': 'created',
  'microsoft.storage.blobdeleted': 'deleted',
  'microsoft.storage.blobrenamed': 'renamed',
};

/** Reads a message body (already JSON, or its text). Never throws for what the body says. */
export async function deserializeStorageEvents(body: unknown): Promise<DeserializedEvents> {
  const found: DeserializedEvents = { events: [], problems: [] };
  let items: unknown;
  try {
    items = typeof body === 'string' ? (JSON.parse(body) as unknown) : body;
  } catch {
    return { events: [], problems: ['the body is not JSON'] };
  }
  const list: unknown[] = Array.isArray(items) ? items : [items];
  if (list.length === 0) return { events: [], problems: ['the array is empty'] };
  if (list.length > MAX_EVENTS) return { events: [], problems: [`${list.length} events in one message; at most ${MAX_EVENTS} are read`] };
  const { EventGridDeserializer: Deserializer } = await import('@azure/eventgrid');
  const deserializer = new Deserializer();
  for (const [index, item] of list.entries()) {
    try {
      found.events.push(toStorageEvent(await openEnvelope(deserializer, item)));
    } catch (error) {
      found.problems.push(`event ${index + 1}: ${error instanceof Error ? error.message.slice(0, 300) : 'cannot be read'}`);
    }
  }
  return found;
}

async function openEnvelope(deserializer: EventGridDeserializer, item: unknown): Promise<Envelope> {
  if (!isObject(item)) throw new TypeError('it is not an object');
  const cloud = pick(item, CLOUD_KEYS);
  if (cloud['specversion'] !== undefined) {
    const [event] = await deserializer.deserializeCloudEvents({ ...cloud, data: dataOf(cloud) });
    if (!event) throw new TypeError('it is not a CloudEvent');
    const { source, id, type, subject, time } = event;
    return { source, id, type, subject, time, data: dataOf(cloud) };
  }
  const grid = pick(item, GRID_KEYS);
  if (grid['eventType'] === undefined)
    throw new TypeError('it is neither a CloudEvent 1.0 (specversion) nor in the Event Grid schema (eventType)');
  const [event] = await deserializer.deserializeEventGridEvents({ ...grid, data: dataOf(grid) });
  if (!event) throw new TypeError('it is not in the Event Grid schema');
  const { topic, id, eventType, subject, eventTime } = event;
  return { source: topic ?? '', id, type: eventType, subject, time: eventTime, data: dataOf(grid) };
}

function toStorageEvent({ source, id, type, subject, time, data }: Envelope): StorageEvent {
  const kind = Object.hasOwn(KINDS, type.toLowerCase()) ? KINDS[type.toLowerCase()] : undefined;
  if (!kind) throw new TypeError(`its type "${type.slice(0, 100)}" is not one of a blob that was created, deleted or renamed`);
  const place = placeOf({ url: text(data, kind === 'renamed' ? 'destinationUrl' : 'url'), subject, source });
  const parsed = StorageEvent.safeParse({
    source,
    id,
    kind,
    api: text(data, 'api') ?? '',
    ...place,
    eTag: eTagOf(data, kind),
    sequencer: text(data, 'sequencer') ?? '',
    bytes: bytesOf(data, kind),
    time: instantOf(time),
  });
  if (parsed.success) return parsed.data;
  throw new TypeError(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

function placeOf(event: Parameters<typeof blobPlace>[0]): ReturnType<typeof blobPlace> {
  try {
    return blobPlace(event);
  } catch (error) {
    if (error instanceof PlaceError) throw new TypeError(error.message, { cause: error });
    throw error;
  }
}

/** Without quotes, which vary between event and header. Deletions and renames carry none; a creation without one cannot be told from the next. */
function eTagOf(data: Fields, kind: StorageEvent['kind']): string {
  const eTag = (text(data, 'eTag') ?? '').replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
  if (kind === 'created' && eTag === '') throw new TypeError('data.eTag is missing');
  return eTag;
}

function bytesOf(data: Fields, kind: StorageEvent['kind']): number {
  const length = data['contentLength'];
  const bytes = typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : length;
  if (bytes === undefined && kind !== 'created') return 0;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new TypeError('data.contentLength is not a number of bytes');
  return bytes;
}

function instantOf(time: unknown): string {
  if (!(time instanceof Date) || Number.isNaN(time.getTime())) throw new TypeError('its time is not an instant');
  return time.toISOString();
}

function dataOf(envelope: Fields): Fields {
  const data = envelope['data'];
  if (!isObject(data)) throw new TypeError('its data is not an object');
  return pick(data, DATA_KEYS);
}

/** The wanted members under their own names: an exact key wins, else the first one that differs in case only. */
function pick(from: Fields, names: readonly string[]): Fields {
  const keys = Object.keys(from);
  const picked: Record<string, unknown> = {};
  for (const name of names) {
    const key = Object.hasOwn(from, name) ? name : keys.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (key !== undefined && from[key] !== null && from[key] !== undefined) picked[name] = from[key];
  }
  return picked;
}

function text(from: Fields, name: string): string | undefined {
  const value = from[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new TypeError(`data.${name} is not text`);
  return value;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
