// Port `RefineEngine` with DuckDB in this process: one piece of work at a time, so that the memory limit is the process's bound,
// each in a private folder and an engine of its own.
import type { BlobServiceClient } from '@azure/storage-blob';
import { RejectedError, TransientError } from '../../../errors/errors.ts';
import type { RefineEngine, Store } from '../../../ports/lake.ts';
import { openDuck, type Duck, type DuckLimits } from './duck.ts';
import { refuseForeignContainer } from '../lake.ts';
import { PLAIN_FROM } from './bronze.ts';
import { allOf, sizeOf } from './dataset-files.ts';
import { preview } from './preview.ts';
import { readGold } from './gold.ts';
import { refineDataset, refineGold } from './refine-dataset.ts';
import { tablesOf } from './work.ts';
import { stageGold } from './stage.ts';
import { readFrom } from '../landed-file.ts';
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
  /** Bounds of a packed file (`.csv.gz`): what it may become in bytes, and in bytes per packed byte. */
  maxUnpackedBytes?: number;
  maxUnpackRatio?: number;
  /** Bytes of CSV from which DuckDB reads plain files itself; Infinity: never. */
  plainFrom?: number;
}

const GIB = 1024 ** 3;

/** A full disk is no fault of the data: another try, with other work done, may fit. */
function diskError(error: unknown): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new TransientError('disk-full', 'the work folder has no space left. Give it more disk or less at once.', { cause: error });
}

/** Rows that stay on the premises are refined beside them; this engine works where the lake is. */
function remoteData(pipeline: string): RejectedError {
  return new RejectedError(
    'data-on-premises',
    `the rows of pipeline "${pipeline}" stay on the premises, so they are not refined here. Mend: let the training side refine them, or set "data: lake" and drop the rows themselves.`,
  );
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

  const read = readFrom(container);
  const common = {
    container,
    limits: { maxUnpackedBytes: options.maxUnpackedBytes ?? 50 * GIB, maxRatio: options.maxUnpackRatio ?? 200 },
    plainFrom: options.plainFrom ?? PLAIN_FROM,
    now: options.clock ?? Date.now,
    warn: options.warn ?? (() => undefined),
  };

  return {
    async refine(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      if (request.remote && request.remote.length > 0) throw remoteData(request.pipeline.name);
      const { pipeline, key, chain, runId, commit } = request;
      const files = commit ? [] : await allOf(request.files);
      return inTurn((duck) => refineDataset({ ...common, duck, read, pipeline, key, files, commit, chain, runId }));
    },
    async refineGold({ pipeline, key, silver, chain, runId }) {
      const work = { ...common, read, pipeline, key, files: [], commit: undefined, chain, runId };
      return inTurn((duck) => refineGold({ ...work, duck }, silver.version));
    },
    async readGold({ pipeline, version }) {
      return inTurn((duck) => readGold(tablesOf({ duck, container, pipeline }).gold, version));
    },
    async stage(request) {
      const { pipeline } = request;
      return inTurn((duck) => stageGold(duck, tablesOf({ duck, container, pipeline }).gold, options.store, request));
    },
    async size(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      return sizeOf(container, request.files);
    },
    async preview({ pipeline, files }) {
      return inTurn((duck) => preview({ ...common, duck, pipeline }, files, read));
    },
  };
}
