// What may differ between a recording and a run: ONE closed list of fields. Everything else must be equal.
// - ignored: times of events, durations, prose
// - times that follow from the orchestrator's clock are compared to the millisecond (the recorded host has seven digits, this one three)
// - random ids are renamed in order of appearance, so that equal ids stay equal and different ones different
// - stack frames are cut out of the texts that carry them
// - the order of the headers of an HTTP answer
import type { Recording } from './recordings.ts';

/** Fields that are not compared at all. */
export const ignoredFields = new Set([
  'Timestamp',
  'workerMs',
  'note',
  'StackTrace',
  'stackTrace',
  'RemoteStackTrace',
  'requestTime',
  'startTime',
  'duration',
]);
/** Times compared to the millisecond. */
export const clockFields = new Set(['FireAt', 'Timestamp@message', 'Predecessor']);
/** Texts in which random ids are renamed. */
export const idFields = new Set(['ExecutionId', 'InstanceId', 'Name', 'Result', 'id', 'parentExecution', 'Input']);
/** Texts that carry stack frames. */
export const stackFields = new Set(['Details', 'message', 'error', 'exceptionMessageRaw', 'Message']);

const guid = /\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32})\b/g;
/** A frame of JavaScript or .NET, in plain text or inside (nested) JSON strings. */
const frame = /(?:\\*\n|\\+r|\\+n|\n|\r)* {3,4}at (?:(?!\\*"|\\+n|\n|\r).)*/g;
/** What .NET serialises of a caught exception's place. */
const netStack = /((?:\\*")StackTrace(?:\\*"):(?:\\*"))(?:(?!\\*",\\*"|\\*"}).)*/g;

/** A recording (or a run in its shape) as text that is equal for equal behaviour. */
export function normalise(recording: Recording): string {
  const names = new Map<string, string>();
  const rename = (text: string): string =>
    text.replace(guid, (id) => {
      const known = names.get(id) ?? `${id.length === 32 ? 'plain' : 'dashed'}-id-${names.size + 1}`;
      names.set(id, known);
      return known;
    });

  const field = (name: string, value: unknown, owner: Record<string, unknown>): unknown => {
    if (ignoredFields.has(name)) return '<ignored>';
    if (typeof value === 'string') {
      if (clockFields.has(name)) return toMilliseconds(value);
      // The message to an entity is JSON inside a string; its fields obey the same list.
      if (name === 'Input' && owner['EventType'] === 14 && value.startsWith('{'))
        return walkMessage(JSON.parse(value) as Record<string, unknown>);
      // Node sorts the headers of a response, the recorded host lists them as they came.
      if (name === 'Result' && value.startsWith('{"statusCode"')) return walk(JSON.parse(value));
      let text = value;
      if (idFields.has(name)) text = rename(text);
      if (stackFields.has(name)) text = text.replace(frame, '').replace(netStack, '$1');
      return text;
    }
    return walk(value);
  };

  const walkMessage = (message: Record<string, unknown>): unknown =>
    Object.fromEntries(
      Object.entries(message).map(([name, value]) => [
        name,
        name === 'Timestamp' && typeof value === 'string' ? toMilliseconds(value) : field(name, value, message),
      ]),
    );

  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const owner = value as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(owner)
        .sort()
        .map((name) => [name, field(name, owner[name], owner)]),
    );
  };
  return JSON.stringify(walk(recording), null, 1);
}

/** Cuts a time to milliseconds; anything else stays as it is. */
function toMilliseconds(text: string): string {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z?)$/.exec(text);
  return match ? `${match[1]}.${(match[2] ?? '').padEnd(3, '0').slice(0, 3)}` : text;
}
