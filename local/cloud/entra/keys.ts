// The tenant's signing key: RSA 2048, made at the first start and kept, so that tokens survive a restart of the stand-in.
// The public half is the JWKS document.
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { openState } from '../kit/state.ts';

/** A key that signs, and what others need to check it. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  /** Public JWK with `kid`, `use` and `alg`. */
  readonly publicJwk: JWK;
}

/** Opens the key in `<dataDir>/signing-key.json`, or makes it. */
export async function openSigningKey(dataDir: string): Promise<SigningKey> {
  const state = openState<{ key?: JWK }>(join(dataDir, 'signing-key.json'), {});
  if (!state.value.key) {
    const made = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
    const key = await exportJWK(made.privateKey);
    state.update((value) => (value.key = key));
  }
  const key = state.value.key as JWK;
  const privateKey = await importJWK(key, 'RS256');
  if (privateKey instanceof Uint8Array || !key.n || !key.e) {
    throw new Error(`The signing key in ${dataDir} is not an RSA key. Remove it to have a new one made.`);
  }
  const publicPart: JWK = { kty: 'RSA', n: key.n, e: key.e };
  const kid = await calculateJwkThumbprint(publicPart);
  return { kid, privateKey, publicJwk: { ...publicPart, kid, use: 'sig', alg: 'RS256' } };
}
