// Durable HTTP's polling: what to ask next after a 202 with a Location, and when.
// Source: the extension's CallHttpAsync; the recording call-http-202-polling.
import type { DurableHttpRequest } from './actions.ts';

/** The next request and the wait before it (Retry-After, else 30 s); undefined = `result` is the answer. */
export function pollAfter(
  result: string | null,
  request: DurableHttpRequest,
): { delayMs: number; request: DurableHttpRequest } | undefined {
  const answer = JSON.parse(result ?? 'null') as { statusCode?: number; headers?: Record<string, string> } | null;
  if (answer?.statusCode !== 202) return undefined;
  const header = (name: string): string | undefined =>
    Object.entries(answer.headers ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
  const location = header('location');
  if (location === undefined) return undefined;
  const seconds = Number(header('retry-after'));
  const { headers, tokenSource } = request;
  // The first request's function key does not open the status endpoint, so it is not sent there.
  const kept = Object.fromEntries(Object.entries(headers ?? {}).filter(([key]) => key.toLowerCase() !== 'x-functions-key'));
  return {
    delayMs: header('retry-after') !== undefined && Number.isFinite(seconds) ? seconds * 1000 : 30_000,
    request: { method: 'GET', uri: location, headers: kept, ...(tokenSource ? { tokenSource } : {}), asynchronousPatternEnabled: true },
  };
}
