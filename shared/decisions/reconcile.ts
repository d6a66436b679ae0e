// What lies in the lake and has no verdict: the difference between a listing and the ledger, as events that take the usual way.
import type { StorageEvent } from '../contracts/events.ts';
import type { LedgerHead } from '../contracts/events.ts';
import { sha256Hex } from './digest.ts';

/** A blob of a listing. Listings carry no sequencer. */
export interface ListedBlob {
  account: string;
  container: string;
  path: string;
  eTag: string;
  bytes: number;
  lastModified: string;
}

/** What the ledger knows of the blob at the same index. */
export interface Known {
  head: LedgerHead | null;
  lastETag: string | null;
}

/** The blobs whose version got no verdict, as events. An id is derived from the version, so that two passes find the same event. */
export function missing(listing: readonly ListedBlob[], known: readonly Known[], source: string): StorageEvent[] {
  return listing.flatMap((blob, index) => {
    const { head, lastETag } = known[index] ?? { head: null, lastETag: null };
    if (blob.eTag === head?.eTag || blob.eTag === lastETag) return [];
    return [foundEvent(blob, source)];
  });
}

/** The event that should have come. Its sequencer is not known: the content decides when it is read. */
export function foundEvent(blob: ListedBlob, source: string): StorageEvent {
  const { account, container, path, eTag, bytes, lastModified } = blob;
  const id = `found-${sha256Hex([account, container, path, eTag].join('\n')).slice(0, 32)}`;
  return { source, id, kind: 'created', api: 'PutBlob', account, container, path, eTag, sequencer: '', bytes, time: lastModified };
}
