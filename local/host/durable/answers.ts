// The two shapes of answer that the management API gives: a status alone, or a status with JSON text.

/** Nothing but a status. */
export const empty = (status: number): Response => new Response(null, { status });
/** JSON that is text already: the engine's .NET-like serialisation must not be done twice. */
export const json = (status: number, text: string, headers: Record<string, string> = {}): Response =>
  new Response(text, { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers } });
