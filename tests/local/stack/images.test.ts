import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { componentFolders, lockImages } from '../../../local/stack/images.ts';
import { ImageReference } from '../../../shared/contracts/identifiers.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-images-'));
  await cp('components', join(root, 'components'), { recursive: true, filter: (path) => !path.includes('__pycache__') });
});

afterEach(() => rm(root, { recursive: true }));

const lock = async () => lockImages(root, await componentFolders(root));

test('every component has an image by digest, and the digest is that of its content', async () => {
  const before = await lock();

  const file = join(root, 'components/serve/sluice_serve/__main__.py');
  await writeFile(file, `${await readFile(file, 'utf8')}\n# changed\n`);
  const after = await lock();

  expect(Object.keys(before)).toEqual(expect.arrayContaining(['ble-train', 'serve', 'transfer']));
  for (const image of Object.values(before)) expect(ImageReference.safeParse(image).success).toBe(true);
  expect(after['serve']).not.toBe(before['serve']);
  expect(after['transfer']).toBe(before['transfer']);
});

test('the protocol package is part of every image', async () => {
  const before = await lock();

  await writeFile(join(root, 'components/protocol/sluice_protocol/new.py'), 'X = 1\n');
  const after = await lock();

  for (const [name, image] of Object.entries(before)) expect(after[name]).not.toBe(image);
});
