// Valid records for tests: each maker gives one that differs from the others only where the test says so.
import { createHash } from 'node:crypto';
import { isStorageEvent, type LedgerEntry, type LedgerHead } from '../../shared/contracts/events.ts';
import { Pipeline, type PipelineBundle, type PipelineVersion } from '../../shared/contracts/pipeline.ts';
import type { ModelVersion, Promotion, Run, ServingEntry } from '../../shared/contracts/runs.ts';
import type { WindowMember } from '../../shared/contracts/windows.ts';
import type { BlobPlace } from '../../shared/ports/stores.ts';

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
export const entryIdOf = (text: string): string => `e-${digest(text).slice(0, 32)}`;
export const runIdOf = (story: 'refine' | 'train' | 'promote', pipeline: string, key: string, attempt = 1): string =>
  `${story}-${pipeline}-${key.slice(0, 16)}-a${attempt}`;
/** Instants in order: minute 0, 1, 2 … of one day; larger numbers reach the following days. */
export const minute = (number: number): string => new Date(Date.UTC(2026, 10, 20, 22) + number * 60_000).toISOString();

export const placeOf = (path: string): BlobPlace => ({ account: 'lake', container: 'data', path });

export function entryOf(place: BlobPlace, name: string, more: Partial<LedgerEntry> = {}): LedgerEntry {
  const event = {
    source: '/lake',
    id: name,
    kind: 'created',
    api: 'PutBlob',
    ...place,
    eTag: `0x${name}`,
    sequencer: '1',
    bytes: 3,
    time: minute(0),
  } as const;
  return {
    entryId: entryIdOf(name),
    event,
    rawSha256: null,
    pipeline: 'ble-location',
    verdict: { kind: 'accepted', rule: 'complete-file', reason: 'a complete file landed', evidence: {} },
    deliveries: 1,
    receivedAt: minute(0),
    instanceId: null,
    runId: null,
    window: null,
    chain: [],
    foundBy: 'queue',
    sha256: null,
    ...more,
  };
}

export function headOf(entry: LedgerEntry, more: Partial<LedgerHead> = {}): LedgerHead {
  return { eTag: isStorageEvent(entry.event) ? entry.event.eTag : '', sequencer: '1', sha256: null, entryId: entry.entryId, ...more };
}

/** The entry as a member of a window. */
export function memberOf(entry: LedgerEntry, ordinal: number, more: Partial<WindowMember> = {}): WindowMember {
  const { event, entryId } = entry;
  if (!isStorageEvent(event)) throw new Error('only files are members');
  const { account, container, path, eTag, sequencer, bytes } = event;
  const sha256 = digest(`content of ${path}`);
  return { entryId, account, container, path, eTag, sequencer, sha256, bytes, ordinal, late: false, carried: false, ...more };
}

export function runOf(story: 'refine' | 'train' | 'promote', keyText: string, more: Partial<Run> = {}): Run {
  const key = digest(keyText);
  const pipeline = more.pipeline ?? 'ble-location';
  const runId = runIdOf(story, pipeline, key, more.attempt ?? 1);
  return {
    runId,
    story,
    pipeline,
    contractDigest: digest('contract'),
    key,
    attempt: 1,
    instanceId: runId,
    owner: 'somebody',
    cause: { kind: 'person', ref: 'ada' },
    status: 'running',
    phase: 'opened',
    startedAt: minute(0),
    finishedAt: null,
    input: { pipeline },
    failure: null,
    jobs: [],
    refined: null,
    trained: null,
    promoted: null,
    next: [],
    seconds: {},
    ...more,
  };
}

export function modelOf(name: string, more: Partial<ModelVersion> = {}): ModelVersion {
  const modelDigest = more.modelDigest ?? digest(name);
  return {
    pipeline: 'ble-location',
    modelDigest,
    runId: runIdOf('train', 'ble-location', digest(`train ${name}`)),
    contractDigest: digest('contract'),
    goldDigest: digest('gold'),
    goldVersion: 3,
    metrics: { top1: 0.21 },
    archive: { storePath: `runs/${name}/model.tar.gz`, sha256: digest('archive'), bytes: 100 },
    createdAt: minute(0),
    ...more,
  };
}

export function promotionOf(name: string, more: Partial<Promotion> = {}): Promotion {
  return {
    promotionId: runIdOf('promote', 'ble-location', digest(name)),
    environment: 'dev',
    pipeline: 'ble-location',
    modelDigest: digest('model'),
    request: 1,
    requestedBy: 'ada',
    reason: 'better on site 2',
    requestedAt: minute(0),
    ...more,
  };
}

export function servingOf(name: string, more: Partial<ServingEntry> = {}): ServingEntry {
  return {
    endpoint: 'sagemaker/eu-central-1/ble-location-dev',
    environment: 'dev',
    pipeline: 'ble-location',
    modelDigest: digest(name),
    modelName: `ble-${name}`,
    configName: `ble-config-${name}`,
    promotionId: runIdOf('promote', 'ble-location', digest(name)),
    since: minute(0),
    ...more,
  };
}

/** A registered version with the same shape that a pipeline file gives after parsing. */
export function versionOf(name: string, marker: string): { version: PipelineVersion; bundle: PipelineBundle } {
  const image = `registry.test/ble-train@sha256:${digest('image')}`;
  const table = (sql: string) => ({ name: 'readings', sql, mode: 'overwrite' });
  const bundle: PipelineBundle = {
    file: `# ${marker}`,
    sql: { 'silver.sql': 'select 1', 'gold.sql': 'select 2' },
    images: { 'ble-train': image },
  };
  const version: PipelineVersion = {
    name,
    digest: digest(`${name} ${marker}`),
    spec: Pipeline.parse({
      apiVersion: 'sluice/v1',
      pipeline: name,
      data: 'lake',
      sources: [{ name: 'readings', path: 'bronze/x/', format: 'csv', columns: { a: 'integer' }, badRows: 'fail' }],
      complete: 'files 1',
      tables: { silver: table('silver.sql'), gold: table('gold.sql') },
      train: { backend: ['kubeflow'], component: 'ble-train', params: {}, deadline: '1h', cpu: 1, memoryGiB: 2 },
      gates: [{ metric: 'top1', atLeast: 0.1 }],
      environments: {
        dev: {
          development: true,
          approval: 'none',
          start: 'manual',
          rollout: 'all-at-once',
          parity: 1,
          targets: [
            {
              name: 'indoor',
              platform: 'sagemaker',
              endpoint: 'ble-location-dev',
              region: 'eu-central-1',
              roleArn: 'arn:aws:iam::123456789012:role/x',
              bucket: 'models-bucket',
              component: 'serve',
              instanceType: 'ml.m5.large',
              instanceCount: 1,
              healthyWithin: '10m',
            },
          ],
        },
      },
    }),
    sql: { silver: 'select 1', gold: 'select 2' },
    images: { 'ble-train': image },
  };
  return { version, bundle };
}
