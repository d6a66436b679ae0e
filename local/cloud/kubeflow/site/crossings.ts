// What crosses the border of a site (a place whose data must not leave): every body, in or out, with the way it took.
// `GET /_admin/crossings` lists them, `…/summary` counts them by kind, `POST …/search` looks for rows of data in them, `DELETE` forgets them.
import { BodyNotJsonError, isRecord, json, readJson } from '../../kit/body.ts';
import { rowsIn } from './leaks.ts';
import { textsOf } from './unpack.ts';

/** One body that crossed. `url` has no query: signatures live there. */
export interface Crossing {
  readonly direction: 'in' | 'out';
  /** `kubeflow api`, `kubernetes api`, `proxy`. */
  readonly via: string;
  readonly method: string;
  readonly url: string;
  readonly bytes: number;
  /** The body as text, with what is packed or written otherwise in it. */
  readonly text: string;
  /** Query and headers, for the search; they carry signatures and tokens, so they are not shown. */
  readonly hidden?: string;
}

/** What passed of one kind: one way, one method, one last part of the address. */
export interface CrossingKind {
  readonly direction: 'in' | 'out';
  readonly via: string;
  readonly what: string;
  bodies: number;
  bytes: number;
}

export interface CrossingLog {
  add(crossing: Omit<Crossing, 'bytes' | 'text' | 'hidden'> & { body: Uint8Array; headers?: Readonly<Record<string, string>> }): void;
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
    add({ body, url, headers = {}, ...rest }) {
      const [address = '', query = ''] = url.split('?', 2);
      const hidden = [query, ...Object.entries(headers).map(([name, value]) => `${name}\n${value}`)].join('\n');
      total += body.byteLength + hidden.length;
      if (total > MAX_BYTES)
        throw new Error(`More than ${MAX_BYTES} bytes crossed the border of the site; clear the log between parts of the test.`);
      const text = body.byteLength === 0 ? '' : textsOf(body).join('\n');
      crossings.push({
        ...rest,
        url: address,
        bytes: body.byteLength,
        text,
        hidden: textsOf(Buffer.from(`${address}\n${hidden}`)).join('\n'),
      });
    },
    list: () => crossings,
    clear() {
      crossings.length = 0;
      total = 0;
    },
    async administer(request) {
      const { pathname } = new URL(request.url);
      if (pathname === ROUTE && request.method === 'GET') {
        return json({ crossings: crossings.filter(({ bytes }) => bytes > 0).map(({ hidden: _hidden, ...shown }) => shown) });
      }
      if (pathname === `${ROUTE}/summary` && request.method === 'GET') return json({ kinds: kindsOf(crossings) });
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

/** Ids and digests in an address do not make another kind. */
function kindsOf(crossings: readonly Crossing[]): CrossingKind[] {
  const kinds = new Map<string, CrossingKind>();
  for (const { direction, via, method, url, bytes } of crossings) {
    if (bytes === 0) continue;
    const last = url.slice(url.lastIndexOf('/') + 1);
    const what = `${method} ${/^[A-Za-z][A-Za-z0-9._-]{0,39}$/.test(last) && !/[0-9a-f]{8}/.test(last) ? last : '…'}`;
    const key = [direction, via, what].join('\n');
    const kind = kinds.get(key) ?? { direction, via, what, bodies: 0, bytes: 0 };
    kind.bodies += 1;
    kind.bytes += bytes;
    kinds.set(key, kind);
  }
  return [...kinds.values()].sort((a, b) => b.bytes - a.bytes);
}
