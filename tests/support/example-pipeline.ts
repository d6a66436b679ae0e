// The example pipeline as a registered version, for tests that need one.
import { readFileSync } from 'node:fs';
import type { PipelineBundle, PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { parsePipelineFile } from '../../shared/contracts/pipeline-file.ts';
import { digestOf } from '../../shared/decisions/digest.ts';

const image = (name: string, digit: string): string => `sluice/${name}@sha256:${digit.repeat(64)}`;

export function exampleBundle(): PipelineBundle {
  const read = (name: string): string => readFileSync(`examples/ble-location/${name}`, 'utf8');
  return {
    file: read('sluice.yaml'),
    sql: { 'silver.sql': read('silver.sql'), 'gold.sql': read('gold.sql') },
    images: { transfer: image('transfer', '1'), 'ble-train': image('ble-train', '2'), serve: image('serve', '3') },
  };
}

export function exampleVersion(): { version: PipelineVersion; bundle: PipelineBundle } {
  const bundle = exampleBundle();
  const parsed = parsePipelineFile(bundle.file);
  if (!parsed.ok) throw new Error(`the example is not a pipeline: ${JSON.stringify(parsed.problems)}`);
  const sql = { silver: bundle.sql['silver.sql'] ?? '', gold: bundle.sql['gold.sql'] ?? '' };
  return {
    bundle,
    version: { name: parsed.pipeline.pipeline, digest: digestOf(bundle), spec: parsed.pipeline, sql, images: bundle.images },
  };
}
