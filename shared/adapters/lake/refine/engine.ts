// Port `RefineEngine` with DuckDB in this process: one piece of work at a time, so that the memory limit is the process's bound,
// each in a private folder and an engine of its own.
import type { BlobServiceClient } from '@azure/storage-blob';
import { TransientError } from '../../../errors/errors.ts';
import type { RefineEngine, Store } from '../../../ports/lake.ts';
import { openDuck, type Duck, type DuckLimits } from './duck.ts';
import { refuseForeignContainer } from '../lake.ts';
import { refineDataset } from './refine-dataset.ts';
import { stageGold } from './stage.ts';
import { openTable } from '../delta/table-files.ts';
import { sweep, withFolder } from './work-folder.ts';

export interface RefineEngineOptions {
  blobService: BlobServiceClient;
  /** Holds landed files and tables. */
  lakeContainer: string;
  store: Store;
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
}

/** A full disk is no fault of the data: another try, with other work done, may fit. */
function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new TransientError('disk-full', 'the work folder has no space left. Give it more disk or less at once.', { cause: error });
}

/** Makes the port. Nothing is opened or loaded before the first call. */
export function createRefineEngine(options: RefineEngineOptions): RefineEngine {
  const limits: DuckLimits = {
    memoryLimit: options.memoryLimit,
    threads: options.threads,
    diskLimit: options.diskLimit ?? '20GB',
    statementSeconds: options.statementSeconds ?? 1800,
  };
  const container = options.blobService.getContainerClient(options.lakeContainer);
  let last: Promise<unknown> = Promise.resolve();
  let swept: Promise<void> | null = null;

  /** Runs after the pieces of work that were asked for before. */
  async function inTurn<T>(work: (duck: Duck) => Promise<T>): Promise<T> {
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
  }

  return {
    async refine(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      const { pipeline, key } = request;
      // The order in which events came must not show in the tables.
      const files = [...request.files].sort((a, b) => (a.path < b.path ? -1 : 1));
      const now = options.clock ?? Date.now;
      const warn = options.warn ?? (() => undefined);
      return inTurn((duck) => refineDataset({ duck, container, pipeline, key, files, now, warn }));
    },
    async stage(request) {
      const { pipeline } = request;
      return inTurn((duck) =>
        stageGold(duck, openTable(duck, container, 'gold', pipeline.name, pipeline.spec.tables.gold.name), options.store, request),
      );
    },
  };
}
