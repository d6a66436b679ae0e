import { join, resolve } from 'node:path';
import { startStack, type HostChoice } from '../../local/stack/stack.ts';
import type { Command, Options } from '../command.ts';
import { textOption } from '../command.ts';
import type { Context } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { stackFailure } from '../stack-failure.ts';

/** Brings Sluice up on this machine and stays until Ctrl-C. */
export const start: Command = {
  name: 'start',
  args: [],
  help: 'Bring Sluice up on this machine and stay: Azurite, the local cloud and the host',
  options: [
    { flags: '--port <n>', help: 'port of the HTTP API', fallback: '7071' },
    { flags: '--lake-port <n>', help: 'port that Storage clients write to', fallback: '10000' },
    {
      flags: '--host <which>',
      help: 'local (ours), func (Core Tools, where it is installed) or none (start a host yourself)',
      fallback: 'local',
    },
  ],
  async run(context, _args, options) {
    const { output } = context;
    const host = textOption(options, 'host') ?? 'local';
    if (!isHost(host)) throw new CommandError(EXIT.usage, `--host ${host} is not known`, 'choose local, func or none');
    if (await context.stack())
      throw new CommandError(
        EXIT.failed,
        `A stack runs from ${context.dataDir} already`,
        'stop it, or choose another folder: --data-dir DIR',
      );
    const stack = await startStack({
      root: context.root,
      dataDir: context.dataDir,
      host,
      ports: {
        api: port(options, 'port'),
        lake: port(options, 'lakePort'),
        queue: port(options, 'lakePort', 1),
        table: port(options, 'lakePort', 2),
      },
      environment: context.environment,
      say: (line) => output.line(`  ${line}`),
    }).catch(stackFailure);
    output.line(`${output.paint.bold('Sluice is up')}${host === 'none' ? ', without a host' : ''}`);
    printAddresses(context, stack.urls);
    output.line();
    for (const line of nextSteps(context, host)) output.line(line);
    output.line('Stop with Ctrl-C.');
    output.result({ urls: stack.urls, dataDir: context.dataDir });
    const ended = await Promise.race([signal(), stack.failed.then((name) => name)]);
    if (ended) output.line(`${ended} ended by itself; its log: ${join(context.dataDir, 'logs')}`);
    else output.line('Stopping …');
    await stack.stop();
    return ended ? EXIT.failed : EXIT.done;
  },
};

/** What to type now; in a folder of one's own the other commands have to be told which. */
function nextSteps({ root, dataDir, environment }: Context, host: HostChoice): string[] {
  const isUsual = dataDir === join(root, '.sluice') || dataDir === environment['SLUICE_DATA_DIR'];
  const folder = isUsual ? '' : ` --data-dir ${resolve(dataDir)}`;
  const story = `npx sluice apply examples/ble-location${folder} && npx sluice drop FILE --pipeline ble-location --watch${folder}`;
  if (host !== 'none') return [`In a second shell:  ${story}`];
  return [
    `In a second shell, a host with the settings of local.settings.json:  cd ${root} && func start`,
    `  without Core Tools:  cd ${root} && npx tsx local/host/main.ts --data ${join(resolve(dataDir), 'host')}`,
    `In a third one:  ${story}`,
  ];
}

export function printAddresses(context: Context, urls: Record<string, string>): void {
  for (const [name, url] of Object.entries(urls)) context.output.field(name, url);
}

function isHost(text: string): text is HostChoice {
  return text === 'local' || text === 'func' || text === 'none';
}

function port(options: Options, name: string, offset = 0): number {
  const text = textOption(options, name) ?? '0';
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_000)
    throw new CommandError(EXIT.usage, `${text} is not a port`, 'give a number from 0 (any free one) to 65000');
  return value === 0 ? 0 : value + offset;
}

/** Resolves on Ctrl-C or a polite kill. */
function signal(): Promise<null> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(null));
  });
}
