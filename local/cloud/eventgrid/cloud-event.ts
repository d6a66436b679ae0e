// Whether a JSON value is a CloudEvent 1.0, as strictly as the specification says it.
// Sources: CloudEvents 1.0.2 §3 (attributes, types, naming) and its JSON format §2 (null = unset, data_base64).
import { isRecord } from '../kit/body.ts';

/** A CloudEvent in its JSON form; extension attributes stand beside the known ones. */
export interface CloudEvent extends Readonly<Record<string, unknown>> {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | null;
}

/** What is wrong with the value, naming the attribute, or undefined when it is a CloudEvent. */
export function cloudEventProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return 'The event is not a JSON object.';
  for (const [name, attribute] of Object.entries(value)) {
    const problem = ATTRIBUTES.get(name)?.(attribute) ?? (ATTRIBUTES.has(name) ? undefined : extensionProblem(name, attribute));
    if (problem) return `The attribute '${name.slice(0, 64)}' ${problem}.`;
  }
  const missing = REQUIRED.filter((name) => !Object.hasOwn(value, name));
  if (missing.length > 0) return `Required attributes are missing: ${missing.join(', ')}.`;
  const both = isSet(value, 'data') && isSet(value, 'data_base64');
  return both ? "'data' and 'data_base64' exclude each other." : undefined;
}

type Check = (value: unknown) => string | undefined;

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;

/** RFC 3986 reference; the characters that may stand in one, and percent signs only before two hexadecimal digits. */
const URI_REFERENCE = /^(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9a-f]{2})+$/i;
const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:/i;
/** RFC 2046 media type with parameters. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+:-]+|"[^"]*"))*$/;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const EXTENSION_NAME = /^[a-z0-9]+$/;

const text: Check = (value) => {
  if (typeof value !== 'string') return 'must be a string';
  if (value === '') return 'must not be empty';
  // Control characters, lone surrogates and Unicode's non-characters are not part of the type String.
  return /[\p{Cc}\p{Cs}\u{FDD0}-\u{FDEF}]|[\uFFFE\uFFFF]/u.test(value) ? 'holds a character that is not allowed' : undefined;
};
const shaped =
  (pattern: RegExp, what: string): Check =>
  (value) =>
    text(value) ?? (pattern.test(value as string) ? undefined : `must be ${what}`);
const optional =
  (check: Check): Check =>
  (value) =>
    value === null ? undefined : check(value);

const ATTRIBUTES: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['specversion', (value) => (value === '1.0' ? undefined : "must be '1.0'")],
  ['id', text],
  ['source', shaped(URI_REFERENCE, 'a URI reference')],
  ['type', text],
  ['subject', optional(text)],
  ['time', optional((value) => shaped(RFC3339, 'an RFC 3339 timestamp')(value) ?? instantProblem(value as string))],
  ['datacontenttype', optional(shaped(MEDIA_TYPE, 'a media type'))],
  [
    'dataschema',
    optional((value) => shaped(URI_REFERENCE, 'a URI')(value) ?? (ABSOLUTE_URI.test(value as string) ? undefined : 'must be absolute')),
  ],
  ['data', () => undefined],
  ['data_base64', optional((value) => (typeof value === 'string' && BASE64.test(value) ? undefined : 'must be base64 text'))],
]);

/** The pattern does not know how many days a month has. */
function instantProblem(time: string): string | undefined {
  const [date = ''] = time.split('T');
  const parsed = Date.parse(time);
  const day = Date.parse(`${date}T00:00:00Z`);
  const exists = !Number.isNaN(parsed) && !Number.isNaN(day) && new Date(day).toISOString().startsWith(date);
  return exists ? undefined : 'must be an instant that exists';
}

function extensionProblem(name: string, value: unknown): string | undefined {
  if (!EXTENSION_NAME.test(name)) return 'is not a name of an attribute: names consist of a to z and 0 to 9';
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    const fits = Number.isInteger(value) && value >= -2_147_483_648 && value <= 2_147_483_647;
    return fits ? undefined : 'must be a whole number of 32 bits';
  }
  if (typeof value === 'string') return value === '' ? undefined : text(value);
  return 'must be a string, a boolean or a whole number';
}

function isSet(value: Record<string, unknown>, name: string): boolean {
  return Object.hasOwn(value, name) && value[name] !== null;
}
