// A lake for tests, in this process or on the test run's storage account: a container, a store, an engine, pipelines made of a few
// lines, and files that land.
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { createRefineEngine, type RefineEngineOptions } from '../../../../shared/adapters/lake/refine/engine.ts';
import { createMemoryStore } from '../../../../shared/adapters/memory/store.ts';
import { Pipeline, type PipelineVersion } from '../../../../shared/contracts/pipeline.ts';
import { blobsInProcess } from '../../../support/blobs-in-process.ts';
import type { RefineEngine, Store } from '../../../../shared/ports/lake.ts';

export const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex');

export interface Landed {
  path: string;
  sha256: string;
  eTag: string;
}

export interface Rig {
  service: BlobServiceClient;
  name: string;
  container: ContainerClient;
  store: Store;
  engine: RefineEngine;
  workDir: string;
  /** Another engine over the same lake, as a restarted process would have. */
  another(options?: Partial<RefineEngineOptions>): RefineEngine;
  land(path: string, content: Buffer | string): Promise<Landed>;
  /** Lands and refines in one go. The key is made of path and content, as the product's is. */
  refine(pipeline: PipelineVersion, path: string, content: Buffer | string, engine?: RefineEngine): ReturnType<RefineEngine['refine']>;
  text(path: string): Promise<string>;
  names(prefix: string): Promise<string[]>;
  /** Names left in the work folder. */
  leftovers(): Promise<string[]>;
}

/** A lake in this process. */
export async function makeRig(options: Partial<RefineEngineOptions> = {}): Promise<Rig> {
  const { service } = blobsInProcess();
  return rigOver(service, service, options);
}

/** A lake on the test run's storage account; `blobService` may be a wire to it that breaks. */
export async function makeStorageRig(options: Partial<RefineEngineOptions> = {}): Promise<Rig> {
  const direct = BlobServiceClient.fromConnectionString(inject('storage'));
  return rigOver(options.blobService ?? direct, direct, options);
}

async function rigOver(service: BlobServiceClient, direct: BlobServiceClient, options: Partial<RefineEngineOptions>): Promise<Rig> {
  const name = `lake-${randomUUID()}`;
  const { containerClient: container } = await direct.createContainer(name);
  const workDir = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  onTestFinished(async () => rm(workDir, { recursive: true, force: true }));
  const store = createMemoryStore();
  const defaults: RefineEngineOptions = { blobService: service, lakeContainer: name, store, workDir, memoryLimit: '512MB', threads: 2 };
  const engine = createRefineEngine({ ...defaults, ...options });
  const land = async (path: string, content: Buffer | string): Promise<Landed> => {
    const bytes = Buffer.from(content as string);
    const answer = await container.getBlockBlobClient(path).upload(bytes, bytes.length);
    return { path, sha256: sha256(bytes), eTag: answer.etag!.replaceAll('"', '') };
  };
  return {
    service,
    name,
    container,
    store,
    engine,
    workDir,
    another: (other = {}) => createRefineEngine({ ...defaults, ...other }),
    land,
    async refine(pipeline, path, content, by = engine) {
      const file = await land(path, content);
      return by.refine({ pipeline, key: sha256(`${pipeline.digest}${path}${file.sha256}`), container: name, files: [file] });
    },
    text: async (path) => (await container.getBlobClient(path).downloadToBuffer()).toString('utf8'),
    async names(prefix) {
      const found: string[] = [];
      for await (const blob of container.listBlobsFlat({ prefix })) found.push(blob.name.slice(prefix.length));
      return found;
    },
    leftovers: async () => readdir(workDir),
  };
}

type Tables = { silver?: Record<string, unknown>; gold?: Record<string, unknown> };

/** A pipeline "p" over columns `id, name, at, amount`, every part replaceable. */
export function pipelineOf(
  parts: { source?: Record<string, unknown>; tables?: Tables; silver?: string; gold?: string } = {},
): PipelineVersion {
  const spec = Pipeline.parse({
    apiVersion: 'sluice/v1',
    pipeline: 'p',
    data: 'lake',
    sources: [
      {
        name: 'in',
        path: 'bronze/p/',
        format: 'csv',
        columns: { id: 'integer', name: 'string', at: 'timestamp', amount: 'number' },
        ...parts.source,
      },
    ],
    complete: 'files 1',
    tables: {
      silver: { name: 'rows', sql: 'silver.sql', mode: 'append', ...parts.tables?.silver },
      gold: { name: 'training', sql: 'gold.sql', mode: 'overwrite', ...parts.tables?.gold },
    },
    train: { backend: ['kubeflow'], component: 'c' },
    gates: [{ metric: 'm', atLeast: 0 }],
    environments: {
      dev: {
        development: true,
        approval: 'none',
        targets: [
          {
            name: 't',
            platform: 'sagemaker',
            endpoint: 'e',
            region: 'eu-central-1',
            roleArn: 'arn:aws:iam::123456789012:role/r',
            bucket: 'bucket',
            instanceType: 'ml.m5.large',
          },
        ],
      },
    },
  });
  const sql = {
    silver:
      parts.silver ??
      'SELECT CAST(id AS BIGINT) AS id, name, CAST("at" AS TIMESTAMPTZ) AS seen, CAST(amount AS DOUBLE) AS amount FROM bronze ORDER BY _row -- file order',
    gold: parts.gold ?? 'SELECT * FROM silver ORDER BY id;',
  };
  return { name: spec.pipeline, digest: sha256(JSON.stringify([spec, sql])), spec, sql, images: {} };
}

export const HEADER = 'id,name,at,amount\n';
/** `count` good rows from number `from`. */
export function rowsOf(count: number, from = 1): string {
  const row = (n: number) => `${n},name ${n},2024-01-${String((n % 28) + 1).padStart(2, '0')}T10:00:00Z,${n}.5`;
  return Array.from({ length: count }, (_, n) => `${row(from + n)}\n`).join('');
}
