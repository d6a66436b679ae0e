// The command line of the host process: options, their checks, and the usage text.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { LogFormat } from './config/logging.ts';
import { HostStartError } from './config/start-error.ts';
import type { Profile } from './durable/engine.ts';

/** Printed by `--help` and after a usage error. */
export const USAGE = `Runs a built Azure Functions app (Node programming model v4, Durable Functions) on this machine.

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

/** A command line that fits. */
export interface CommandLine {
  readonly app: string;
  readonly port: number | undefined;
  readonly dataDir: string | undefined;
  readonly profile: Profile;
  readonly enableAuth: boolean;
  readonly logFormat: LogFormat;
  readonly json: boolean;
}

/** Reads the arguments; `undefined` = help was asked for. Throws `HostStartError` (kind `usage`) whose message ends with the usage text. */
export function readCommandLine(args: string[]): CommandLine | undefined {
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
