// Port `RefineEngine` with DuckDB in this process.
import { RejectedError } from '../../../errors/errors.ts';
import type { RefineEngine, Store } from '../../../ports/lake.ts';
import { refuseForeignContainer } from '../lake.ts';
import { allOf, sizeOf } from './dataset-files.ts';
import { readGold } from './gold.ts';
import { preview } from './preview.ts';
import { refineDataset, refineGold } from './refine-dataset.ts';
import { stageGold } from './stage.ts';
import { tablesOf } from './work.ts';
import { createWorkshop, type Workshop, type WorkshopOptions } from './workshop.ts';

export interface RefineEngineOptions extends WorkshopOptions {
  store: Store;
}

/** Rows that stay on the premises are refined beside them; this engine works where the lake is. */
function remoteData(pipeline: string): RejectedError {
  return new RejectedError(
    'data-on-premises',
    `the rows of pipeline "${pipeline}" stay on the premises, so they are not refined here. Mend: let the training side refine them, or set "data: lake" and drop the rows themselves.`,
  );
}

/** Makes the port. Nothing is opened or loaded before the first call. */
export function createRefineEngine(options: RefineEngineOptions, workshop: Workshop = createWorkshop(options)): RefineEngine {
  const { container, bench, inTurn } = workshop;
  return {
    async refine(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      if (request.remote && request.remote.length > 0) throw remoteData(request.pipeline.name);
      const { pipeline, key, chain, runId, commit } = request;
      const files = commit ? [] : await allOf(request.files);
      return inTurn((duck) => refineDataset({ ...bench, duck, pipeline, key, files, commit, chain, runId }));
    },
    async refineGold({ pipeline, key, silver, chain, runId }) {
      const work = { ...bench, pipeline, key, files: [], commit: undefined, chain, runId };
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
      return inTurn((duck) => preview({ ...bench, duck, pipeline }, files, bench.read));
    },
  };
}
