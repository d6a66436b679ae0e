// Which folders of the lake the reconciler goes through, and which of the files in them should have been told.
import type { PipelineVersion } from '../contracts/pipeline.ts';
import { ownersOf, tablesOf } from './lake-places.ts';

export interface ListedFolder {
  /** With a trailing slash. */
  folder: string;
  /**
   * For the log of a Delta table: commits from this instant on count. The history before somebody was interested is not replayed.
   * null: a landing folder, in which every file counts, however long it lies there.
   */
  commitsSince: string | null;
}

/** Every landing folder, and the log of every table whose commits start something, in the order of their names. */
export function listedFolders(
  versions: readonly Pick<PipelineVersion, 'name' | 'spec'>[],
  since: (pipeline: string) => string,
): ListedFolder[] {
  const folders = new Map<string, string | null>();
  const log = (root: string) => `${root}_delta_log/`;
  for (const version of versions) {
    for (const { root, layer } of tablesOf(version)) if (layer !== 'quarantine') folders.set(log(root), since(version.name));
  }
  // A table that a pipeline reads is the reader's, whoever writes it.
  for (const version of versions) {
    for (const { path, delta } of ownersOf(version)) {
      if (delta) folders.set(log(path), since(version.name));
      else folders.set(path, null);
    }
  }
  return [...folders].map(([folder, commitsSince]) => ({ folder, commitsSince })).sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

/** The folder where a pass goes on: the named one, or the next when it is listed no more. */
export function folderFrom(folders: readonly ListedFolder[], name: string): ListedFolder | null {
  return folders.find(({ folder }) => folder >= name) ?? null;
}

/** Whether a file should have an entry in the ledger by now. `before`: what is younger may still be on its way. */
export function shouldBeKnown(
  { folder, commitsSince }: ListedFolder,
  file: { path: string; lastModified: string; eTag: string },
  before: string,
): boolean {
  if (Date.parse(file.lastModified) > Date.parse(before) || file.path.length <= folder.length) return false;
  if (commitsSince === null) return true;
  return /^[0-9]{20}\.json$/.test(file.path.slice(folder.length)) && Date.parse(file.lastModified) >= Date.parse(commitsSince);
}
