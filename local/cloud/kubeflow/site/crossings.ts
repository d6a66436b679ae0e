// What crosses the border of a site (a place whose data must not leave): every body, in or out, with the way it took.
// `GET /_admin/crossings` lists them, `POST /_admin/crossings/search` looks for rows of data in them, `DELETE` forgets them.
import { gunzipSync } from 'node:zlib';
import { BodyNotJsonError, isRecord, json, readJson } from '../../kit/body.ts';
import { rowsIn } from './leaks.ts';

/** One body that crossed. `url` has no query: signatures live there. */
export interface Crossing {
  readonly direction: 'in' | 'out';
  /** `kubeflow api`, `kubernetes api`, `proxy`. */
  readonly via: string;
  readonly method: string;
  readonly url: string;
  readonly bytes: number;
  /** The body as text, unpacked where it was packed; bytes that are no text are Latin-1, so that rows within them are still found. */
  readonly text: string;
}

export interface CrossingLog {
  add(crossing: Omit<Crossing, 'bytes' | 'text' | 'url'> & { url: string; body: Uint8Array }): void;
  list(): readonly Crossing[];
  clear(): void;
  /** The answer of an admin route; undefined where the path is none. */
  administer(request: Request): Promise<Response | undefined>;
}

const ROUTE = '/_admin/crossings';
/** A test that moves more than this through a border is told so, never shown a part. */
const MAX_BYTES = 256 * 1_048_576;

export function createCrossingLog(): CrossingLog {
  const crossings: Crossing[] = [];
  let total = 0;
  const log: CrossingLog = {
    add({ body, url, ...rest }) {
      if (body.byteLength === 0) return;
      total += body.byteLength;
      if (total > MAX_BYTES)
        throw new Error(`More than ${MAX_BYTES} bytes crossed the border of the site; clear the log between parts of the test.`);
      crossings.push({ ...rest, url: url.split('?')[0] ?? '', bytes: body.byteLength, text: readable(body) });
    },
    list: () => crossings,
    clear() {
      crossings.length = 0;
      total = 0;
    },
    async administer(request) {
      const { pathname } = new URL(request.url);
      if (pathname === ROUTE && request.method === 'GET') return json({ crossings });
      if (pathname === ROUTE && request.method === 'DELETE') {
        log.clear();
        return new Response(null, { status: 204 });
      }
      if (pathname !== `${ROUTE}/search` || request.method !== 'POST') return undefined;
      if (!(request.headers.get('content-type') ?? '').startsWith('application/json'))
        return json({ error: 'Send application/json.' }, 415);
      try {
        const body = await readJson(request, 16 * 1_048_576);
        const rows = isRecord(body) ? body['rows'] : undefined;
        if (!Array.isArray(rows) || !rows.every((row) => typeof row === 'string'))
          return json({ error: 'Expected { rows: [text, …] }.' }, 400);
        return json({ leaks: rowsIn(crossings, rows) });
      } catch (error) {
        if (error instanceof BodyNotJsonError || error instanceof TypeError) return json({ error: error.message }, 400);
        throw error;
      }
    },
  };
  return log;
}

function readable(body: Uint8Array): string {
  let bytes: Uint8Array = body;
  if (body[0] === 0x1f && body[1] === 0x8b) {
    try {
      bytes = gunzipSync(body, { maxOutputLength: MAX_BYTES });
    } catch {
      // Not packed after all, or cut off: looked at as it is.
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}
