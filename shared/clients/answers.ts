// Reading answers of HTTP services within limits, and saying who asked and when to try again. For messages only: nothing is decided by it.

/** The body as text; `tooLarge` is thrown as soon as it passes `limit` bytes. A broken stream rejects as the stream does. */
export async function readLimited(response: Response, limit: number, tooLarge: () => Error): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The last `maxBytes` of a body; a character that was cut in the middle is dropped at the front. */
export async function readTail(response: Response, maxBytes: number): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of chunksOf(response)) {
    kept = Buffer.concat([kept, chunk]);
    if (kept.byteLength > maxBytes) kept = kept.subarray(kept.byteLength - maxBytes);
  }
  let start = 0;
  while (start < kept.byteLength && start < 3 && ((kept[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return kept.subarray(start).toString('utf8');
}

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>;
}

/** Seconds that a `Retry-After` header asks for (number or date); null without one. */
export function retryAfterSeconds(headers: Headers, now: number): number | null {
  const value = headers.get('retry-after');
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - now) / 1000);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

export function retryWords(headers: Headers, now: number): string {
  const seconds = retryAfterSeconds(headers, now);
  return seconds === null ? 'it did not say when to try again' : `try again in ${seconds} s`;
}

/** Who a bearer token says it is. */
export function identityOf(token: string | null): string {
  if (token === null) return 'no token';
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { sub?: unknown };
    if (typeof claims.sub === 'string' && claims.sub) return `"${claims.sub.slice(0, 200)}"`;
  } catch {
    // Not a JWT: nothing can be said about it.
  }
  return 'of an opaque token';
}

/** Why a call got no answer. */
export function whyUnreachable(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return `no answer within ${timeoutMs / 1000} s`;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
