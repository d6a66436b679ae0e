// Archives on their way into the model folder: hostile ones leave nothing behind.
// Headers of hostile archives are written by hand, because no tool would make them.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bringModel, ModelDataError, type ModelLimits, parseS3Url } from '../../../../local/cloud/sagemaker/model-data.ts';
import { type Images, resolveImage } from '../../../../local/cloud/sagemaker/images.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'model-data-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Entry {
  path: string;
  content?: string;
  type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'FIFO';
  linkpath?: string;
}

function archive(...entries: Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, content = '', type = 'File', linkpath }) => {
    const block = Buffer.alloc(512);
    new Header({
      path,
      type,
      size: content.length,
      mode: 0o644,
      mtime: new Date(0),
      ...(linkpath === undefined ? {} : { linkpath }),
    }).encode(block);
    return [block, Buffer.from(content.padEnd(Math.ceil(content.length / 512) * 512, '\0'))];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1_024)]));
}

const bring = (bytes: Buffer | undefined, limits?: ModelLimits, url = 's3://b/models/x/model.tar.gz') =>
  bringModel(url, join(folder, 'model'), async () => (bytes ? new Blob([new Uint8Array(bytes)]).stream() : undefined), limits);

describe('an archive', () => {
  it('is unpacked with its folders', async () => {
    await bring(
      archive({ path: 'model.json', content: '{}' }, { path: 'deep/', type: 'Directory' }, { path: 'deep/weights', content: 'w' }),
    );

    expect(readFileSync(join(folder, 'model/deep/weights'), 'utf8')).toBe('w');
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it.each<[string, Entry, RegExp]>([
    ['a symbolic link', { path: 'l', type: 'SymbolicLink', linkpath: '/etc/passwd' }, /holds l, a SymbolicLink/],
    ['a hard link', { path: 'l', type: 'Link', linkpath: 'model.json' }, /a Link/],
    ['a device', { path: 'd', type: 'CharacterDevice' }, /CharacterDevice/],
    ['a pipe', { path: 'p', type: 'FIFO' }, /FIFO/],
    ['a path upwards', { path: '../escaped', content: 'x' }, /leads out of the model folder/],
    ['a path upwards in the middle', { path: 'a/../../escaped', content: 'x' }, /leads out/],
    ['an absolute path', { path: '/tmp/escaped', content: 'x' }, /leads out/],
    ['a path of another system', { path: '..\\escaped', content: 'x' }, /leads out/],
  ])('with %s is refused as a whole', async (_, entry, message) => {
    const bytes = archive({ path: 'model.json', content: '{}' }, entry);

    await expect(bring(bytes)).rejects.toThrow(message);

    expect(readdirSync(join(folder, 'model'))).toEqual([]);
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
  });

  it('that is too large or has too many entries is refused', async () => {
    const bytes = archive({ path: 'a', content: 'x'.repeat(600) }, { path: 'b', content: 'x'.repeat(600) });

    await expect(bring(bytes, { maxBytes: 1_199, maxEntries: 2 })).rejects.toThrow(/larger than 1199 bytes/);
    await expect(bring(bytes, { maxBytes: 1_200, maxEntries: 1 })).rejects.toThrow(/1 entries/);
    await expect(bring(bytes, { maxBytes: 1_200, maxEntries: 2 })).resolves.toBeUndefined();
  });

  it.each([
    ['is not gzip', Buffer.from('plain text, not an archive at all'.repeat(40))],
    ['is cut short', archive({ path: 'a', content: 'x'.repeat(5_000) }).subarray(0, 40)],
    ['is gzip of something else', gzipSync(Buffer.from('text '.repeat(500)))],
    ['is empty', gzipSync(Buffer.alloc(1_024))],
  ])('that %s is refused in words', async (_, bytes) => {
    await expect(bring(bytes)).rejects.toBeInstanceOf(ModelDataError);
  });

  it('that is not there, or whose address is none, is not found', async () => {
    await expect(bring(undefined)).rejects.toThrow('Could not find model data at s3://b/models/x/model.tar.gz.');
    await expect(bring(undefined, undefined, 'file:///etc/passwd')).rejects.toThrow(/Could not find model data/);
    expect(parseS3Url('s3://bucket/a/b')).toEqual({ bucket: 'bucket', key: 'a/b' });
  });
});

describe('an image', () => {
  const local = { command: ['/bin/true'] as [string], cwd: '/' };
  const a = `sha256:${'a'.repeat(64)}`;
  const b = `sha256:${'b'.repeat(64)}`;
  const images: Images = { 'registry/serve': { ...local, digest: a }, 'registry/any': local, [`registry/exact@${b}`]: local };

  it.each([
    [`registry/serve@${a}`, true],
    [`registry/serve@${b}`, false],
    [`registry/any@${b}`, true],
    [`registry/exact@${b}`, true],
    [`registry/exact@${a}`, false],
    [`toString@${a}`, false],
  ])('%s is here: %s', (reference, expected) => {
    expect(resolveImage(images, reference) !== undefined).toBe(expected);
  });
});
