// The host as a process: reads the command line, exports local.settings.json, starts one app, says when it is ready, and stops on a signal.
// Log lines go to stderr, the ready line to stdout. Exit codes: 0 stopped, 1 app or start error, 2 usage, 3 port taken, 4 data folder held.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readHostSettings } from './config/host-json.ts';
import { exportLocalSettings, readLocalSettings } from './config/local-settings.ts';
import { createLog, type HostLog, type LogFormat } from './config/logging.ts';
import { EXIT_CODES, HostStartError } from './config/start-error.ts';
import type { Profile } from './durable/engine.ts';
import { startHost, type Host } from './host.ts';
import { errorText } from './triggers/runner.ts';

const USAGE = `Runs a built Azure Functions app (Node programming model v4, Durable Functions) on this machine.

  --app DIR             folder of the built app: package.json "main", host.json, local.settings.json (default: .)
  --port N              port on 127.0.0.1; 0 = any free one (default: local.settings.json Host.LocalHttpPort, else 7071)
  --data DIR            history, timer status and keys (default: <app>/.local-host)
  --memory              keep everything in memory instead
  --profile NAME        bundle (default) or ext-3.14: which Durable extension is imitated
  --enable-auth         ask for function keys; they are in <data>/keys.json
  --clock system        the machine's clock (the only one of the process; the library has a virtual one)
  --log-format FORMAT   text (default) or json
  --json                print the ready line as JSON
  --help                this text
`;

interface CommandLine {
  readonly app: string;
  readonly port: number | undefined;
  readonly dataDir: string | undefined;
  readonly profile: Profile;
  readonly enableAuth: boolean;
  readonly logFormat: LogFormat;
  readonly json: boolean;
}

/** How long a stop may take after the drain before the process ends anyway. */
const LAST_RESORT_MS = 15_000;

async function main(): Promise<void> {
  const line = readCommandLine(process.argv.slice(2));
  if (!line) {
    process.stdout.write(USAGE);
    return;
  }
  const local = readLocalSettings(line.app);
  exportLocalSettings(local, process.env);
  const settings = readHostSettings(line.app, process.env);
  const log = createLog({ format: line.logFormat, levels: settings.logLevels, write: (text) => process.stderr.write(`${text}\n`) });
  watchStrayErrors(log);

  const host = await startHost({
    app: line.app,
    settings,
    log,
    port: line.port ?? local.port ?? 7071,
    profile: line.profile,
    enableAuth: line.enableAuth,
    ...(line.dataDir === undefined ? {} : { dataDir: line.dataDir }),
  });
  process.stdout.write(`${readyLine(host, line.json)}\n`);
  await stopSignal(log);
  setTimeout(() => process.exit(1), LAST_RESORT_MS).unref();
  await host.stop();
  log({ level: 'information', category: 'system', message: 'Stopped.' });
}

function readCommandLine(args: string[]): CommandLine | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = {
    app: text,
    port: text,
    data: text,
    profile: text,
    clock: text,
    'log-format': text,
    memory: flag,
    'enable-auth': flag,
    json: flag,
    help: flag,
  };
  let values: ReturnType<typeof parse>;
  const parse = () => parseArgs({ args, options, allowPositionals: false }).values;
  try {
    values = parse();
  } catch (error) {
    throw usage((error as Error).message);
  }
  if (values.help) return undefined;
  const app = resolve(values.app ?? '.');
  if (values.memory && values.data !== undefined) throw usage('--memory and --data exclude each other');
  oneOf('--clock', values.clock ?? 'system', ['system']);
  return {
    app,
    port: values.port === undefined ? undefined : portNumber(values.port),
    dataDir: values.memory ? undefined : resolve(values.data ?? resolve(app, '.local-host')),
    profile: oneOf('--profile', values.profile ?? 'bundle', ['bundle', 'ext-3.14']),
    enableAuth: values['enable-auth'],
    logFormat: oneOf('--log-format', values['log-format'] ?? 'text', ['text', 'json']),
    json: values.json,
  };
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw usage(`${option} must be ${allowed.join(' or ')}, found "${value}"`);
  return found;
}

function portNumber(value: string): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) throw usage(`--port must be 0 to 65535, found "${value}"`);
  return Number(value);
}

function usage(message: string): HostStartError {
  return new HostStartError('usage', `${message}\n\n${USAGE}`);
}

function readyLine(host: Host, asJson: boolean): string {
  const { url, port, functions } = host;
  if (asJson) return JSON.stringify({ event: 'ready', url, port, pid: process.pid, functions });
  return `Ready at ${url} with ${functions.length} functions. Stop with Ctrl+C.`;
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
async function stopSignal(log: HostLog): Promise<void> {
  await new Promise<void>((resolve) => {
    let isStopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (isStopping) process.exit(1);
      isStopping = true;
      log({
        level: 'information',
        category: 'system',
        message: `${signal}: stopping; what is in flight may finish (up to 10 s). Again to end at once.`,
      });
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * A promise that an app forgot must not end the host: it is reported. After an uncaught exception the state of the process is unknown:
 * it ends, and the next start continues from what is on disk.
 */
function watchStrayErrors(log: HostLog): void {
  process.on('unhandledRejection', (reason) => {
    log({ level: 'error', category: 'system', message: `A promise was rejected and nobody handled it: ${errorText(reason)}` });
  });
  process.on('uncaughtException', (error) => {
    log({ level: 'critical', category: 'system', message: `Uncaught exception, the host ends: ${errorText(error)}` });
    process.exit(1);
  });
}

main().then(
  // The SDK's stream server and clients of the app may keep sockets open: nothing is waited for after a clean stop.
  () => process.exit(0),
  (error: unknown) => {
    const isExpected = error instanceof HostStartError;
    process.stderr.write(`${isExpected ? error.message : errorText(error)}\n`);
    process.exit(isExpected ? EXIT_CODES[error.kind] : 1);
  },
);
