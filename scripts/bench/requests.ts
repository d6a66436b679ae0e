// Counts the HTTP requests that leave this process, by what Node itself says of each: SDKs and fetch alike, repeated tries included.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

export interface Sent {
  method: string;
  /** `host:port`. */
  host: string;
  path: string;
}

export interface Counting {
  /** What was sent since the counting began or was read last. */
  take(): Sent[];
  stop(): void;
}

/** Counts from now on. The channels are Node's: `http.client.request.start` and `undici:request:create`. */
export function countRequests(): Counting {
  let sent: Sent[] = [];
  const byHttp = (message: unknown): void => {
    const { request } = message as { request: { method: string; path: string; getHeader(name: string): unknown } };
    sent.push({ method: request.method, path: request.path, host: String(request.getHeader('host')) });
  };
  const byFetch = (message: unknown): void => {
    const { request } = message as { request: { method: string; path: string; origin: string | URL } };
    sent.push({ method: request.method, path: request.path, host: new URL(request.origin).host });
  };
  subscribe('http.client.request.start', byHttp);
  subscribe('undici:request:create', byFetch);
  return {
    take() {
      const taken = sent;
      sent = [];
      return taken;
    },
    stop() {
      unsubscribe('http.client.request.start', byHttp);
      unsubscribe('undici:request:create', byFetch);
    },
  };
}

/** Which storage transaction a request to a queue or to tables is, in words for the bill. */
export function transactionOf({ method, path }: Pick<Sent, 'method' | 'path'>): string {
  const [place = '', query = ''] = path.split('?');
  if (/\/messages$/.test(place)) return method === 'GET' ? 'queue receive' : method === 'POST' ? 'queue send' : `queue ${method}`;
  if (/\/messages\//.test(place)) return method === 'DELETE' ? 'queue delete' : `queue ${method}`;
  if (place.endsWith('/$batch')) return 'table batch';
  const table = /\/([A-Za-z][A-Za-z0-9]*)(\(|$)/.exec(place)?.[1] ?? 'unknown';
  if (method === 'GET')
    return /PartitionKey=/.test(place) ? `${table} get` : `${table} query${/NextPartitionKey/.test(query) ? ', next page' : ''}`;
  return `${table} ${{ POST: 'insert', PUT: 'put', PATCH: 'merge', DELETE: 'delete' }[method] ?? method}`;
}

/** How often each kind occurred, most frequent first. */
export function tally(kinds: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}
