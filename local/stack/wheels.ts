// The wheels that Databricks runs here: made from the components, once for each lock of images.
import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createHash } from 'node:crypto';
import type { ImageLock } from './images.ts';

/** The folder of the wheels of this lock. */
export async function buildWheels(options: { root: string; dataDir: string; images: ImageLock; python: string }): Promise<string> {
  const lock = JSON.stringify(options.images);
  const folder = join(options.dataDir, 'wheels', createHash('sha256').update(lock).digest('hex').slice(0, 16));
  const there = await access(folder).then(
    () => true,
    () => false,
  );
  if (there) return folder;
  const unfinished = `${folder}.part`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const lockFile = join(options.dataDir, 'wheels', 'images.lock.json');
  await writeFile(lockFile, lock);
  await promisify(execFile)(options.python, [join(options.root, 'components', 'wheels.py'), lockFile, unfinished], { timeout: 60_000 });
  await rename(unfinished, folder);
  return folder;
}
