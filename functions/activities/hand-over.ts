// Steps on refinings that an engine outside this process carries out: measured, told, started, judged.
import { judgeHandOver, measureDataset, startHandOver, writeHandOver } from '../../shared/contracts/activities/hand-over.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { Dataset } from '../../shared/contracts/stories.ts';
import { handOverFolder, handOverName, manifestOf, pipelineParameters, refiningJob } from '../../shared/decisions/hand-over.ts';
import { sha256Hex } from '../../shared/decisions/digest.ts';
import { judgeCommit } from '../../shared/decisions/judge-commit.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { DataPipelines } from '../../shared/ports/data-pipelines.ts';
import type { HandOverDesk } from '../../shared/ports/hand-over.ts';
import type { DatasetFile, RefineEngine, Store } from '../../shared/ports/lake.ts';
import type { Ledger, PipelineRegistry } from '../../shared/ports/stores.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { pipelineVersion } from './data.ts';
import { datasetFiles } from './dataset.ts';
import { perform, type Activity } from './kit.ts';

export interface HandOverPorts {
  engine: RefineEngine;
  desk: HandOverDesk;
  store: Store;
  ledger: Ledger;
  pipelines: PipelineRegistry;
  /** null: no Data Factory is connected. */
  dataPipelines: DataPipelines | null;
  backends: Readonly<Record<string, TrainingBackend>>;
}

export function handOverActivities(ports: HandOverPorts): Activity[] {
  return [
    perform(measureDataset, async ({ pipeline, contractDigest, dataset }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const files = await landedFiles(ports, version, dataset);
      return { size: files === null ? null : await ports.engine.size({ container: dataset.container, files }) };
    }),

    perform(writeHandOver, async ({ pipeline, contractDigest, runId, key, dataset, chain, engine }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const files = (await landedFiles(ports, version, dataset)) ?? [];
      const text = JSON.stringify(manifestOf({ version, runId, key, lake: ports.desk.lake, files, chain }));
      const content = Buffer.from(text);
      const path = `${handOverFolder(runId)}/manifest.json`;
      // Data Factory reads in the lake; the volume of a Databricks workspace is over the store.
      if (engine === 'data-factory') await ports.desk.leave(path, content);
      else await ports.store.create(path, content, 'application/json');
      return { manifest: { path, sha256: sha256Hex(text), bytes: content.byteLength } };
    }),

    perform(startHandOver, async ({ pipeline, contractDigest, runId, key, engine, by, manifest, deadlineSeconds }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const jobName = handOverName(runId);
      if (engine === 'data-factory') {
        const parameters = pipelineParameters(version, key, manifest.path);
        const started = await connected(ports.dataPipelines, 'Data Factory', 'DATAFACTORY_*').start({
          pipeline: by,
          runKey: jobName,
          parameters,
        });
        return { ...started, jobName };
      }
      const backend = connected(ports.backends['databricks'] ?? null, 'Databricks', 'DATABRICKS_*');
      const job = refiningJob({ version, runId, image: by, manifest, deadlineSeconds });
      const asked = await backend.check(job);
      if (!asked.available) throw new RejectedError('hand-over-unavailable', `Databricks cannot refine: ${asked.missing}`);
      return { ...(await backend.submit(job)), jobName };
    }),

    perform(judgeHandOver, async ({ pipeline, contractDigest, key, dataset, ended }) => {
      const version = await pipelineVersion(ports.pipelines, pipeline, contractDigest);
      const { silver, gold } = await ports.desk.committed({ pipeline: version, key });
      const layers = Object.entries({ silver, gold }).filter(([, found]) => found === null);
      const missing = layers.map(([layer]) => `no commit with the transaction sluice-${key} in ${layer}`).join(' and ');
      if (silver === null || gold === null) return { refined: null, missing, warnings: [] };
      // Who refines by path may have read a later version of a file than the one that was handed over.
      const files = ended ? await landedFiles(ports, version, dataset) : null;
      const { tables } = version.spec;
      const judged = [judgeCommit(tables.silver, silver), judgeCommit(tables.gold, gold)];
      try {
        if (files !== null) await ports.engine.size({ container: dataset.container, files });
        for (const { refused } of judged) if (refused) throw new RejectedError(refused.code, refused.message);
      } catch (error) {
        throw error instanceof RejectedError ? await withoutCommits(ports.desk, version, key, error) : error;
      }
      const unjudged = [...new Set(judged.flatMap((one) => one.unjudged))];
      const warning = `Not judged here, because statistics do not tell it; the engine fails where they are broken: ${unjudged.join(', ')}`;
      return {
        refined: {
          silver: silver.commit,
          gold: gold.commit,
          readRows: silver.readRows ?? silver.commit.addedRows,
          quarantinedRows: 0,
          findings: judged.flatMap(({ findings }) => findings),
        },
        missing: '',
        warnings: unjudged.length === 0 ? [] : [warning.slice(0, 1000)],
      };
    }),
  ];
}

/** What was refused must not be read: its commits are taken back, and the refusal says so. */
async function withoutCommits(desk: HandOverDesk, pipeline: PipelineVersion, key: string, refusal: RejectedError): Promise<RejectedError> {
  const said = await desk.takeBack({ pipeline, key, reason: refusal.code });
  return new RejectedError(refusal.code, `${refusal.message} The refused commit: ${said.join('; ')}.`, { cause: refusal });
}

/** The landed files of a dataset; null where it consists of something else. */
async function landedFiles(ports: HandOverPorts, version: PipelineVersion, dataset: Dataset): Promise<DatasetFile[] | null> {
  if (version.spec.data !== 'lake') return null;
  if (dataset.files) return dataset.files;
  return dataset.windows ? datasetFiles(ports, version, dataset.windows) : null;
}

function connected<Port>(port: Port | null, what: string, settings: string): Port {
  if (port !== null) return port;
  throw new RejectedError(
    'hand-over-missing',
    `SLUICE_HANDOVER_TO names ${what}, and this deployment is not connected to it: set ${settings}`,
  );
}
