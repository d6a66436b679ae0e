// Volumes of Unity Catalog on one machine: each is a folder; that of an external location is kept like its container around each task.
// The paths `/Volumes/…` in a task's parameters are rewritten to the folders: a process cannot mount at the root of the machine.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { ApiError, invalid, type VolumeOptions } from './model.ts';

export interface Volumes {
  /** The file of this machine for a path of a volume; refuses paths that leave it. */
  local(path: string): string;
  /** Replaces every path of a volume in a text by its folder. */
  rewrite(text: string): string;
  /** Brings what the container has below the paths that a text names. */
  fetch(text: string): Promise<void>;
  /** Puts into the containers what a task has written. */
  store(): Promise<void>;
}

interface Volume {
  path: string;
  folder: string;
  container: ContainerClient | null;
}

const CALL_MS = 30_000;

export function openVolumes(options: readonly VolumeOptions[], dataDir: string): Volumes {
  const volumes: Volume[] = options.map((volume) => ({
    path: volume.path,
    folder: 'folder' in volume ? volume.folder : join(dataDir, 'volumes', volume.path.replaceAll('/', '_')),
    container: 'folder' in volume ? null : containerOf(volume),
  }));
  /** Digest of each file as it was last equal in folder and container. */
  const known = new Map<string, string>();

  const volumeOf = (path: string): Volume | undefined =>
    volumes.find((volume) => path === volume.path || path.startsWith(`${volume.path}/`));

  function local(path: string): string {
    const volume = volumeOf(path);
    if (!volume) throw new ApiError(404, 'NOT_FOUND', `Volume of '${path.slice(0, 300)}' does not exist.`);
    const rest = path.slice(volume.path.length + 1);
    if (rest.split('/').some((part) => part === '..' || part === '.' || (part === '' && rest !== '')))
      throw invalid(`The path '${path}' is not plain.`);
    return join(volume.folder, rest);
  }

  return {
    local,
    rewrite(text) {
      return volumes.reduce((result, { path, folder }) => result.replaceAll(`${path}/`, `${folder}/`), text);
    },
    async fetch(text) {
      for (const volume of volumes) {
        if (!volume.container) continue;
        for (const path of pathsIn(text, volume.path)) await download(volume, volume.container, path, known);
      }
    },
    async store() {
      for (const volume of volumes) if (volume.container) await upload(volume, volume.container, known);
    },
  };
}

function containerOf({ connectionString, container }: { connectionString: string; container: string }): ContainerClient {
  const service = BlobServiceClient.fromConnectionString(connectionString, { retryOptions: { maxTries: 3, retryDelayInMs: 200 } });
  return service.getContainerClient(container);
}

/** Paths of a volume in a text, without the volume's own part. */
function pathsIn(text: string, volume: string): string[] {
  return text
    .split(`${volume}/`)
    .slice(1)
    .map((rest) => /^[^"\\\s,]*/.exec(rest)?.[0] ?? '')
    .filter((path) => path !== '');
}

async function download(volume: Volume, container: ContainerClient, prefix: string, known: Map<string, string>): Promise<void> {
  const abortSignal = AbortSignal.timeout(CALL_MS);
  for await (const { name } of container.listBlobsFlat({ prefix, abortSignal })) {
    if (name !== prefix && !name.startsWith(`${prefix}/`)) continue;
    const file = join(volume.folder, name);
    const content = await container.getBlobClient(name).downloadToBuffer(0, undefined, { abortSignal });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    known.set(file, digest(content));
  }
}

async function upload(volume: Volume, container: ContainerClient, known: Map<string, string>): Promise<void> {
  for (const file of await filesBelow(volume.folder)) {
    const content = await readFile(file);
    if (known.get(file) === digest(content)) continue;
    const name = relative(volume.folder, file).split(sep).join('/');
    await container.getBlockBlobClient(name).uploadData(content, { abortSignal: AbortSignal.timeout(CALL_MS) });
    known.set(file, digest(content));
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  if (!(await stat(folder).catch(() => null))) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const digest = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
