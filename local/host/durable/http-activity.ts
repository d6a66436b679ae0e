// `BuiltIn::HttpActivity`: the one HTTP request behind `callHttp`. Polling is the orchestrator's part (action-replay.ts).
import type { DurableHttpRequest } from './actions.ts';

/** The extension's default request timeout. */
const timeoutMs = 100_000;

/** Makes the request; the answer as the JSON that history stores. @throws when no answer comes. */
export async function callHttp(input: string | undefined): Promise<string> {
  const request = JSON.parse(input ?? '{}') as DurableHttpRequest;
  if (request.tokenSource) {
    throw new Error(
      `callHttp to ${request.uri} asks for a managed-identity token, which exists only in Azure. Let an activity make the call with its own credential.`,
    );
  }
  const method = request.method.toUpperCase();
  const body = request.content !== undefined && method !== 'GET' && method !== 'HEAD' ? { body: request.content } : {};
  const headers = { ...(request.content !== undefined ? { 'content-type': 'application/json' } : {}), ...request.headers };
  const response = await fetch(request.uri, { method, headers, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs), ...body });
  const content = await response.text();
  return JSON.stringify({ statusCode: response.status, headers: headersOf(response), content });
}

/** .NET keeps these with the content, and the durable answer shows the headers of the response only. */
const contentHeaders = new Set(['allow', 'expires', 'last-modified']);

/** .NET lists the headers of a response in their customary spelling. */
function headersOf(response: Response): Record<string, string> {
  return Object.fromEntries(
    [...response.headers]
      .filter(([name]) => !name.startsWith('content-') && !contentHeaders.has(name))
      .map(([name, value]) => [name.replace(/(^|-)([a-z])/g, (match) => match.toUpperCase()), value]),
  );
}
