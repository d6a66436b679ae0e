// Reading a request body with a limit, and JSON out of it: every body is hostile until it has been measured.
// Used by all stand-ins, so that none of them buffers without end.

/** The body is larger than the stand-in allows. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
  constructor(readonly limit: number) {
    super(`The body is larger than ${limit} bytes.`);
  }
}

/** The body is not the JSON that was announced. */
export class BodyNotJsonError extends Error {
  override readonly name = 'BodyNotJsonError';
}

/** The whole body, or `BodyTooLargeError` as soon as it passes `limit` bytes. */
export async function readBytes(request: Request | Response, limit: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > limit) throw new BodyTooLargeError(limit);
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > limit) {
      await reader.cancel();
      throw new BodyTooLargeError(limit);
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks, size);
}

/** The body as UTF-8 text. */
export async function readText(request: Request | Response, limit: number): Promise<string> {
  return Buffer.from(await readBytes(request, limit)).toString('utf8');
}

/** The body as JSON (unknown until checked); keys named `__proto__` are dropped. Default limit 1 MiB. */
export async function readJson(request: Request | Response, limit = 1_048_576): Promise<unknown> {
  const text = await readText(request, limit);
  try {
    return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value)) as unknown;
  } catch (error) {
    throw new BodyNotJsonError('The body is not JSON.', { cause: error });
  }
}

/** Whether the value is a plain JSON object (not null, not an array). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON answer. */
export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } });
}
