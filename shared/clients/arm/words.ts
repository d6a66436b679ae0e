// What a person may read of a service's answer: no signature, no token, not too long. Shared by everything that speaks with Azure's management.

/** A sentence of a service, with the queries of its addresses taken out (signatures live there), at most `max` characters. */
export function plainWords(text: string, max = 600): string {
  const clean = withoutSignatures(text).replace(/\s+/g, ' ').trim();
  return clean.length > max ? `${clean.slice(0, max)}…` : clean;
}

/** A text without the queries of its addresses, without what is left of one that was cut in front, and without bearer tokens. */
export function withoutSignatures(text: string): string {
  return text
    .replace(/(https?:\/\/[^\s"'?]+)\?[^\s"']*/g, '$1?<query removed>')
    .replace(/\b(sig|X-Amz-Signature|X-Amz-Security-Token)=[^\s"'&\\]+/gi, '$1=<removed>')
    .replace(/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+/g, '<token removed>');
}

/** Who a token says it is, for messages only (nothing is decided by it): object id and application id. */
export function identityOf(token: string): string {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
    const text = (name: string) => (typeof claims[name] === 'string' && claims[name] ? claims[name].slice(0, 100) : null);
    const oid = text('oid') ?? text('sub');
    const app = text('appid') ?? text('azp');
    if (oid) return `object id ${oid}${app ? ` (application ${app})` : ''}`;
  } catch {
    // Not a JWT: nothing can be said about it.
  }
  return 'of an opaque token';
}
