// Where an event says the blob is: account, container and path out of `url`, `subject` and `source`, checked against each other.
// Pure string work: `new URL` would resolve "..", and an address from outside must stay what it is (facts/azure.md §3.1).

export interface BlobPlace {
  account: string;
  container: string;
  /** Decoded exactly once. */
  path: string;
}

/** A reason in words why the place cannot be known. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError';
}

/** `acct.blob.core.windows.net`, `acct.dfs.…`, `acct.z12.blob.storage.azure.net`, and the sovereign clouds' endings. */
const ACCOUNT_HOST = /^([a-z0-9]{3,24})(?:\.z\d{1,3})?\.(?:blob|dfs)\.[a-z0-9.-]+$/;
/** A storage emulator: the account is the first part of the path. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const SUBJECT = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/(.+)$/s;
const ACCOUNT_OF_SOURCE = /\/storageAccounts\/([a-z0-9]{3,24})(?:\/|$)/i;

/** The place, or a `PlaceError` when the parts are missing, malformed or speak of different blobs. */
export function blobPlace(event: { url: string | undefined; subject: string | undefined; source: string }): BlobPlace {
  const fromSubject = event.subject === undefined ? undefined : parseSubject(event.subject);
  const account = ACCOUNT_OF_SOURCE.exec(event.source)?.[1]?.toLowerCase();
  if (event.url === undefined) {
    if (!fromSubject || account === undefined) throw new PlaceError('it has no data.url, and subject and source do not name a blob');
    return { account, container: fromSubject.container, path: plain(fromSubject.path) };
  }
  const place = parseUrl(event.url);
  if (account !== undefined && account !== place.account) {
    throw new PlaceError(`its source is account "${account}", its url account "${place.account}"`);
  }
  if (fromSubject && !(fromSubject.container === place.container && isSamePath(fromSubject.path, place.path))) {
    throw new PlaceError('its subject and its url name different blobs');
  }
  return place;
}

function parseSubject(subject: string): { container: string; path: string } {
  const [, container, path] = SUBJECT.exec(subject) ?? [];
  if (container === undefined || path === undefined)
    throw new PlaceError('its subject is not that of a blob (/blobServices/default/containers/…/blobs/…)');
  return { container, path };
}

function parseUrl(url: string): BlobPlace {
  const [, authority = '', rest = ''] = /^https?:\/\/([^/?#]+)\/([^?#]*)$/i.exec(url) ?? [];
  const host = authority.replace(/:\d{1,5}$/, '').toLowerCase();
  const [, named] = ACCOUNT_HOST.exec(host) ?? [];
  const segments = rest.split('/');
  const account = named ?? (LOOPBACK_HOST.test(host) ? segments.shift() : undefined);
  const container = segments.shift();
  if (account === undefined || account === '') throw new PlaceError('its url is not an address of a storage account');
  if (container === undefined || container === '' || segments.length === 0) throw new PlaceError('its url does not name a blob');
  return { account, container: decode(container), path: plain(decode(segments.join('/'))) };
}

/** Subjects are seen decoded and encoded; either is the same blob. */
function isSamePath(subjectPath: string, path: string): boolean {
  if (subjectPath === path) return true;
  try {
    return decodeURIComponent(subjectPath) === path;
  } catch {
    return false;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new PlaceError('its url is not percent-encoded UTF-8');
  }
}

function plain(path: string): string {
  if (path === '' || /[\u0000-\u001f\u007f]/.test(path)) throw new PlaceError('its blob name is empty or has control characters');
  return path;
}
