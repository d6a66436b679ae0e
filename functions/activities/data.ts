// Steps on landed files, tables and the ledger.
import { amendVerdict, fingerprintFile, refineDataset, stageTrainingData } from '../../shared/contracts/activities/data.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Dataset } from '../../shared/contracts/stories.ts';
import { caseOf } from '../../shared/decisions/quarantine.ts';
import type { Lake, RefineEngine, Store } from '../../shared/ports/lake.ts';
import type { CaseStore } from '../../shared/ports/quarantine.ts';
import type { Ledger, PipelineRegistry } from '../../shared/ports/stores.ts';
import { datasetFiles, remoteFiles } from './dataset.ts';
import { perform, type Activity } from './kit.ts';

export interface DataPorts {
  lake: Lake;
  engine: RefineEngine;
  store: Store;
  ledger: Ledger;
  pipelines: PipelineRegistry;
  caseStore: Pick<CaseStore, 'open'>;
}

/** The version that a run was started with; versions are immutable, so it is there unless somebody removed the store. */
export async function pipelineVersion(pipelines: PipelineRegistry, name: string, digest: string): Promise<PipelineVersion> {
  const version = await pipelines.version(name, digest);
  if (!version)
    throw new RejectedError(
      'pipeline-unknown',
      `Pipeline ${name} has no version ${digest.slice(0, 12)}; register it with: sluice apply DIR`,
    );
  return version;
}

type Content = Pick<Parameters<RefineEngine['refine']>[0], 'files' | 'remote' | 'commit'>;

export function dataActivities(ports: DataPorts): Activity[] {
  return [
    perform(fingerprintFile, ({ container, path, eTag }) => ports.lake.fingerprint(container, path, eTag)),

    perform(amendVerdict, async ({ blob, entryId, ...change }) => {
      await ports.ledger.amend(blob, entryId, change);
      return {};
    }),

    perform(refineDataset, async ({ pipeline, contractDigest, runId, key, dataset, chain }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const request = { pipeline: version, key, chain, runId };
      if (dataset.silver) return ports.engine.refineGold({ ...request, silver: dataset.silver });
      const content = await contentOf(ports, version, dataset);
      const refined = await ports.engine.refine({ ...request, container: dataset.container, ...content });
      // Insert-if-absent: a retry of this step finds the case that it opened.
      const at = new Date().toISOString();
      const opened = caseOf({ pipeline, contractDigest, key, runId, refined, at, by: 'sluice' });
      if (opened) await ports.caseStore.open(opened);
      return refined;
    }),

    perform(stageTrainingData, async ({ pipeline, contractDigest, gold }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return { files: await ports.engine.stage({ pipeline: version, gold }) };
    }),
  ];
}

/** What a dataset consists of, as the engine takes it. */
async function contentOf(ports: DataPorts, version: PipelineVersion, dataset: Dataset): Promise<Content> {
  if (dataset.commit) return { files: [], commit: dataset.commit };
  if (dataset.manifest) return { files: [], remote: await remoteFiles(ports.store, [dataset.manifest.sha256]) };
  const files = dataset.files ?? (await datasetFiles(ports, version, dataset.windows ?? []));
  if (version.spec.data === 'lake') return { files };
  const manifests = files.map(({ sha256 }) => sha256);
  return { files: [], remote: await remoteFiles(ports.store, manifests) };
}
