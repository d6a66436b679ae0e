// `npm run bench`: what Sluice itself costs. Overhead of warm stories (wall time less the component processes' own) and the cold import of the app.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Context } from '../../cli/context.ts';
import { createContext } from '../../cli/context.ts';
import { follow } from '../../cli/follow.ts';
import { landFile } from '../../cli/landing.ts';
import { createOutput } from '../../cli/output.ts';
import { readPipelineFolder } from '../../cli/pipeline-folder.ts';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { benchColdImport } from './cold-import.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const STORIES = Number(process.env['SLUICE_BENCH_STORIES'] ?? '5');
const output = createOutput({ json: process.argv.includes('--json'), out: process.stdout, err: process.stderr });

interface Story {
  wall: number;
  components: number;
  stages: Record<string, number>;
}

/** Seconds that the steps of a job ran, by the training service's own record of each. */
async function stepSeconds(stack: Stack, jobId: string): Promise<number> {
  const response = await fetch(`${stack.urls['kubeflow']}/apis/v2beta1/runs/${jobId}`, { signal: AbortSignal.timeout(10_000) });
  const run = (await response.json()) as {
    run_details?: {
      task_details?: { start_time?: string; end_time?: string; pod_name?: string; display_name?: string; child_tasks?: unknown[] }[];
    };
  };
  const tasks = (run.run_details?.task_details ?? []).filter((task) => task.start_time && task.end_time && !task.child_tasks?.length);
  return tasks.reduce((sum, task) => sum + (Date.parse(task.end_time ?? '') - Date.parse(task.start_time ?? '')) / 1000, 0);
}

async function tell(context: Context, stack: Stack, file: string, index: number): Promise<Story> {
  const api = await context.api();
  const begun = Date.now();
  const landed = await landFile(context, api, file, 'ble-location', `bench-${index}.csv`);
  const silent = { verdict: () => undefined, phase: () => undefined };
  const { runs } = await follow(api, landed.path, landed.eTag, silent, 300_000);
  const wall = (Date.now() - begun) / 1000;
  const failed = runs.find((run: RunSummary) => run.status !== 'succeeded');
  if (failed || runs.length < 3) throw new Error(`story ${index}: ${failed?.failure?.message ?? 'it ended early'}`);
  const jobs = runs.flatMap((run) => run.jobs);
  const components = (await Promise.all(jobs.map((job) => stepSeconds(stack, job.jobId)))).reduce((sum, value) => sum + value, 0);
  return { wall, components, stages: Object.assign({}, ...runs.map((run) => run.seconds)) as Record<string, number> };
}

async function benchStories(): Promise<Story[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const say = (line: string): void => output.line(`  ${line}`);
  const stack = await startStack({
    root,
    dataDir,
    host: 'local',
    ports: { api: 0, lake: 0, queue: 0, table: 0 },
    environment: process.env,
    say,
  });
  try {
    const context = createContext({ output, environment: process.env, root, dataDir });
    const { bundle } = await readPipelineFolder(join(root, 'examples/ble-location'), stack.images);
    await (await context.api()).send('PUT', '/pipelines/ble-location', bundle);
    const stories: Story[] = [];
    for (let index = 0; index <= STORIES; index += 1) {
      const file = join(dataDir, `data-${index}.csv`);
      await promisify(execFile)(stack.python, [
        join(root, 'examples/ble-location/generate.py'),
        '--rows',
        '1420',
        '--seed',
        String(index + 1),
        '--out',
        file,
      ]);
      const story = await tell(context, stack, file, index);
      if (index > 0) stories.push(story);
      output.line(
        `  story ${index}${index === 0 ? ' (warm-up, not counted)' : ''}: ${story.wall.toFixed(2)} s, components ${story.components.toFixed(2)} s`,
      );
    }
    return stories;
  } finally {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

output.line('Warm stories: ble-location on generated data, one after the other');
const stories = await benchStories();
const overhead = median(stories.map((story) => story.wall - story.components));
const names = [...new Set(stories.flatMap((story) => Object.keys(story.stages)))].sort();
output.table(
  ['stage', 'median s'],
  [
    ...names.map((name) => [name, median(stories.map((story) => story.stages[name] ?? 0)).toFixed(2)]),
    ['wall', median(stories.map((story) => story.wall)).toFixed(2)],
    ['components', median(stories.map((story) => story.components)).toFixed(2)],
    ['overhead', overhead.toFixed(2)],
  ],
);
output.line('  overhead = wall less the steps of the training and publishing jobs; starting the serving process counts as overhead');
output.line();
const cold = await benchColdImport(9);
output.line('Cold import, fresh processes in turn (median)');
output.table(
  ['what', 'ms'],
  [
    ['built app', cold.appMs.toFixed(0)],
    ['@azure/functions + durable-functions', cold.sdkMs.toFixed(0)],
    ['ratio', cold.ratio.toFixed(2)],
  ],
);
output.result({ overheadSeconds: overhead, stories, cold });
