// Tells from a Blob REST request which change it makes, if it makes one that Event Grid reports.
// PutBlob, PutBlockList, CopyBlob and DeleteBlob on the flat namespace (facts/azure.md §3.1); snapshots and `$logs` are not reported.
import type { IncomingMessage } from 'node:http';

/** A change to one blob. */
export interface BlobOperation {
  readonly api: 'PutBlob' | 'PutBlockList' | 'CopyBlob' | 'DeleteBlob';
  readonly container: string;
  /** Name of the blob, decoded. */
  readonly blob: string;
  /** Container and blob as they stood in the request's path, still encoded. */
  readonly encodedPath: string;
  /** From the request's headers where the operation carries them. */
  readonly contentType: string | undefined;
  readonly contentLength: number | undefined;
  readonly blobType: string | undefined;
  readonly clientRequestId: string | undefined;
}

/** The operation, or undefined for a request that makes no event. `account` is the name that path-style addresses start with. */
export function blobOperation(request: IncomingMessage, account: string): BlobOperation | undefined {
  if (request.method !== 'PUT' && request.method !== 'DELETE') return undefined;
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const encodedPath = path.replace(/^\/+/, '').replace(new RegExp(`^${account.replace(/[^a-z0-9]/gi, '')}/`), '');
  const slash = encodedPath.indexOf('/');
  if (slash <= 0 || slash === encodedPath.length - 1) return undefined;
  const container = encodedPath.slice(0, slash);
  const blob = decode(encodedPath.slice(slash + 1));
  if (blob === undefined || container === '$logs') return undefined;
  const api = apiOf(request, new URLSearchParams(query));
  if (!api) return undefined;
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const length = header('x-ms-blob-content-length') ?? header('content-length');
  return {
    api,
    container,
    blob,
    encodedPath,
    contentType: header('x-ms-blob-content-type') ?? (api === 'PutBlob' ? header('content-type') : undefined),
    contentLength: api === 'PutBlob' && length !== undefined ? Number(length) : undefined,
    blobType: api === 'PutBlob' ? header('x-ms-blob-type') : undefined,
    clientRequestId: header('x-ms-client-request-id'),
  };
}

function apiOf(request: IncomingMessage, query: URLSearchParams): BlobOperation['api'] | undefined {
  const comp = query.get('comp');
  if (query.has('restype') || query.has('snapshot') || query.has('versionid')) return undefined;
  if (request.method === 'DELETE') return comp === null && request.headers['x-ms-delete-snapshots'] !== 'only' ? 'DeleteBlob' : undefined;
  if (comp === 'blocklist') return 'PutBlockList';
  if (comp !== null) return undefined;
  if (request.headers['x-ms-copy-source'] !== undefined) return 'CopyBlob';
  return request.headers['x-ms-blob-type'] === undefined ? undefined : 'PutBlob';
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a malformed escape: the storage account refuses the request itself
  }
}
