// Files of a datastore: a container of a storage account, or a folder of this machine. Paths use slashes and never leave the store.
// Every call to storage ends after two minutes and is tried three times; writing the same path again writes the same file.
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { ContainerClient, RestError, type BlobItem } from '@azure/storage-blob';
import type { StoreOptions } from '../options.ts';

/** A file of a store. */
export interface StoredFile {
  readonly path: string;
  readonly size: number;
}

/** Reads and writes files. */
export interface Store {
  /** The file of exactly this path, or all files below it as a folder. */
  list(path: string): Promise<StoredFile[]>;
  /** Copies one file to this machine; makes the folder. Rejects with `StoreError`. */
  download(path: string, file: string): Promise<void>;
  upload(file: string, path: string): Promise<void>;
}

/** The store could not do it; the message names the path and the store, never a key. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

const CALL_MS = 120_000;
const RETRY = { maxTries: 3, retryDelayInMs: 200, tryTimeoutInMs: 30_000 };

/** Opens a store: of Azure Storage where an address is given, else the folder. */
export function openStore(options: StoreOptions, folder: string): Store {
  if (options.containerUrl !== undefined) return blobStore(new ContainerClient(options.containerUrl, undefined, { retryOptions: RETRY }));
  if (options.connectionString !== undefined)
    return blobStore(new ContainerClient(options.connectionString, options.container, { retryOptions: RETRY }));
  return folderStore(folder);
}

function blobStore(container: ContainerClient): Store {
  const attempt = async <T>(what: string, path: string, work: (abortSignal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await work(AbortSignal.timeout(CALL_MS));
    } catch (error) {
      const reason = error instanceof RestError ? (error.code ?? `status ${error.statusCode ?? 0}`) : String(error);
      throw new StoreError(`cannot ${what} ${path} in container ${container.containerName}: ${reason}`, { cause: error });
    }
  };
  return {
    list: (path) =>
      attempt('list', path, async (abortSignal) => {
        const files: StoredFile[] = [];
        for await (const blob of container.listBlobsFlat({ prefix: path, abortSignal })) {
          if (within(path, blob.name) && !isFolder(blob)) files.push({ path: blob.name, size: blob.properties.contentLength ?? 0 });
        }
        return files;
      }),
    download: (path, file) =>
      attempt('read', path, async (abortSignal) => {
        await mkdir(dirname(file), { recursive: true });
        await container.getBlobClient(path).downloadToFile(file, 0, undefined, { abortSignal });
      }),
    upload: (file, path) =>
      attempt('write', path, async (abortSignal) => {
        await container.getBlockBlobClient(path).uploadFile(file, { abortSignal });
      }),
  };
}

/** A folder of an account with hierarchical namespace is listed as an empty blob with this metadata. */
const isFolder = (blob: BlobItem): boolean => blob.metadata?.['hdi_isfolder'] === 'true';

/** Files of a folder of this machine. */
export function folderStore(folder: string): Store {
  const at = (path: string): string => safeJoin(folder, path);
  return {
    async list(path) {
      const target = at(path);
      if (!existsSync(target)) return [];
      return filesBelow(target).map((file) => ({
        path: relative(resolve(folder), file).split(sep).join('/'),
        size: statSync(file).size,
      }));
    },
    async download(path, file) {
      const source = at(path);
      if (!existsSync(source)) throw new StoreError(`cannot read ${path}: BlobNotFound`);
      await mkdir(dirname(file), { recursive: true });
      await copyFile(source, file);
    },
    async upload(file, path) {
      const target = at(path);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(file, target);
    },
  };
}

/** All regular files of a folder, or the file itself; links are not followed. */
export function filesBelow(path: string): string[] {
  const stat = statSync(path);
  if (stat.isFile()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Joins a path from outside to a folder; throws where it would leave the folder. */
export function safeJoin(folder: string, path: string): string {
  const root = resolve(folder);
  const target = resolve(root, path);
  if (target !== root && !target.startsWith(root + sep)) throw new StoreError(`${path.slice(0, 200)} leaves its folder`);
  return target;
}

const within = (folder: string, path: string): boolean => folder === '' || path === folder || path.startsWith(`${folder}/`);
