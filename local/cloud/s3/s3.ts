// The local S3: REST with XML over one folder, every request signed by credentials of the local STS.
// It keeps what lying stand-ins lose: checksums, conditional writes and aws-chunked bodies (facts/sagemaker.md §4).
import { dated } from '../kit/clock.ts';
import { type Faults, withFaults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import type { Authority } from '../sts/authority.ts';
import { verifySignature, type Verified } from '../sts/signature.ts';
import { ACTIONS, type Address, readAddress } from './address.ts';
import { listBuckets, listObjects } from './listing.ts';
import { Multipart } from './multipart.ts';
import { ObjectStore } from './object-store.ts';
import { deleteObject, getObject, putObject, refuseUnknownHeaders } from './objects.ts';
import { readSignedText } from './receive.ts';
import { asS3Error, errorResponse, S3Error } from './s3-error.ts';
import { abortUpload, completeUpload, createUpload, listParts, uploadPart, type UploadContext } from './uploads.ts';

/** Options of the local S3. */
export interface S3Options {
  /** Folder of its own; made when absent. */
  readonly dataDir: string;
  readonly authority: Authority;
  /** Buckets that are there from the start. */
  readonly buckets?: readonly string[];
  /** Host names below which a bucket may be a sub-domain; default `localhost` and `s3.localhost`. */
  readonly hosts?: readonly string[];
  /** Default 5 GiB, the limit of a single put. */
  readonly maxObjectBytes?: number;
}

/** The local S3. */
export interface S3Cloud extends Cloud {
  readonly faults: Faults;
  /** An object's content for another stand-in of this machine that acts for the account itself; undefined when there is none. */
  read(bucket: string, key: string): Promise<ReadableStream<Uint8Array> | undefined>;
}

const MAX_OBJECT_BYTES = 5 * 1_024 ** 3;
const LONGEST_CREATE_BODY = 65_536;

/** Opens the local S3 (no port: put `serve` before it). */
export async function createS3Cloud(options: S3Options): Promise<S3Cloud> {
  const { authority } = options;
  const store = new ObjectStore(options.dataDir);
  const context: UploadContext = {
    store,
    multipart: new Multipart(options.dataDir),
    now: () => authority.clock.now(),
    maxObjectBytes: options.maxObjectBytes ?? MAX_OBJECT_BYTES,
  };
  const hosts = options.hosts ?? ['localhost', 's3.localhost'];
  for (const bucket of options.buckets ?? []) store.createBucket(bucket, context.now());

  const fetch = async (request: Request): Promise<Response> => {
    try {
      return await answer(request, readAddress(request, hosts), authority, context);
    } catch (error) {
      const refusal = asS3Error(error);
      if (!refusal) throw error;
      return errorResponse(refusal, request, new URL(request.url).pathname);
    }
  };
  const cloud = {
    name: 's3',
    fetch: dated(fetch, authority.clock),
    close: async () => undefined,
    read: async (bucket: string, key: string) => {
      const object = store.hasBucket(bucket) ? store.get(bucket, key) : undefined;
      return object && store.content(bucket, object);
    },
  };
  return withFaults(cloud, (request) => {
    try {
      return readAddress(request, hosts).operation;
    } catch {
      return undefined; // refused in any case when the request is answered
    }
  });
}

async function answer(request: Request, address: Address, authority: Authority, context: UploadContext): Promise<Response> {
  const verified = verifySignature(request, { authority, service: 's3' });
  refuseUnknownHeaders(request.headers);
  const may = (action: string, resource: string) => authority.may(verified.session, action, resource);
  const bucketArn = `arn:aws:s3:::${address.bucket}`;
  const resource = address.bucket === '' ? '*' : address.key === '' ? bucketArn : `${bucketArn}/${address.key}`;
  if (!may(ACTIONS[address.operation], resource)) throw denied(authority, verified, ACTIONS[address.operation], resource);
  const owner = request.headers.get('x-amz-expected-bucket-owner');
  if (owner !== null && owner !== authority.accountId) throw new S3Error('AccessDenied', 403, 'Access Denied');
  return carryOut(request, address, verified, context, () => may('s3:ListBucket', bucketArn));
}

async function carryOut(
  request: Request,
  address: Address,
  verified: Verified,
  context: UploadContext,
  mayList: () => boolean,
): Promise<Response> {
  switch (address.operation) {
    case 'ListBuckets':
      return listBuckets(context.store);
    case 'CreateBucket':
      await readSignedText(request, verified, LONGEST_CREATE_BODY);
      if (!context.store.createBucket(address.bucket, context.now())) {
        throw new S3Error(
          'BucketAlreadyOwnedByYou',
          409,
          'Your previous request to create the named bucket succeeded and you already own it.',
        );
      }
      return new Response(null, { headers: { location: `/${address.bucket}` } });
    case 'HeadBucket':
      if (!context.store.hasBucket(address.bucket)) throw new S3Error('NoSuchBucket', 404, 'The specified bucket does not exist');
      return new Response(null);
    case 'ListObjectsV2':
      return listObjects(address, context.store);
    case 'PutObject':
      return putObject(request, address, verified, context);
    case 'GetObject':
    case 'HeadObject':
      return getObject(request, address, context, mayList);
    case 'DeleteObject':
      return deleteObject(address, context);
    case 'CreateMultipartUpload':
      return createUpload(request, address, context);
    case 'UploadPart':
      return uploadPart(request, address, verified, context);
    case 'CompleteMultipartUpload':
      return completeUpload(request, address, verified, context);
    case 'AbortMultipartUpload':
      return abortUpload(address, context);
    case 'ListParts':
      return listParts(address, context);
  }
}

function denied(authority: Authority, verified: Verified, action: string, resource: string): S3Error {
  const who = authority.callerArn(verified.session);
  return new S3Error('AccessDenied', 403, `User: ${who} is not authorized to perform: ${action} on resource: "${resource}"`);
}
