// Reads the JSON body of a request, up to 1 MiB, and refuses everything else.
import type { HttpRequest } from '@azure/functions';
import { UserError } from '../../../shared/errors/errors.ts';

export const MAX_BODY_BYTES = 1024 * 1024;

/** The parsed body. UserError 400, 413 or 415 when it is not JSON in UTF-8 of at most 1 MiB. */
export async function readJsonBody(request: Pick<HttpRequest, 'headers' | 'body'>): Promise<unknown> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json') {
    throw new UserError(415, 'body-not-json', 'Send the body as JSON, with the header content-type: application/json');
  }
  // The announced length saves reading what is too long; the count below holds whatever was announced.
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const text = decoded(await bytesOf(request));
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(400, 'body-not-json', text === '' ? 'The body is empty; JSON is expected' : 'The body is not valid JSON');
  }
}

async function bytesOf(request: Pick<HttpRequest, 'body'>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of request.body ?? []) {
    const bytes = chunk as Uint8Array;
    total += bytes.byteLength;
    if (total > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(400, 'body-not-json', 'The body is not UTF-8');
  }
}

function tooLarge(): UserError {
  return new UserError(413, 'body-too-large', `The body is larger than ${MAX_BODY_BYTES} bytes`);
}
