// The host as a process: reads the command line, exports local.settings.json, starts one app, says when it is ready, and stops on a signal.
// Log lines go to stderr, the ready line to stdout. Exit codes: 0 stopped, 1 app or start error, 2 usage, 3 port taken, 4 data folder held.
import { existsSync } from 'node:fs';
import { readCommandLine, USAGE } from './command-line.ts';
import { readHostSettings } from './config/host-json.ts';
import { exportLocalSettings, readLocalSettings } from './config/local-settings.ts';
import { createLog, type HostLog } from './config/logging.ts';
import { EXIT_CODES, HostStartError } from './config/start-error.ts';
import { startHost, type Host } from './host.ts';
import { errorText } from './triggers/runner.ts';

/** Triggers and then the engine get 10 s each for what is in flight; after that the process ends whatever hangs. */
const LAST_RESORT_MS = 25_000;

async function main(): Promise<void> {
  const line = readCommandLine(process.argv.slice(2));
  if (!line) {
    process.stdout.write(USAGE);
    return;
  }
  const local = readLocalSettings(line.app);
  exportLocalSettings(local, process.env);
  exportHostEnvironment(line.app);
  const settings = readHostSettings(line.app, process.env);
  const log = createLog({ format: line.logFormat, levels: settings.logLevels, write: (text) => process.stderr.write(`${text}\n`) });
  watchStrayErrors(log);
  // From here on, not from the ready line on: who reads that line may ask for the stop at once.
  const stopAsked = stopSignal(log);

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
  await stopAsked;
  setTimeout(() => process.exit(1), LAST_RESORT_MS).unref();
  await host.stop();
  log({ level: 'information', category: 'system', message: 'Stopped.' });
}

function readyLine(host: Host, asJson: boolean): string {
  const { url, port, functions } = host;
  if (asJson) return JSON.stringify({ event: 'ready', url, port, pid: process.pid, functions });
  return `Ready at ${url} with ${functions.length} functions. Stop with Ctrl+C.`;
}

/** What every app finds under Core Tools as well: the folder as working directory, and these names (facts/durable.md §1.1). */
function exportHostEnvironment(app: string): void {
  if (!existsSync(app)) return;
  process.chdir(app);
  process.env['AZURE_FUNCTIONS_ENVIRONMENT'] ??= 'Development';
  process.env['FUNCTIONS_WORKER_RUNTIME'] ??= 'node';
  process.env['AzureWebJobsScriptRoot'] ??= app;
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
