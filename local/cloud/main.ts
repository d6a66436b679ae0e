// The local cloud as one process: reads its configuration, starts all stand-ins, says so on one JSON line, stops on SIGTERM.
// Usage: tsx local/cloud/main.ts --config FILE, or `--config -` with the JSON as the first line of standard input.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startLocalCloud } from './assemble.ts';
import { CloudConfigError, readCloudConfig, type CloudConfig } from './config.ts';

/** How often is looked whether the parent is still there. */
const PARENT_MS = 1_000;
/** How long stopping may take before the process ends anyway. */
const STOP_MS = 10_000;

async function main(): Promise<void> {
  const config = readCloudConfig(await configText());
  const cloud = await startLocalCloud(config);
  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) return;
    stopping = true;
    process.stderr.write(`local cloud: stopping (${why})\n`);
    setTimeout(() => {
      process.stderr.write(`local cloud: not stopped after ${STOP_MS / 1000} s, ending anyway\n`);
      process.exit(1);
    }, STOP_MS).unref();
    cloud.close().then(
      () => process.exit(0),
      (error: unknown) => {
        fail(error);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  if (config.stopWithParent) watchParent(stop);
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, urls: cloud.urls })}\n`);
}

async function configText(): Promise<string> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  const file = values.config;
  if (file === undefined)
    throw new CloudConfigError('Say --config FILE, or --config - to give the configuration as one line of standard input.');
  if (file !== '-') {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new CloudConfigError(
        `The configuration file ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  for await (const line of lines) return line;
  throw new CloudConfigError('Standard input ended before the configuration came.');
}

function watchParent(stop: (why: string) => void): void {
  const parent = process.ppid;
  process.stdin.on('end', () => stop('standard input ended'));
  process.stdin.on('error', () => stop('standard input broke'));
  process.stdin.on('close', () => stop('standard input closed'));
  process.stdin.resume();
  setInterval(() => {
    if (process.ppid !== parent) stop('the parent process is gone');
  }, PARENT_MS).unref();
}

/** One sentence for a person, and the code that says that it failed. The configuration is not repeated: it holds secrets. */
function fail(error: unknown): void {
  process.stderr.write(`local cloud: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

export type { CloudConfig };

main().catch(fail);
