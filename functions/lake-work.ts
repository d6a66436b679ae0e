// Everything that works on tables shares one workshop: one piece of work at a time, so that the memory limit is the process's bound.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobServiceClient } from '@azure/storage-blob';
import type { Config } from '../shared/config/config.ts';
import type { ErasureEngine, RefineEngine, Store } from '../shared/ports/lake.ts';
import type { CaseStore, QuarantineCases } from '../shared/ports/quarantine.ts';
import { lazily, once } from './lazy.ts';

export interface LakeWork {
  engine: RefineEngine;
  /** Rows that were set aside, as people work on them. */
  cases: QuarantineCases;
  erasure: ErasureEngine;
}

export interface LakeWorkParts {
  config: Config;
  lakeBlobs: () => Promise<BlobServiceClient>;
  stateBlobs: () => Promise<BlobServiceClient>;
  store: Store;
  caseStore: CaseStore;
}

export function createLakeWork({ config, lakeBlobs, stateBlobs, store, caseStore }: LakeWorkParts): LakeWork {
  const open = once(async () => {
    const [{ createWorkshop }, blobService] = await Promise.all([import('../shared/adapters/lake/refine/workshop.ts'), lakeBlobs()]);
    const options = {
      blobService,
      lakeContainer: config.lake.container,
      workDir: config.refine.workDir ?? join(tmpdir(), 'sluice'),
      memoryLimit: `${config.refine.memoryLimitMb}MB`,
      threads: 1,
    };
    return { options, workshop: createWorkshop(options) };
  });
  return {
    engine: lazily<RefineEngine>(async () => {
      const [{ createRefineEngine }, { options, workshop }] = await Promise.all([
        import('../shared/adapters/lake/refine/engine.ts'),
        open(),
      ]);
      return createRefineEngine({ ...options, store }, workshop);
    }),
    cases: lazily<QuarantineCases>(async () => {
      const [{ createQuarantineCases }, { workshop }] = await Promise.all([
        import('../shared/adapters/lake/refine/quarantine-cases.ts'),
        open(),
      ]);
      return createQuarantineCases({ workshop, cases: caseStore, store });
    }),
    erasure: lazily<ErasureEngine>(async () => {
      const [{ createErasureEngine }, { workshop }, service] = await Promise.all([
        import('../shared/adapters/lake/refine/erasure.ts'),
        open(),
        stateBlobs(),
      ]);
      return createErasureEngine({ workshop, store: service.getContainerClient(config.state.container) });
    }),
  };
}
