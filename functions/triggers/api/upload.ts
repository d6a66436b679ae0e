// The body of a request as a file that is handed over as it comes: counted, never kept.
import type { HttpRequest } from '@azure/functions';
import { UserError } from '../../../shared/errors/errors.ts';

/** null when the request has no body. UserError 413 `body-too-large` as soon as it is known to be larger than `maxBytes`. */
export function uploadOf(request: Pick<HttpRequest, 'headers' | 'body'>, maxBytes: number): AsyncIterable<Uint8Array> | null {
  const announced = request.headers.get('content-length');
  if (request.body === null || announced === '0') return null;
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return counted(request.body, maxBytes);
}

async function* counted(body: AsyncIterable<unknown>, maxBytes: number): AsyncIterable<Uint8Array> {
  let total = 0;
  for await (const part of body) {
    const chunk = part as Uint8Array;
    total += chunk.byteLength;
    if (total > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

function tooLarge(maxBytes: number): UserError {
  const mend = 'put the file into the lake outside the landing folders and name its path instead';
  return new UserError(413, 'body-too-large', `The file is larger than the ${maxBytes} bytes that are taken here; ${mend}`);
}
