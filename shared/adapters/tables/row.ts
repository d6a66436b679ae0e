// Records as rows: the record is one JSON text, cut into properties that fit (64 KiB each, stored as UTF-16).
// Some fields stand beside it a second time where a query compares them.
import type { z } from 'zod';
import { RejectedError } from '../../errors/errors.ts';
import type { Row } from './table.ts';

const PART_CHARS = 32_000;
/** A row holds 1 MiB, two bytes for each character; this leaves room for keys and compared fields. */
const MAX_CHARS = 480_000;

/** The properties `json0`, `json1`, … of a record; `name` where a row holds another one. Larger than a row: RejectedError `record-too-large`. */
export function pack(value: unknown, what: string, name = 'json'): Record<string, string> {
  // ASCII only: Azurite 3.35 decodes each network chunk of a body by itself and spoils characters that lie across two.
  const text = JSON.stringify(value).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (text.length > MAX_CHARS) {
    throw new RejectedError('record-too-large', `${what} has ${text.length} characters as JSON; a record may have ${MAX_CHARS}`);
  }
  const parts: Record<string, string> = {};
  for (let part = 0; part * PART_CHARS < text.length; part += 1) {
    parts[`${name}${part}`] = text.slice(part * PART_CHARS, (part + 1) * PART_CHARS);
  }
  return parts;
}

/** The record of a row. A row that is not what the schema says: RejectedError `record-unreadable`. */
export function unpack<Schema extends z.ZodType>(row: Row, schema: Schema, name = 'json'): z.output<Schema> {
  let text = '';
  for (let part = 0; typeof row[`${name}${part}`] === 'string'; part += 1) text += row[`${name}${part}`] as string;
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new RejectedError('record-unreadable', `The record ${row.partitionKey}/${row.rowKey} is not readable: ${problem}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
