// The example pipeline with some things changed, and small data for it: tests of whole stories need many pipelines that differ in one point.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Gate, PipelineBundle } from '../../shared/contracts/pipeline.ts';

export interface Variant {
  /** Name of the pipeline; its landing folder is `bronze/<name>/`, its endpoint `<name>-dev`. */
  pipeline: string;
  /** Training component and its parameters; a quick `ble-train` without it. */
  train?: { component: string; params: Record<string, unknown> };
  /** Serving component. */
  serve?: string;
  healthyWithin?: string;
  start?: 'run' | 'manual';
  gates?: Gate[];
}

/** Enough epochs for the few, well separated cells of `readings`. */
const QUICK = { component: 'ble-train', params: { testShare: 0.25, seed: 0, hiddenLayers: [16], epochs: 20 } };
const NO_LEAKS: Gate = { metric: 'leakedRows', atMost: 0 };

interface ExampleFile {
  pipeline: string;
  sources: { path: string }[];
  train: Record<string, unknown>;
  gates: unknown[];
  environments: { dev: { start: string; targets: Record<string, unknown>[] } };
}

/** What `PUT /pipelines/{name}` takes. */
export async function variantBundle(root: string, images: Readonly<Record<string, string>>, variant: Variant): Promise<PipelineBundle> {
  const folder = join(root, 'examples', 'ble-location');
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  const { train = QUICK, serve = 'serve', gates = [NO_LEAKS] } = variant;
  const file = parse(await read('sluice.yaml')) as ExampleFile;
  const [source] = file.sources;
  const [target] = file.environments.dev.targets;
  if (!source || !target) throw new Error('the example has no source or no target');
  file.pipeline = variant.pipeline;
  source.path = landingFolder(variant.pipeline);
  Object.assign(file.train, train);
  file.gates = gates;
  file.environments.dev.start = variant.start ?? 'run';
  Object.assign(target, {
    endpoint: `${variant.pipeline}-dev`,
    component: serve,
    healthyWithin: variant.healthyWithin ?? '10m',
  });
  const needed = ['transfer', train.component, serve].map((name) => [name, images[name] ?? `no image of ${name}`]);
  return {
    file: stringify(file),
    sql: { 'silver.sql': await read('silver.sql'), 'gold.sql': await read('gold.sql') },
    images: Object.fromEntries(needed) as Record<string, string>,
  };
}

export function landingFolder(pipeline: string): string {
  return `bronze/${pipeline}/`;
}

const BEACONS = 13;
const CELLS = ['E01', 'G03', 'J05', 'L07', 'N02', 'R06'];
export const HEADER = ['location', 'date', ...Array.from({ length: BEACONS }, (_, index) => `b${3001 + index}`)].join(',');

/** A landing file of some readings in six cells; another seed gives other rows. */
export function readings(seed: number, rows = 240): string {
  let state = seed * 2_654_435_761 + 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
  const lines = Array.from({ length: rows }, (_, row) => {
    const cell = row % CELLS.length;
    const signals = Array.from({ length: BEACONS }, (_unused, beacon) => {
      const near = beacon % CELLS.length === cell;
      return near || random(3) === 0 ? -(near ? 50 : 75) - random(9) : -200;
    });
    const date = `10-18-2016 ${8 + (Math.floor(row / 3600) % 12)}:${pad(Math.floor(row / 60) % 60)}:${pad(row % 60)}`;
    return [CELLS[cell], date, ...signals].join(',');
  });
  return `${[HEADER, ...lines].join('\n')}\n`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
