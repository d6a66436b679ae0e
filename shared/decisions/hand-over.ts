// Who refines a dataset: the engine in this process, or, above a configured size, a larger one that somebody runs beside it.

/** Engines outside this process; each has its own adapter. */
export type LargeEngine = 'data-factory' | 'databricks';

export interface HandOverPolicy {
  /** Unpacked bytes above which the step is handed over; null: never. */
  aboveBytes: number | null;
  to: LargeEngine | null;
}

export type HandOver = { engine: 'embedded'; reason: string } | { engine: LargeEngine; reason: string };

/** What text usually becomes when it is unpacked: a packed file of a gigabyte is not a small one. */
export const UNPACKED_FACTOR = 8;

/** Decides by the size that storage tells, before anything is read. */
export function decideHandOver(size: { files: number; bytes: number; packedBytes: number }, policy: HandOverPolicy): HandOver {
  const unpacked = size.bytes + size.packedBytes * (UNPACKED_FACTOR - 1);
  const what = `${size.files} file${size.files === 1 ? '' : 's'} of about ${megabytes(unpacked)} MB`;
  if (policy.aboveBytes === null || policy.to === null) return { engine: 'embedded', reason: `${what}; no larger engine is configured` };
  const limit = `${megabytes(policy.aboveBytes)} MB`;
  if (unpacked <= policy.aboveBytes) return { engine: 'embedded', reason: `${what}, at most ${limit}` };
  return { engine: policy.to, reason: `${what}, above ${limit}` };
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 1 : 0);
}
