// Who calls, proved by a token.

/** A caller as the token names it. `roles` are grants as `decisions/allowed.ts` reads them. */
export interface Caller {
  subject: string;
  name: string;
  roles: string[];
}

export interface TokenVerifier {
  /**
   * Checks a bearer token (without the word "Bearer"). Not acceptable: UserError 401 `token-refused`, whose message says why in words
   * that a caller may read. Keys of the issuer not reachable: TransientError `keys-unreachable`.
   */
  verify(token: string): Promise<Caller>;
}
