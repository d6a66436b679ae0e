// Addresses that carry their own right, as a SAS does: what may be done, with which file, until when. The key lives as long as the process.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';

const LIFETIME_MS = 3_600_000;
export const BLOB_PREFIX = '/azureml-blobs';

/** Which file an address is about. */
export interface BlobName {
  readonly workspace: string;
  readonly origin: string;
  readonly container: string;
  readonly path: string;
}

/** Makes and checks addresses. */
export interface SignedUrls {
  sign(base: string, name: BlobName, permissions: 'r' | 'rcw'): string;
  /** The file that an address is about; undefined when the signature, the time or the right is not good. */
  check(url: URL, needs: 'r' | 'w'): BlobName | undefined;
}

/** Opens the signer. */
export function createSignedUrls(clock: Clock): SignedUrls {
  const key = randomBytes(32);
  const signature = (pathname: string, permissions: string, expiry: string): string =>
    createHmac('sha256', key).update(`${pathname}\n${permissions}\n${expiry}`).digest('base64url');
  return {
    sign(base, { workspace, origin, container, path }, permissions) {
      const segments = [workspace, origin, container, ...path.split('/')].map(encodeURIComponent).join('/');
      const url = new URL(`${BLOB_PREFIX}/${segments}`, base);
      const expiry = new Date(clock.now() + LIFETIME_MS).toISOString();
      url.search = new URLSearchParams({
        sv: '2024-11-04',
        sr: 'b',
        sp: permissions,
        se: expiry,
        sig: signature(url.pathname, permissions, expiry),
      }).toString();
      return url.href;
    },
    check(url, needs) {
      const permissions = url.searchParams.get('sp') ?? '';
      const expiry = url.searchParams.get('se') ?? '';
      const given = Buffer.from(url.searchParams.get('sig') ?? '');
      const wanted = Buffer.from(signature(url.pathname, permissions, expiry));
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
      if (!permissions.includes(needs) || !(Date.parse(expiry) > clock.now())) return undefined;
      const [workspace = '', origin = '', container = '', ...path] = url.pathname
        .slice(BLOB_PREFIX.length + 1)
        .split('/')
        .map(decodeURIComponent);
      return { workspace, origin, container, path: path.join('/') };
    },
  };
}
