import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { createContext, type Context } from '../context.ts';
import { type DataSource, describedData, exampleData } from '../example-data.ts';
import { CommandError, EXIT } from '../failure.ts';
import { follow } from '../follow.ts';
import { landFile } from '../landing.ts';
import type { Output } from '../output.ts';
import { seconds } from '../output.ts';
import { readPipelineFolder } from '../pipeline-folder.ts';
import { contentWords } from '../result-words.ts';
import { type BorderAccount, lookAtBorder, putAtSite } from '../site-data.ts';
import { stackFailure } from '../stack-failure.ts';
import { metricsLine, narrator } from '../story-lines.ts';
import { printAddresses } from './start.ts';

const LIMIT_MS = 10 * 60 * 1000;
const SHOWN_KINDS = 12;

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
  /** Of an example whose data stays at a site. */
  border: BorderAccount | null;
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
    const { site = null } = await describedData(folder);
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
        ...(site ? { additions: { inspectSite: true } } : {}),
      }).catch(stackFailure);
      const up = Date.now();
      const data = await exampleData({ root: context.root, folder, workDir: dataDir, python: stack.python, given });
      const inside = createContext({ output: context.output, environment: context.environment, root: context.root, dataDir });
      const account = await tellStory(inside, folder, { ...data, dataset: site?.dataset ?? null, dataDir }, stack, { begun, up }).catch(
        async (error: unknown) => {
          // A story that failed is what people want to look at; the error itself is reported at the end.
          if (options['keep']) context.output.line(`The story did not end well: ${error instanceof Error ? error.message : 'no reason'}`);
          if (stack) await keep(stack);
          throw error;
        },
      );
      printAccount(context.output, account, data);
      context.output.result(account);
      await keep(stack);
      const kept = account.border === null || account.border.rowsFound === 0;
      return account.rowsAgreeing === account.rowsChecked && kept ? EXIT.done : EXIT.runFailed;
    } finally {
      callOff();
      await cleanUp();
    }
  },
};

async function tellStory(
  context: Context,
  folder: string,
  data: DataSource & { dataset: string | null; dataDir: string },
  stack: Stack,
  times: { begun: number; up: number },
): Promise<DemoAccount> {
  const { output } = context;
  const api = await context.api();
  const { pipeline, bundle } = await readPipelineFolder(folder, stack.images);
  await api.send('PUT', `/pipelines/${pipeline.pipeline}`, bundle);
  output.line();
  output.line(`${output.paint.bold(pipeline.pipeline)}  ${data.words}`);
  const { dataset, file, dataDir: workDir } = data;
  const atSite = dataset === null ? null : await putAtSite({ site: stack.site, dataset, file, workDir });
  const landedAt = Date.now();
  const landed = await landFile(context, api, atSite?.manifest ?? file, pipeline.pipeline);
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
  const border = atSite ? await lookAtBorder(stack.cloud.kubeflow, atSite.rows) : null;
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
    border,
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
    `${account.commit.table} v${account.commit.version}, ${contentWords({ onPremises: account.border ? true : undefined }, account.commit.rows)}, ${account.commit.digest.slice(0, 12)}`,
  );
  output.field('run', account.runId);
  output.field('metrics', metricsLine(account.metrics));
  output.field('model', account.modelDigest);
  output.field('endpoint', account.endpoint);
  output.field('rows checked', `${account.rowsChecked}, ${account.rowsAgreeing} agree with the training side`);
  if (account.border) printBorder(output, account.border);
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

/** What crossed the border of the site, the most first, and that no row did. */
function printBorder(output: Output, { kinds, rowsLookedFor, rowsFound }: BorderAccount): void {
  const sum = (direction: 'in' | 'out'): number =>
    kinds.filter((kind) => kind.direction === direction).reduce((all, kind) => all + kind.bytes, 0);
  const found = rowsFound === 0 ? 'none of them crossed the border' : output.paint.red(`${rowsFound} OF THEM CROSSED THE BORDER`);
  output.field('rows at site', `${rowsLookedFor} looked for in everything that crossed, also packed: ${found}`);
  output.field('border', `${sum('out')} bytes out, ${sum('in')} bytes in`);
  output.line();
  output.table(
    ['border', 'by', 'what', 'times', 'bytes'],
    kinds.slice(0, SHOWN_KINDS).map(({ direction, via, what, bodies, bytes }) => [direction, via, what, String(bodies), String(bytes)]),
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
