// Where work on tables happens in this process: one piece at a time, so that the memory limit is the process's bound, each in a
// private folder and an engine of its own. Refining, quarantine and erasure share one workshop.
import type { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { TransientError } from '../../../errors/errors.ts';
import type { UnpackLimits } from '../csv/gunzip.ts';
import { readFrom } from '../landed-file.ts';
import { PLAIN_FROM } from './bronze.ts';
import { openDuck, type Duck, type DuckLimits } from './duck.ts';
import { sweep, withFolder } from './work-folder.ts';
import type { Work } from './work.ts';

export interface WorkshopOptions {
  blobService: BlobServiceClient;
  /** Holds landed files and tables. */
  lakeContainer: string;
  /** Folder for fetched files, spilled data and results; private folders are made below it and removed. */
  workDir: string;
  /** DuckDB's limit, e.g. `512MB`; the process takes up to 375 MiB more. */
  memoryLimit: string;
  threads: number;
  /** Spill space, e.g. `20GB`. */
  diskLimit?: string;
  /** Longest single statement. */
  statementSeconds?: number;
  /** Milliseconds since the epoch. */
  clock?: () => number;
  /** Told of what went wrong without failing the work (a checkpoint that was not written). */
  warn?: (message: string) => void;
  /** Bounds of a packed file (`.csv.gz`): what it may become in bytes, and in bytes per packed byte. */
  maxUnpackedBytes?: number;
  maxUnpackRatio?: number;
  /** Bytes of CSV from which DuckDB reads plain files itself; Infinity: never. */
  plainFrom?: number;
}

/** What every piece of work has from its workshop. */
export type Bench = Pick<Work, 'container' | 'read' | 'plainFrom' | 'now' | 'warn'> & { limits: UnpackLimits };

export interface Workshop {
  container: ContainerClient;
  lakeContainer: string;
  bench: Bench;
  /** Runs after the pieces of work that were asked for before. */
  inTurn: <T>(work: (duck: Duck) => Promise<T>) => Promise<T>;
}

const GIB = 1024 ** 3;

/** A full disk is no fault of the data: another try, with other work done, may fit. */
function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new TransientError('disk-full', 'the work folder has no space left. Give it more disk or less at once.', { cause: error });
}

/** Nothing is opened or loaded before the first piece of work. */
export function createWorkshop(options: WorkshopOptions): Workshop {
  const limits: DuckLimits = {
    memoryLimit: options.memoryLimit,
    threads: options.threads,
    diskLimit: options.diskLimit ?? '20GB',
    statementSeconds: options.statementSeconds ?? 1800,
  };
  const container = options.blobService.getContainerClient(options.lakeContainer);
  let last: Promise<unknown> = Promise.resolve();
  let swept: Promise<void> | null = null;
  return {
    container,
    lakeContainer: options.lakeContainer,
    bench: {
      container,
      read: readFrom(container),
      limits: { maxUnpackedBytes: options.maxUnpackedBytes ?? 50 * GIB, maxRatio: options.maxUnpackRatio ?? 200 },
      plainFrom: options.plainFrom ?? PLAIN_FROM,
      now: options.clock ?? Date.now,
      warn: options.warn ?? (() => undefined),
    },
    async inTurn(work) {
      const turn = last.then(async () => {
        swept ??= sweep(options.workDir).catch((error: unknown) => {
          swept = null;
          throw error;
        });
        await swept;
        return withFolder(options.workDir, async (dir) => {
          const duck = await openDuck(dir, limits);
          try {
            return await work(duck);
          } catch (error) {
            throw diskError(error);
          } finally {
            duck.close();
          }
        });
      });
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}
