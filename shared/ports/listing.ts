// What lies in the lake, for comparing it with what was told: listings in pages that can be gone on with later.

/** A file as a listing shows it; listings know no sequencer. */
export interface ListedFile {
  account: string;
  container: string;
  path: string;
  /** Without quotes. */
  eTag: string;
  bytes: number;
  /** ISO instant. */
  lastModified: string;
}

export interface LakeListing {
  /**
   * One page of the files below a folder (with a trailing slash), in the order of their names; folders themselves are left out, so a page
   * may be short of `limit` or empty and still have a next one. `continuation` is opaque and may be kept for days. Rejects
   * `listing-expired` (begin the folder again), `container-missing`.
   */
  page(request: {
    folder: string;
    continuation: string | null;
    limit: number;
  }): Promise<{ files: ListedFile[]; continuation: string | null }>;
}
