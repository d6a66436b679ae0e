// Steps on landed files, tables and the ledger.
import { amendVerdict, fingerprintFile, refineDataset, stageTrainingData } from '../../shared/contracts/activities/data.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { Lake, RefineEngine } from '../../shared/ports/lake.ts';
import type { Ledger, PipelineRegistry } from '../../shared/ports/stores.ts';
import { perform, type Activity } from './kit.ts';

export interface DataPorts {
  lake: Lake;
  engine: RefineEngine;
  ledger: Ledger;
  pipelines: PipelineRegistry;
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

export function dataActivities(ports: DataPorts): Activity[] {
  return [
    perform(fingerprintFile, ({ container, path, eTag }) => ports.lake.fingerprint(container, path, eTag)),

    perform(amendVerdict, async ({ blob, entryId, ...change }) => {
      await ports.ledger.amend(blob, entryId, change);
      return {};
    }),

    perform(refineDataset, async ({ pipeline, contractDigest, ...dataset }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return ports.engine.refine({ pipeline: version, ...dataset });
    }),

    perform(stageTrainingData, async ({ pipeline, contractDigest, gold }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      return { files: await ports.engine.stage({ pipeline: version, gold }) };
    }),
  ];
}
