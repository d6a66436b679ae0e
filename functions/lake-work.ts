// Everything that works on tables shares one workshop: one piece of work at a time, so that the memory limit is the process's bound.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobServiceClient } from '@azure/storage-blob';
import type { Config } from '../shared/config/config.ts';
import type { HandOverDesk } from '../shared/ports/hand-over.ts';
import type { ErasureEngine, RefineEngine, Store } from '../shared/ports/lake.ts';
import type { CaseStore, QuarantineCases } from '../shared/ports/quarantine.ts';
import type { Workshop } from '../shared/adapters/lake/refine/workshop.ts';
import { lazily, once } from './lazy.ts';

export interface LakeWork {
  engine: RefineEngine;
  /** Rows that were set aside, as people work on them. */
  cases: QuarantineCases;
  erasure: ErasureEngine;
  /** Where work for engines outside this process is left. */
  desk: HandOverDesk;
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
    desk: lakeDesk(config, async () => (await open()).workshop),
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

function lakeDesk({ lake }: Config, workshop: () => Promise<Workshop>): HandOverDesk {
  const url = lakeUrl(lake);
  const desk = lazily<Omit<HandOverDesk, 'lake'>>(async () => {
    const { createHandOverDesk } = await import('../shared/adapters/lake/refine/hand-over-desk.ts');
    return createHandOverDesk({ workshop: await workshop(), lake: url, warn: (message) => console.warn(message) });
  });
  return {
    lake: url,
    leave: (path, content) => desk.leave(path, content),
    committed: (request) => desk.committed(request),
    takeBack: (request) => desk.takeBack(request),
  };
}

/** The container as Spark names it; where only a connection string is known, by the account's blob endpoint. */
export function lakeUrl({ blob, container, account }: Config['lake']): string {
  if ('uri' in blob) return `abfss://${container}@${new URL(blob.uri).host.replace('.blob.', '.dfs.')}/`;
  const [, endpoint] = /(?:^|;)BlobEndpoint=([^;]+)/.exec(blob.connectionString) ?? [];
  return endpoint === undefined ? `abfss://${container}@${account}.dfs.core.windows.net/` : `${endpoint.replace(/\/$/, '')}/${container}/`;
}
