// Local "images": a component's folder, addressed by the digest of its content, as a registry would address the built image.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parse } from 'yaml';

/** Component name → image reference by digest. */
export type ImageLock = Record<string, string>;

/** Component name → folder of its code. */
export type ComponentFolders = Readonly<Record<string, string>>;

/** The components below `components/`. */
export async function componentFolders(root: string): Promise<ComponentFolders> {
  const folder = join(root, 'components');
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const own = names.filter((one) => one !== 'protocol' && /^[a-z]/.test(one)).sort();
  return Object.fromEntries(own.map((name) => [name, join(folder, name)]));
}

/** Computes the lock of components; the shared protocol package is part of every image. */
export async function lockImages(root: string, folders: ComponentFolders): Promise<ImageLock> {
  const protocol = await digestOfFolder(join(root, 'components', 'protocol'));
  const lock: ImageLock = {};
  for (const [name, folder] of Object.entries(folders)) {
    const own = await digestOfFolder(folder);
    lock[name] = `${await repositoryOf(folder)}@sha256:${createHash('sha256').update(`${protocol}\n${own}\n`).digest('hex')}`;
  }
  return lock;
}

/** What runs when an image is started here: Python with the component's folder on its path. */
export function imagePaths(root: string, folder: string): string[] {
  return [folder, join(root, 'components', 'protocol')];
}

/** The repository that the component's own description names. */
async function repositoryOf(component: string): Promise<string> {
  const file = join(component, 'component.yaml');
  const description: unknown = parse(await readFile(file, 'utf8'));
  const image = typeof description === 'object' && description !== null && 'image' in description ? description.image : undefined;
  if (typeof image !== 'string') throw new Error(`${file} names no image`);
  return image;
}

async function digestOfFolder(folder: string): Promise<string> {
  const lines: string[] = [];
  for (const file of await filesBelow(folder)) {
    const path = relative(folder, file).split(sep).join('/');
    lines.push(
      `${path}\0${createHash('sha256')
        .update(await readFile(file))
        .digest('hex')}\n`,
    );
  }
  return createHash('sha256').update(lines.sort().join('')).digest('hex');
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.map(async (entry) => {
    if (entry.name === '__pycache__' || entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
  return (await Promise.all(nested)).flat();
}
