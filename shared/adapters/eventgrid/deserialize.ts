// Incoming events, CloudEvents 1.0 or Event Grid schema, one or an array → what the ledger keeps, by @azure/eventgrid at run time
// (facts/azure.md §3). Every body is hostile: keys are matched by a closed list whatever their case, nothing else is copied, and what
// does not fit is a problem in words. Types that nothing is made of are told apart from what cannot be read.
import type { EventGridDeserializer } from '@azure/eventgrid';
import { type CausalChain, type LedgerEvent, StorageEvent } from '../../contracts/events.ts';
import { parseChain } from '../../decisions/causal-chain.ts';
import { blobPlace, PlaceError } from './blob-place.ts';
import { dataOf, type Envelope, type Fields, instantOf, isObject, pick, problemsOf, text } from './envelope.ts';
import { toSignal } from './signals.ts';

/** An event of a type that nothing is made of. */
export interface OtherEvent {
  source: string;
  id: string;
  type: string;
  subject: string;
}

/** What could be understood (`chains` by the index of the event), and what could not: `event 2: …`. All may be non-empty. */
export interface DeserializedEvents {
  events: LedgerEvent[];
  chains: CausalChain[];
  others: OtherEvent[];
  problems: string[];
}

/** Event Grid batches hold at most 5000 events (facts/azure.md §3.1). */
const MAX_EVENTS = 5_000;
const CLOUD_KEYS = ['specversion', 'id', 'source', 'type', 'time', 'subject', 'data', 'datacontenttype', 'dataschema', 'sluicechain'];
const GRID_KEYS = ['id', 'topic', 'subject', 'eventType', 'eventTime', 'data', 'dataVersion', 'metadataVersion'];
const DATA_KEYS = ['api', 'eTag', 'url', 'contentLength', 'sequencer', 'destinationUrl'];
const KINDS: Readonly<Record<string, StorageEvent['kind']>> = {
  'microsoft.storage.blobcreated': 'created',
  'microsoft.storage.blobdeleted': 'deleted',
  'microsoft.storage.blobrenamed': 'renamed',
  'microsoft.storage.directorydeleted': 'deleted',
  'microsoft.storage.directoryrenamed': 'renamed',
};
/** What `data.api` says of folders, where an event leaves it out. */
const FOLDER_API: Readonly<Record<string, string>> = {
  'microsoft.storage.directorydeleted': 'DeleteDirectory',
  'microsoft.storage.directoryrenamed': 'RenameDirectory',
};

/** Loaded with the first message, not at start, and once: asking the module loader for each message costs more than reading it. */
let loading: Promise<EventGridDeserializer> | undefined;

function deserializing(): Promise<EventGridDeserializer> {
  loading ??= import('@azure/eventgrid').then(
    ({ EventGridDeserializer: Deserializer }) => new Deserializer(),
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** Reads a message body (already JSON, or its text). Never throws for what the body says. */
export async function deserializeEvents(body: unknown): Promise<DeserializedEvents> {
  const found: DeserializedEvents = { events: [], chains: [], others: [], problems: [] };
  const nothing = (problem: string): DeserializedEvents => ({ ...found, problems: [problem] });
  let items: unknown;
  try {
    items = typeof body === 'string' ? (JSON.parse(body) as unknown) : body;
  } catch {
    return nothing('the body is not JSON');
  }
  const list: unknown[] = Array.isArray(items) ? items : [items];
  if (list.length === 0) return nothing('the array is empty');
  if (list.length > MAX_EVENTS) return nothing(`${list.length} events in one message; at most ${MAX_EVENTS} are read`);
  const deserializer = await deserializing();
  for (const [index, item] of list.entries()) {
    try {
      const envelope = await openEnvelope(deserializer, item);
      const event = toEvent(envelope);
      if (event === null) found.others.push(otherOf(envelope));
      else {
        found.events.push(event);
        found.chains.push(parseChain(envelope.chain));
      }
    } catch (error) {
      found.problems.push(`event ${index + 1}: ${error instanceof Error ? error.message.slice(0, 300) : 'cannot be read'}`);
    }
  }
  return found;
}

/** null for a type that nothing is made of. */
function toEvent(envelope: Envelope): LedgerEvent | null {
  const type = envelope.type.toLowerCase();
  return Object.hasOwn(KINDS, type) ? toStorageEvent(envelope, type, KINDS[type] ?? 'created') : toSignal(envelope, type);
}

function otherOf({ source, id, type, subject }: Envelope): OtherEvent {
  if (id === '' || type === '') throw new TypeError('it has no id or no type');
  return { source: source.slice(0, 1024), id: id.slice(0, 512), type: type.slice(0, 200), subject: (subject ?? '').slice(0, 1024) };
}

async function openEnvelope(deserializer: EventGridDeserializer, item: unknown): Promise<Envelope> {
  if (!isObject(item)) throw new TypeError('it is not an object');
  const cloud = pick(item, CLOUD_KEYS);
  if (cloud['specversion'] !== undefined) {
    const [event] = await deserializer.deserializeCloudEvents({ ...cloud, data: {} });
    if (!event) throw new TypeError('it is not a CloudEvent');
    const { source, id, type, subject, time } = event;
    return { source, id, type, subject, time, data: cloud['data'], chain: cloud['sluicechain'] };
  }
  const grid = pick(item, GRID_KEYS);
  if (grid['eventType'] === undefined)
    throw new TypeError('it is neither a CloudEvent 1.0 (specversion) nor in the Event Grid schema (eventType)');
  const [event] = await deserializer.deserializeEventGridEvents({ ...grid, data: {} });
  if (!event) throw new TypeError('it is not in the Event Grid schema');
  const { topic, id, eventType, subject, eventTime } = event;
  return { source: topic ?? '', id, type: eventType, subject, time: eventTime, data: grid['data'], chain: undefined };
}

function toStorageEvent({ source, id, subject, time, data: all }: Envelope, type: string, kind: StorageEvent['kind']): StorageEvent {
  const data = pick(dataOf(all), DATA_KEYS);
  const folder = Object.hasOwn(FOLDER_API, type) ? FOLDER_API[type] : undefined;
  const place = placeOf({ url: text(data, kind === 'renamed' ? 'destinationUrl' : 'url'), subject, source });
  const parsed = StorageEvent.safeParse({
    source,
    id,
    kind,
    api: folder ?? text(data, 'api') ?? '',
    ...place,
    eTag: eTagOf(data, kind),
    sequencer: text(data, 'sequencer') ?? '',
    bytes: bytesOf(data, kind),
    time: instantOf(time),
  });
  if (parsed.success) return parsed.data;
  throw new TypeError(problemsOf(parsed.error));
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
