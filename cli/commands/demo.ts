import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { createContext, type Context } from '../context.ts';
import { type DataSource, exampleData } from '../example-data.ts';
import { CommandError, EXIT } from '../failure.ts';
import { follow } from '../follow.ts';
import { landFile } from '../landing.ts';
import type { Output } from '../output.ts';
import { seconds } from '../output.ts';
import { readPipelineFolder } from '../pipeline-folder.ts';
import { stackFailure } from '../stack-failure.ts';
import { metricsLine, narrator } from '../story-lines.ts';
import { printAddresses } from './start.ts';

const LIMIT_MS = 10 * 60 * 1000;

/** What the demo found out, for machines: the last line with --json. */
export interface DemoAccount {
  pipeline: string;
  dataSource: string;
  commit: { table: string; version: number; rows: number; digest: string };
  runId: string;
  instanceId: string;
  metrics: Record<string, number>;
  modelDigest: string;
  endpoint: string;
  rowsChecked: number;
  rowsAgreeing: number;
  seconds: Record<string, number>;
}

/** The main job in one command: a measurement file lands and becomes a served model. */
export const demo: Command = {
  name: 'demo',
  args: ['[pipeline]'],
  help: 'Run a whole story on this machine: a file lands and becomes a served model',
  options: [
    { flags: '--data <file>', help: 'the data set to land; a real or generated one without it' },
    { flags: '--keep', help: 'leave everything running and print the addresses' },
  ],
  async run(context, [pipeline = 'ble-location'], options) {
    const folder = join(context.root, 'examples', pipeline);
    if (!existsSync(join(folder, 'sluice.yaml')))
      throw new CommandError(EXIT.usage, `There is no example "${pipeline}"`, 'see the folders under examples/');
    const given = textOption(options, 'data');
    if (given !== undefined && !existsSync(given)) throw new CommandError(EXIT.usage, `${given} does not exist`);
    const begun = Date.now();
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-demo-'));
    let stack: Stack | undefined;
    const cleanUp = async (): Promise<void> => {
      await stack?.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    };
    const callOff = whenStopped(cleanUp);
    const keep = async (up: Stack): Promise<void> => {
      if (!options['keep']) return;
      callOff();
      await stay(context, up, dataDir);
    };
    try {
      stack = await startStack({
        root: context.root,
        dataDir,
        host: 'local',
        ports: { api: 0, lake: 0, queue: 0, table: 0 },
        environment: context.environment,
        say: (line) => context.output.line(`  ${line}`),
      }).catch(stackFailure);
      const up = Date.now();
      const data = await exampleData({ root: context.root, folder, workDir: dataDir, python: stack.python, given });
      const inside = createContext({ output: context.output, environment: context.environment, root: context.root, dataDir });
      const account = await tellStory(inside, folder, data, stack, { begun, up }).catch(async (error: unknown) => {
        // A story that failed is what people want to look at; the error itself is reported at the end.
        if (options['keep']) context.output.line(`The story did not end well: ${error instanceof Error ? error.message : 'no reason'}`);
        if (stack) await keep(stack);
        throw error;
      });
      printAccount(context.output, account, data);
      context.output.result(account);
      await keep(stack);
      return account.rowsAgreeing === account.rowsChecked ? EXIT.done : EXIT.runFailed;
    } finally {
      callOff();
      await cleanUp();
    }
  },
};

async function tellStory(
  context: Context,
  folder: string,
  data: DataSource,
  stack: Stack,
  times: { begun: number; up: number },
): Promise<DemoAccount> {
  const { output } = context;
  const api = await context.api();
  const { pipeline, bundle } = await readPipelineFolder(folder, stack.images);
  await api.send('PUT', `/pipelines/${pipeline.pipeline}`, bundle);
  output.line();
  output.line(`${output.paint.bold(pipeline.pipeline)}  ${data.words}`);
  const landedAt = Date.now();
  const landed = await landFile(context, api, data.file, pipeline.pipeline);
  const { runs } = await follow(api, landed.path, landed.eTag, narrator(output), LIMIT_MS);
  const done = Date.now();
  const refine = succeeded(runs, 'refine');
  const train = succeeded(runs, 'train');
  const promote = succeeded(runs, 'promote');
  const { refined } = refine;
  const { trained } = train;
  const { promoted } = promote;
  if (!refined || !trained || !promoted)
    throw new CommandError(EXIT.runFailed, 'A run succeeded without leaving its result; look at it with --keep');
  const stages: Record<string, number> = { ...refine.seconds, ...train.seconds, ...promote.seconds };
  return {
    pipeline: pipeline.pipeline,
    dataSource: data.words,
    commit: { table: refined.gold.path, version: refined.gold.version, rows: refined.gold.rows, digest: refined.gold.digest },
    runId: train.runId,
    instanceId: train.instanceId,
    metrics: trained.metrics,
    modelDigest: trained.modelDigest,
    endpoint: `${promoted.region}/${promoted.endpoint}`,
    rowsChecked: promoted.parity.rowsChecked,
    rowsAgreeing: promoted.parity.rowsAgreeing,
    seconds: {
      total: (done - times.begun) / 1000,
      start: (times.up - times.begun) / 1000,
      story: (done - landedAt) / 1000,
      train: stages['train.working'] ?? 0,
      ...stages,
    },
  };
}

function succeeded(runs: readonly RunSummary[], story: RunSummary['story']): RunSummary {
  const run = runs.find((one) => one.story === story);
  if (run?.status === 'succeeded') return run;
  const failed = runs.find((one) => one.failure);
  throw new CommandError(
    EXIT.runFailed,
    failed?.failure ? `${failed.runId} failed: ${failed.failure.message}` : `The story ended without a ${story} run`,
    'look at it with: npm run demo -- --keep',
  );
}

function printAccount(output: Output, account: DemoAccount, data: DataSource): void {
  const { seconds: spent } = account;
  const stage = (name: string): string => seconds(spent[name] ?? 0);
  output.line();
  output.line(output.paint.bold('What happened'));
  output.field('data', data.words.replace(/^on /, ''));
  output.field(
    'commit',
    `${account.commit.table} v${account.commit.version}, ${account.commit.rows} rows, ${account.commit.digest.slice(0, 12)}`,
  );
  output.field('run', account.runId);
  output.field('metrics', metricsLine(account.metrics));
  output.field('model', account.modelDigest);
  output.field('endpoint', account.endpoint);
  output.field('rows checked', `${account.rowsChecked}, ${account.rowsAgreeing} agree with the training side`);
  output.line();
  output.table(
    ['stage', 'waiting', 'working'],
    [
      ['start', '', stage('start')],
      ['refine', '', stage('refine')],
      ['train', stage('train.queued'), stage('train.working')],
      ['publish', stage('publish.queued'), stage('publish.working')],
      ['promote', '', stage('promote')],
      ['story', '', stage('story')],
      ['total', '', stage('total')],
    ],
  );
}

/** Everything stays up until Ctrl-C; the addresses and how to ask for more. */
async function stay(context: Context, stack: Stack, dataDir: string): Promise<void> {
  context.output.line();
  printAddresses(context, stack.urls);
  context.output.line(`  In a second shell:  npx sluice status --data-dir ${dataDir}`);
  context.output.line('  Stop with Ctrl-C.');
  void stack.failed.then((name) => context.output.line(`${name} ended by itself; its log: ${join(dataDir, 'logs')}`));
  await new Promise<void>((done) => {
    for (const name of STOPS) process.once(name, () => done());
  });
}

const STOPS = ['SIGINT', 'SIGTERM'] as const;

/** Cleans up and ends the program when it is told to stop; the answer calls that off. */
function whenStopped(cleanUp: () => Promise<void>): () => void {
  const stop = (): void => {
    void cleanUp()
      .catch(() => undefined)
      .then(() => process.exit(EXIT.failed));
  };
  for (const name of STOPS) process.once(name, stop);
  return () => STOPS.forEach((name) => process.off(name, stop));
}
