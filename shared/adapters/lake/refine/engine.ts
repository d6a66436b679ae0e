// Port `RefineEngine` with DuckDB in this process.
import type { RefineEngine, Store } from '../../../ports/lake.ts';
import { refuseForeignContainer } from '../lake.ts';
import { allOf, sizeOf } from './dataset-files.ts';
import { readGold } from './gold.ts';
import { addressesOf, ofManifests } from './manifest-rows.ts';
import { preview } from './preview.ts';
import { refineDataset, refineGold } from './refine-dataset.ts';
import { stageGold } from './stage.ts';
import { tablesOf } from './work.ts';
import { createWorkshop, type Workshop, type WorkshopOptions } from './workshop.ts';

export interface RefineEngineOptions extends WorkshopOptions {
  store: Store;
}

/** Makes the port. Nothing is opened or loaded before the first call. */
export function createRefineEngine(options: RefineEngineOptions, workshop: Workshop = createWorkshop(options)): RefineEngine {
  const { container, bench, inTurn } = workshop;
  return {
    async refine(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      const { key, chain, runId, commit, remote } = request;
      // Rows that stay on the premises are refined beside them: the tables here hold what their manifests say.
      const pipeline = remote ? ofManifests(request.pipeline) : request.pipeline;
      const files = commit || remote ? [] : await allOf(request.files);
      return inTurn((duck) => refineDataset({ ...bench, duck, pipeline, key, files, commit, remote, chain, runId }));
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
      return inTurn((duck) => {
        const { gold } = tablesOf({ duck, container, pipeline });
        if (pipeline.spec.data === 'on-premises') return addressesOf(duck, gold, request.gold);
        return stageGold(duck, gold, options.store, request);
      });
    },
    async size(request) {
      refuseForeignContainer(request.container, options.lakeContainer);
      return sizeOf(container, request.files);
    },
    async preview({ pipeline, files, remote }) {
      const planned = remote ? ofManifests(pipeline) : pipeline;
      return inTurn((duck) => preview({ ...bench, duck, pipeline: planned, remote }, files, bench.read));
    },
  };
}
