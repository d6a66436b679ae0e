// `tsx scripts/bench/event-latency.ts [--files N] [--json]`: in real time on the local stack, from the put of a file (whose message goes
// into the queue at once) to its verdict in the ledger and to the refine run being told. Each story ends before the next file lands.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createContext } from '../../cli/context.ts';
import { follow } from '../../cli/follow.ts';
import { landFile } from '../../cli/landing.ts';
import { createOutput } from '../../cli/output.ts';
import { readPipelineFolder } from '../../cli/pipeline-folder.ts';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import { median, numberFlag } from './figures.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const FILES = numberFlag(process.argv, 'files', 4);
const STORY_MS = 300_000;
const output = createOutput({ json: process.argv.includes('--json'), out: process.stdout, err: process.stderr });

interface Latency {
  /** Milliseconds from the put to the verdict, by the ledger's own moment. */
  verdict: number;
  /** Milliseconds from the put to the beginning of the refine run, by the run's own moment. */
  refine: number;
}

async function measure(stack: Stack, dataDir: string): Promise<Latency[]> {
  const context = createContext({ output, environment: process.env, root, dataDir });
  const api = await context.api();
  const { bundle } = await readPipelineFolder(join(root, 'examples/ble-location'), stack.images);
  await api.send('PUT', '/pipelines/ble-location', bundle);
  const found: Latency[] = [];
  for (let index = 0; index <= FILES; index += 1) {
    const file = join(dataDir, `data-${index}.csv`);
    const generate = join(root, 'examples/ble-location/generate.py');
    await promisify(execFile)(stack.python, [generate, '--rows', '1420', '--seed', String(index + 1), '--out', file]);
    const put = Date.now();
    const landed = await landFile(context, api, file, 'ble-location', `latency-${index}.csv`);
    const silent = { verdict: () => undefined, phase: () => undefined };
    const { entry, runs } = await follow(api, landed.path, landed.eTag, silent, STORY_MS);
    const refine = runs.find((run) => run.story === 'refine');
    if (!refine) throw new Error(`${landed.path} was not refined: ${entry.verdict.reason}`);
    const one = { verdict: Date.parse(entry.receivedAt) - put, refine: Date.parse(refine.startedAt) - put };
    output.line(
      `  file ${index}${index === 0 ? ' (warm-up, not counted)' : ''}: verdict after ${one.verdict} ms, refine after ${one.refine} ms`,
    );
    if (index > 0) found.push(one);
  }
  return found;
}

const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-latency-'));
const stack = await startStack({
  root,
  dataDir,
  host: 'local',
  ports: { api: 0, lake: 0, queue: 0, table: 0 },
  environment: process.env,
  say: (line) => output.line(`  ${line}`),
});
try {
  const found = await measure(stack, dataDir);
  const verdict = median(found.map((one) => one.verdict));
  const refine = median(found.map((one) => one.refine));
  output.table(
    ['from the put of a file', 'median ms'],
    [
      ['to its verdict', verdict.toFixed(0)],
      ['to its refine run', refine.toFixed(0)],
    ],
  );
  output.result({ files: found, verdict, refine });
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}
