// Artifacts of a workspace: files by origin, container and path, e.g. `ExperimentRun`, `dcid.{run}`, `user_logs/std_log.txt`.
// An artifact may also be a blob of a datastore that was registered; then only its place is kept.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openState, type State } from '../../kit/state.ts';
import { safeJoin, StoreError } from '../execution/stores.ts';

/** A registered blob. */
export interface Registered {
  readonly origin: string;
  readonly container: string;
  readonly path: string;
  readonly datastore: string;
  readonly relativePath: string;
}

/** Something in a folder of artifacts. */
export interface ArtifactEntry {
  readonly path: string;
  readonly isDir: boolean;
  readonly size: number;
}

/** Finds artifacts on this machine. */
export interface ArtifactFiles {
  /** Where the file is or would be; throws `StoreError` for a path that leaves the container. */
  file(origin: string, container: string, path: string): string;
  exists(origin: string, container: string, path: string): boolean;
  /** One level of a folder. */
  list(origin: string, container: string, folder: string): ArtifactEntry[];
  /** All files below a folder. */
  all(origin: string, container: string, folder: string): ArtifactEntry[];
  register(artifact: Registered): void;
  registered(origin: string, container: string, path: string): Registered | undefined;
}

/** Folders of uploads that are not complete begin with this. */
export const UPLOADS = '.azureml-upload-';

/** Opens the artifacts; `folderOf` gives the folder of a container. */
export function openArtifacts(stateFile: string, folderOf: (origin: string, container: string) => string): ArtifactFiles {
  const known: State<Registered[]> = openState<Registered[]>(stateFile, []);
  const same = (origin: string, container: string) => (item: Registered) => item.origin === origin && item.container === container;
  const file: ArtifactFiles['file'] = (origin, container, path) => {
    const target = safeJoin(folderOf(origin, container), path);
    if (path === '' || path.endsWith('/')) throw new StoreError('an artifact has a path that is not a folder');
    return target;
  };
  const all: ArtifactFiles['all'] = (origin, container, folder) => {
    const root = safeJoin(folderOf(origin, container), folder);
    const local =
      existsSync(root) && statSync(root).isDirectory()
        ? readdirSync(root, { withFileTypes: true, recursive: true })
            .filter((entry) => entry.isFile() && !entry.parentPath.includes(UPLOADS))
            .map((entry) => {
              const path = join(entry.parentPath, entry.name);
              return {
                path: [folder, path.slice(root.length + 1)].filter((part) => part !== '').join('/'),
                isDir: false,
                size: statSync(path).size,
              };
            })
        : [];
    const blobs = known.value
      .filter(same(origin, container))
      .filter(({ path }) => folder === '' || path.startsWith(`${folder}/`))
      .map(({ path }) => ({ path, isDir: false, size: 0 }));
    return [...local, ...blobs].sort((a, b) => (a.path < b.path ? -1 : 1));
  };
  return {
    file,
    exists: (origin, container, path) => {
      const target = file(origin, container, path);
      return (
        (existsSync(target) && statSync(target).isFile()) || known.value.some((item) => same(origin, container)(item) && item.path === path)
      );
    },
    all,
    list(origin, container, folder) {
      const entries = new Map<string, ArtifactEntry>();
      const start = folder === '' ? 0 : folder.length + 1;
      for (const entry of all(origin, container, folder)) {
        const slash = entry.path.indexOf('/', start);
        const path = slash < 0 ? entry.path : entry.path.slice(0, slash);
        entries.set(path, slash < 0 ? entry : { path, isDir: true, size: 0 });
      }
      return [...entries.values()];
    },
    register(artifact) {
      known.update((items) => {
        const at = items.findIndex((item) => same(artifact.origin, artifact.container)(item) && item.path === artifact.path);
        items.splice(at < 0 ? items.length : at, at < 0 ? 0 : 1, artifact);
      });
    },
    registered: (origin, container, path) => known.value.find((item) => same(origin, container)(item) && item.path === path),
  };
}

/** Makes the folder of a file. */
export const makeFolder = (file: string): void => {
  mkdirSync(dirname(file), { recursive: true });
};
