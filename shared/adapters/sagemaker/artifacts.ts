// Port ArtifactStore over S3: what the service says it holds, and one pre-signed PUT of exactly one content (facts/sagemaker.md §1.1).
// The URL signs length, type, SHA-256 and If-None-Match, so it can create this object once and nothing else.
import { HeadObjectCommand, PutObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type AwsClients, withoutExchange } from '../../clients/aws.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { ArtifactStore } from '../../ports/serving-platform.ts';
import { translate } from './errors.ts';

const CONTENT_TYPE = 'application/gzip';

export function createArtifactStore(clients: AwsClients, now: () => number): ArtifactStore {
  return {
    async head({ region, bucket, key }) {
      const client = await clients.s3(region);
      let found: HeadObjectCommandOutput;
      try {
        found = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }));
      } catch (error) {
        if (isAbsent(error)) return null;
        throw explain(error, bucket, key);
      }
      return { sha256: sha256Of(found), bytes: found.ContentLength ?? 0 };
    },

    async presignPut({ region, bucket, key, sha256, bytes, expiresSeconds }) {
      const checksum = Buffer.from(sha256, 'hex').toString('base64');
      const headers = {
        'content-length': String(bytes),
        'content-type': CONTENT_TYPE,
        'if-none-match': '*',
        'x-amz-checksum-sha256': checksum,
        'x-amz-meta-sha256': sha256,
      };
      const client = await clients.s3Lasting(region, expiresSeconds);
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentLength: bytes,
        ContentType: CONTENT_TYPE,
        IfNoneMatch: '*',
        ChecksumSHA256: checksum,
        Metadata: { sha256 },
      });
      try {
        const url = await getSignedUrl(client, command, {
          expiresIn: expiresSeconds,
          signingDate: new Date(now()),
          // Hoisted into the query, a header would be a wish of the URL and not a duty of the sender.
          unhoistableHeaders: new Set(Object.keys(headers)),
          // The presigner leaves content-type out unless it is asked for.
          signableHeaders: new Set([...Object.keys(headers), 'host']),
        });
        requireSigned(url, Object.keys(headers));
        return { url, headers };
      } catch (error) {
        throw translate(error, `sign an upload to s3://${bucket}/${key}`);
      } finally {
        client.destroy();
      }
    },
  };
}

/** A release of the SDK that signs less than this must not go unnoticed: such a URL would let anything be uploaded. */
function requireSigned(url: string, headers: readonly string[]): void {
  const signed = new Set((new URL(url).searchParams.get('X-Amz-SignedHeaders') ?? '').split(';'));
  const missing = headers.filter((header) => !signed.has(header));
  if (missing.length > 0) throw new RejectedError('signature-incomplete', `The pre-signed upload does not sign ${missing.join(', ')}.`);
}

/** Hex of the whole object's SHA-256; null when the service keeps none, or only one composed of parts (`…-3`). */
function sha256Of(found: HeadObjectCommandOutput): string | null {
  const checksum = found.ChecksumSHA256;
  if (checksum === undefined || found.ChecksumType === 'COMPOSITE' || checksum.includes('-')) return null;
  const digest = Buffer.from(checksum, 'base64');
  return digest.byteLength === 32 ? digest.toString('hex') : null;
}

/** HEAD has no body, so the SDK's name for it is all there is. A missing bucket is not a missing object. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NotFound' || error.name === 'NoSuchKey');
}

function explain(error: unknown, bucket: string, key: string): Error {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status === 403) {
    return new RejectedError(
      'artifact-forbidden',
      `AWS lets the role not read s3://${bucket}/${key}: it needs s3:GetObject on it, and s3:ListBucket on the bucket, without which an object ` +
        'that is not there looks forbidden too.',
      { cause: withoutExchange(error) },
    );
  }
  if (status === 301) {
    return new RejectedError(
      'bucket-elsewhere',
      `Bucket "${bucket}" is in another region than its endpoint; they must be in the same one.`,
      {
        cause: withoutExchange(error),
      },
    );
  }
  return translate(error, `look at s3://${bucket}/${key}`);
}
