// The command line: turns commands (data) into a parser, runs one, and turns what went wrong into a sentence and an exit code.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command as Program, CommanderError } from 'commander';
import type { Command, Options } from './command.ts';
import { createContext } from './context.ts';
import { CommandError, EXIT } from './failure.ts';
import { createOutput, type Output } from './output.ts';

/** Loaded on use: a command should not wait for the SDKs of the others. */
const LOADERS: (() => Promise<Command>)[] = [
  async () => (await import('./commands/demo.ts')).demo,
  async () => (await import('./commands/start.ts')).start,
  async () => (await import('./commands/new-component.ts')).newComponent,
  async () => (await import('./commands/apply.ts')).apply,
  async () => (await import('./commands/manifest.ts')).manifest,
  async () => (await import('./commands/drop.ts')).drop,
  async () => (await import('./commands/events.ts')).events,
  async () => (await import('./commands/why.ts')).why,
  async () => (await import('./commands/plan.ts')).plan,
  async () => (await import('./commands/replay.ts')).replay,
  async () => (await import('./commands/reconcile.ts')).reconcile,
  async () => (await import('./commands/signal.ts')).signal,
  async () => (await import('./commands/extract.ts')).extract,
  async () => (await import('./commands/quarantine.ts')).quarantineList,
  async () => (await import('./commands/quarantine.ts')).quarantineShow,
  async () => (await import('./commands/quarantine.ts')).quarantineAssign,
  async () => (await import('./commands/quarantine.ts')).quarantineFix,
  async () => (await import('./commands/quarantine.ts')).quarantineRelease,
  async () => (await import('./commands/quarantine.ts')).quarantineDiscard,
  async () => (await import('./commands/quarantine.ts')).quarantineResume,
  async () => (await import('./commands/quarantine.ts')).quarantineAnswer,
  async () => (await import('./commands/erase.ts')).erase,
  async () => (await import('./commands/erase.ts')).erasures,
  async () => (await import('./commands/retention.ts')).retentionRun,
  async () => (await import('./commands/pipelines.ts')).pipelinesFreeze,
  async () => (await import('./commands/pipelines.ts')).pipelinesUnfreeze,
  async () => (await import('./commands/pipelines.ts')).pipelinesBreaker,
  async () => (await import('./commands/pipelines.ts')).pipelinesCloseBreaker,
  async () => (await import('./commands/runs.ts')).runsList,
  async () => (await import('./commands/runs.ts')).runsShow,
  async () => (await import('./commands/runs.ts')).runsCancel,
  async () => (await import('./commands/runs.ts')).runsRetry,
  async () => (await import('./commands/runs.ts')).runsLogs,
  async () => (await import('./commands/runs-files.ts')).runsFiles,
  async () => (await import('./commands/runs-files.ts')).runsTopUp,
  async () => (await import('./commands/train.ts')).train,
  async () => (await import('./commands/sweep.ts')).sweep,
  async () => (await import('./commands/compare.ts')).compare,
  async () => (await import('./commands/promote.ts')).promote,
  async () => (await import('./commands/invoke.ts')).invoke,
  async () => (await import('./commands/status.ts')).status,
];

/** What nouns without a deed of their own are about. */
const GROUPS: Readonly<Record<string, string>> = {
  new: 'Make the beginning of something of yours',
  quarantine: 'Rows that were kept aside, as cases',
  retention: 'How long tables keep what no version needs',
  pipelines: 'Registered pipelines: freeze them, close their breakers',
};

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Runs one command line and gives the exit code. */
export async function main(argv: string[]): Promise<number> {
  const json = argv.includes('--json');
  const output = createOutput({ json, out: process.stdout, err: process.stderr });
  let exitCode: number = EXIT.done;
  const program = new Program('sluice')
    .description('Event-driven MLOps control plane on serverless functions, for closed networks')
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(text) })
    .showSuggestionAfterError()
    .helpCommand(false);
  for (const load of LOADERS) add(program, await load(), output, (code) => (exitCode = code));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(output, error);
    if (error.exitCode === 0) return EXIT.done;
    // The parser has told people already; machines get their line too.
    output.result({ error: { code: 'usage', message: error.message.replace(/^error: /, ''), mend: 'see: sluice --help' } });
    return EXIT.usage;
  }
}

function add(program: Program, command: Command, output: Output, done: (code: number) => void): void {
  const words = command.name.split(' ');
  const leaf = words.at(-1) ?? command.name;
  const parent = words.length > 1 ? groupOf(program, words[0] ?? '') : program;
  const parsed = parent
    .command([leaf, ...command.args].join(' '))
    .description(command.help)
    .exitOverride();
  for (const option of command.options ?? []) {
    if (option.required) parsed.requiredOption(option.flags, option.help, option.fallback);
    else parsed.option(option.flags, option.help, option.fallback);
  }
  parsed.option('--json', 'one JSON object on the last line of stdout; lines for people go to stderr');
  parsed.option('--api <url>', 'address of the API, up to /api/v1; the local stack without it');
  parsed.option('--data-dir <dir>', 'folder of the local stack’s data (default .sluice)');
  parsed.action(async (...given: unknown[]) => {
    // With those of `runs`: the parser gives an option that `runs` and `runs show` both know to the first of the two.
    const options = (given.at(-1) as Program).optsWithGlobals<Options>();
    const args = given.slice(0, -2).filter((one): one is string => typeof one === 'string');
    const text = (name: string): string | undefined => (typeof options[name] === 'string' ? options[name] : undefined);
    const context = createContext({ output, environment: process.env, root: ROOT, dataDir: text('dataDir'), api: text('api') });
    done(await command.run(context, args, options));
  });
}

/** The command that holds sub-commands of a noun; made where the noun alone does nothing. */
function groupOf(program: Program, noun: string): Program {
  const found = program.commands.find((one) => one.name() === noun);
  return (
    found ??
    program
      .command(noun)
      .description(GROUPS[noun] ?? '')
      .exitOverride()
      .helpCommand(false)
  );
}

/** What happened, and what to type next; a stack trace only where it is our own fault. */
function report(output: Output, error: unknown): number {
  if (!(error instanceof CommandError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${output.paint.red('error')}  ${text}\n`);
    output.result({ error: { code: 'unexpected', message: error instanceof Error ? error.message : String(error) } });
    return EXIT.failed;
  }
  const [first = '', ...rest] = error.message.split('\n');
  process.stderr.write(`${output.paint.red('error')}  ${first}\n${rest.map((line) => `${line}\n`).join('')}`);
  if (error.mend) process.stderr.write(`       ${error.mend}\n`);
  output.result({ error: { code: error.code, message: error.message, mend: error.mend } });
  return error.exitCode;
}
