// The aws-chunked frame and the checksums below it, byte by byte.
// Whatever the network cuts in pieces, the content must come out the same; whatever is not the frame must be refused.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeAwsChunked } from '../../../../local/cloud/s3/aws-chunked.ts';
import { crc32c, expectedChecksum, startDigest } from '../../../../local/cloud/s3/checksums.ts';
import { S3Error } from '../../../../local/cloud/s3/s3-error.ts';

async function decode(frame: string, pieceSize = frame.length || 1): Promise<{ content: string; trailers: Record<string, string> }> {
  async function* pieces() {
    const bytes = Buffer.from(frame, 'latin1');
    for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize);
  }
  const trailers = new Map<string, string>();
  const content: Uint8Array[] = [];
  for await (const bytes of decodeAwsChunked(pieces(), trailers)) content.push(Buffer.from(bytes));
  return { content: Buffer.concat(content).toString('latin1'), trailers: Object.fromEntries(trailers) };
}

const FRAME = '5\r\nhello\r\n7\r\n\r\n0\r\nx:\r\n0\r\nX-Amz-Checksum-Crc32: AAAAAA==\r\n\r\n';

describe('the frame', () => {
  it('is taken off, wherever the pieces are cut and whatever the content looks like', async () => {
    for (let size = 1; size <= FRAME.length; size += 1) {
      expect(await decode(FRAME, size)).toEqual({ content: 'hello\r\n0\r\nx:', trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } });
    }
  });

  it('may hold nothing, and may end without a trailer', async () => {
    expect(await decode('0\r\n\r\n')).toEqual({ content: '', trailers: {} });
    expect(await decode('1\r\na\r\n0\r\n')).toEqual({ content: 'a', trailers: {} });
  });

  it.each([
    ['nothing', ''],
    ['plain content', 'hello world, not chunked\r\n'],
    ['a size that is not hexadecimal', 'xyz\r\nhello\r\n0\r\n\r\n'],
    ['a size beyond 32 bits', 'fffffffff\r\n'],
    ['a negative size', '-5\r\nhello\r\n'],
    ['a chunk that is longer than it says', '3\r\nhello\r\n0\r\n\r\n'],
    ['a chunk that is shorter than it says', '9\r\nhello\r\n0\r\n\r\n'],
    ['an end in the middle of a chunk', '5\r\nhel'],
    ['an end between chunks', '5\r\nhello\r\n'],
    ['an end in the middle of a line', '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA'],
    ['a trailer that is none', '0\r\nno colon here\r\n\r\n'],
    ['a line without end', '0'.repeat(10_000)],
    ['chunk signatures', `5;chunk-signature=${'a'.repeat(64)}\r\nhello\r\n0\r\n\r\n`],
  ])('that is %s is refused', async (_, frame) => {
    await expect(decode(frame)).rejects.toBeInstanceOf(S3Error);
    await expect(decode(frame, 1)).rejects.toBeInstanceOf(S3Error);
  });
});

describe('checksums', () => {
  it('are those of the standards', () => {
    const value = (algorithm: Parameters<typeof startDigest>[0], text: string) => {
      const digest = startDigest(algorithm);
      for (const char of text) digest.update(Buffer.from(char));
      return digest.digest().toString('hex');
    };

    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283); // check value of CRC-32C
    expect(value('crc32c', '123456789')).toBe('e3069283');
    expect(value('crc32', '123456789')).toBe('cbf43926'); // check value of CRC-32
    expect(value('sha256', 'abc')).toBe(createHash('sha256').update('abc').digest('hex'));
    expect(value('crc32', '')).toBe('00000000');
  });

  it.each<[string, Record<string, string>, unknown]>([
    ['none', {}, undefined],
    ['a header', { 'x-amz-checksum-crc32': 'AAAAAA==' }, { algorithm: 'crc32', value: 'AAAAAA==' }],
    ['a trailer', { 'x-amz-trailer': 'X-Amz-Checksum-Sha256' }, { algorithm: 'sha256', value: undefined }],
    ['mode and type only', { 'x-amz-checksum-mode': 'ENABLED', 'x-amz-checksum-type': 'COMPOSITE' }, undefined],
  ])('are expected from %s', (_, headers, expected) => {
    expect(expectedChecksum(new Headers(headers))).toEqual(expected);
  });

  it.each<[string, Record<string, string>]>([
    ['two of them', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-sha1': 'x' }],
    ['a header and a trailer', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-trailer': 'x-amz-checksum-sha1' }],
    ['one that is not verified here', { 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }],
    ['one of the wrong length', { 'x-amz-checksum-crc32': 'AAAA' }],
    ['one that is not base64', { 'x-amz-checksum-crc32': '!!!!!!==' }],
  ])('are refused: %s', (_, headers) => {
    expect(() => expectedChecksum(new Headers(headers))).toThrow(S3Error);
  });
});
