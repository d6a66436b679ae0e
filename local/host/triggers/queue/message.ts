// A queue message as the trigger sees it: text, and metadata in the shape recorded in `queue.json`.
import type { DequeuedMessageItem } from '@azure/storage-queue';
import type { QueueSettings } from '../../config/host-json.ts';
import type { RpcTypedData } from '../../core/rpc.ts';

/** Names that the host sets itself; a message cannot replace them by a property of its body. */
const OWN_NAMES = new Set([
  'queuetrigger',
  'dequeuecount',
  'expirationtime',
  'id',
  'insertiontime',
  'nextvisibletime',
  'popreceipt',
  '__proto__',
]);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Text of a message, or `undefined` when it is not in the queue's encoding (such a message goes to the poison queue). */
export function decodeMessage(raw: string, encoding: QueueSettings['messageEncoding']): string | undefined {
  if (encoding === 'none') return raw;
  const compact = raw.trim();
  return BASE64.test(compact) ? Buffer.from(compact, 'base64').toString('utf8') : undefined;
}

/** Message text for the wire. */
export function encodeMessage(body: string | Uint8Array, encoding: QueueSettings['messageEncoding']): string {
  if (encoding === 'base64') return Buffer.from(body).toString('base64');
  return typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
}

/** Trigger metadata; of a JSON object's simple properties each becomes an entry of its own. */
export function queueMetadata(text: string, message: DequeuedMessageItem): Record<string, RpcTypedData> {
  return {
    QueueTrigger: { string: text },
    DequeueCount: { json: JSON.stringify(message.dequeueCount) },
    ExpirationTime: { json: JSON.stringify(timeText(message.expiresOn)) },
    Id: { string: message.messageId },
    InsertionTime: { json: JSON.stringify(timeText(message.insertedOn)) },
    NextVisibleTime: { json: JSON.stringify(timeText(message.nextVisibleOn)) },
    PopReceipt: { string: message.popReceipt },
    ...bodyProperties(text),
  };
}

/** `2026-11-22T14:34:54+00:00`: whole seconds with an offset, as .NET writes them. */
function timeText(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, '+00:00');
}

function bodyProperties(text: string): Record<string, RpcTypedData> {
  if (!text.trimStart().startsWith('{')) return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof body !== 'object' || body === null) return {};
  const simple = Object.entries(body).filter(
    ([name, value]) => !OWN_NAMES.has(name.toLowerCase()) && (typeof value !== 'object' || value === null),
  );
  return Object.fromEntries(simple.map(([name, value]) => [name, { string: netText(value) }]));
}

/** Text of a JSON value as .NET prints it. */
function netText(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
