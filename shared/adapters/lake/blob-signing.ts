// Signed URLs (SAS) for one blob: with the account key where the client has one (local), else with a user delegation key.
// A delegation key is fetched with the app's identity and kept until it would expire before the URL does.
import type { BlobServiceClient, UserDelegationKey } from '@azure/storage-blob';
import { BlobSASPermissions, generateBlobSASQueryParameters, SASProtocol, StorageSharedKeyCredential } from '@azure/storage-blob';
import { RejectedError } from '../../errors/errors.ts';
import { CALL_MS, storageError } from './storage.ts';

const MINUTE_MS = 60_000;
/** Clocks differ: a URL is valid from five minutes ago. */
const SKEW_MS = 5 * MINUTE_MS;
/** The service allows at most seven days. */
const MAX_SECONDS = 7 * 24 * 3600;
const KEY_MS = 24 * 60 * MINUTE_MS;

/** Signs a URL; `r` reads, `c` creates but does not overwrite. */
export type Sign = (path: string, permission: 'r' | 'c', seconds: number) => Promise<string>;

export function createSigner(blobService: BlobServiceClient, container: string, now: () => number): Sign {
  let kept: { key: UserDelegationKey; expires: number } | null = null;

  async function delegationKey(until: number): Promise<UserDelegationKey> {
    if (kept !== null && kept.expires > until + MINUTE_MS) return kept.key;
    const start = now() - SKEW_MS;
    const expires = Math.min(Math.max(until + 2 * MINUTE_MS, now() + KEY_MS), start + MAX_SECONDS * 1000);
    try {
      const key = await blobService.getUserDelegationKey(new Date(start), new Date(expires), { abortSignal: AbortSignal.timeout(CALL_MS) });
      kept = { key, expires };
      return key;
    } catch (error) {
      throw storageError(error, 'user delegation key');
    }
  }

  return async (path, permission, seconds) => {
    if (!Number.isFinite(seconds) || seconds <= 0 || seconds > MAX_SECONDS - 600)
      throw new RejectedError('bad-lifetime', `a signed URL lives between 1 second and 7 days less 10 minutes, not ${seconds} seconds.`);
    const expires = now() + seconds * 1000;
    const values = {
      containerName: container,
      blobName: path,
      permissions: BlobSASPermissions.parse(permission),
      startsOn: new Date(now() - SKEW_MS),
      expiresOn: new Date(expires),
      protocol: blobService.url.startsWith('http:') ? SASProtocol.HttpsAndHttp : SASProtocol.Https,
    };
    const credential: unknown = blobService.credential;
    const query =
      credential instanceof StorageSharedKeyCredential
        ? generateBlobSASQueryParameters(values, credential)
        : generateBlobSASQueryParameters(values, await delegationKey(expires), blobService.accountName);
    return `${blobService.getContainerClient(container).getBlobClient(path).url}?${query.toString()}`;
  };
}
