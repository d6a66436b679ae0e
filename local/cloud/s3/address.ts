// Which bucket, key and operation a request means: path style or virtual host, and the sub-resources in its query.
// Works on the raw target, so that keys with dots, slashes or escapes arrive as they were sent.
import { rawTarget } from '../kit/server.ts';
import { parseQuery } from '../sts/signature.ts';
import { notImplemented, S3Error } from './s3-error.ts';

/** Operations that this stand-in carries out, with the IAM action that each needs. */
export const ACTIONS = {
  ListBuckets: 's3:ListAllMyBuckets',
  CreateBucket: 's3:CreateBucket',
  HeadBucket: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket',
  PutObject: 's3:PutObject',
  GetObject: 's3:GetObject',
  HeadObject: 's3:GetObject',
  DeleteObject: 's3:DeleteObject',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListParts: 's3:ListMultipartUploadParts',
} as const;

/** One of them. */
export type S3Operation = keyof typeof ACTIONS;

/** What a request is about. */
export interface Address {
  readonly bucket: string;
  readonly key: string;
  /** Query parameters, without those of a signature. */
  readonly query: ReadonlyMap<string, string>;
  readonly operation: S3Operation;
}

/** Query parameters with a meaning here; others would change the meaning of the call, so they are refused. */
const QUERY = new Set([
  ...['x-id', 'uploads', 'uploadId', 'partNumber', 'list-type', 'prefix', 'delimiter', 'max-keys', 'start-after'],
  ...['continuation-token', 'encoding-type', 'fetch-owner', 'part-number-marker', 'max-parts'],
]);
/** Moved into the query by the pre-signer of the SDK, and without effect there. */
const HOISTED = /^x-amz-(checksum-|sdk-checksum-algorithm$|user-agent$)/;
const LONGEST_KEY = 1_024;

/** Reads the address; `hosts` are the names below which a bucket may be a sub-domain. */
export function readAddress(request: Request, hosts: readonly string[]): Address {
  const target = rawTarget(request);
  const [path = '/'] = target.split('?', 1);
  const query = new Map(parseQuery(target.slice(path.length + 1)).filter(([name]) => !name.startsWith('X-Amz-')));
  refuseUnknownQuery(query);
  const plain = decodePath(path).slice(1);
  const host = hostBucket(request.headers.get('host') ?? new URL(request.url).host, hosts);
  const slash = plain.indexOf('/');
  const bucket = host ?? (slash < 0 ? plain : plain.slice(0, slash));
  const key = host === undefined ? (slash < 0 ? '' : plain.slice(slash + 1)) : plain;
  if (Buffer.byteLength(key, 'utf8') > LONGEST_KEY) {
    throw new S3Error('KeyTooLongError', 400, 'Your key is too long', { MaxSizeAllowed: String(LONGEST_KEY) });
  }
  return { bucket, key, query, operation: operationOf(request.method, bucket, key, query) };
}

function operationOf(method: string, bucket: string, key: string, query: ReadonlyMap<string, string>): S3Operation {
  const upload = query.has('uploadId');
  const table: Readonly<Record<string, S3Operation | undefined>> =
    bucket === ''
      ? { GET: 'ListBuckets' }
      : key === ''
        ? { PUT: 'CreateBucket', HEAD: 'HeadBucket', GET: query.get('list-type') === '2' ? 'ListObjectsV2' : undefined }
        : {
            PUT: upload ? 'UploadPart' : 'PutObject',
            GET: upload ? 'ListParts' : 'GetObject',
            HEAD: 'HeadObject',
            DELETE: upload ? 'AbortMultipartUpload' : 'DeleteObject',
            POST: query.has('uploads') ? 'CreateMultipartUpload' : upload ? 'CompleteMultipartUpload' : undefined,
          };
  const operation = Object.hasOwn(table, method) ? table[method] : undefined;
  if (!operation)
    throw notImplemented(`${method} on ${key === '' ? (bucket === '' ? 'the service' : 'a bucket') : 'an object'} with this query`);
  return operation;
}

function refuseUnknownQuery(query: ReadonlyMap<string, string>): void {
  for (const name of query.keys()) {
    if (QUERY.has(name)) continue;
    if (name.startsWith('x-amz-meta-')) {
      // Stricter than the service: whether S3 keeps metadata from a query is not documented; a signed header is certain.
      throw new S3Error(
        'InvalidRequest',
        400,
        `${name} is in the query of the URL. Sign it as a header (unhoistableHeaders) and send it as one.`,
      );
    }
    // Reports from users agree that S3 does not enforce a checksum in the query: only a signed header binds the content.
    if (!HOISTED.test(name)) throw notImplemented(`The query parameter ${name.slice(0, 60)}`);
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new S3Error('InvalidURI', 400, "Couldn't parse the specified URI.");
  }
}

function hostBucket(host: string, hosts: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const suffix = hosts.filter((candidate) => name.endsWith(`.${candidate}`)).sort((a, b) => b.length - a.length)[0];
  return suffix === undefined || hosts.includes(name) ? undefined : name.slice(0, -suffix.length - 1);
}
