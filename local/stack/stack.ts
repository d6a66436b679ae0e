// One machine plays the cloud: Python, built app, Azurite, local cloud, host, in this order, stopped in the reverse one.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AzuritePorts, connectionString, startAzurite } from './azurite.ts';
import { ensureBuilt } from './build.ts';
import { type CloudAdditions, cloudConfig, LOCAL, siteFolder } from './cloud-config.ts';
import { componentFolders, type ImageLock, lockImages } from './images.ts';
import { startFunc } from './func.ts';
import { writeLocalSettings } from './local-settings.ts';
import { claimPort, PortTakenError } from './ports.ts';
import { ProcessFailedError, startProcess, stopProcess } from './processes.ts';
import { findPython } from './python.ts';
import { buildWheels } from './wheels.ts';
import { appSettings, type CloudUrls } from './settings.ts';
import { removeStackFile, type StackFile, writeStackFile } from './stack-file.ts';

export type HostChoice = 'local' | 'func' | 'none';

export interface StackOptions {
  root: string;
  /** Everything that the stack keeps; may be used again after a stop. */
  dataDir: string;
  host: HostChoice;
  /** 0 = any free port. */
  ports: { api: number; lake: number; queue: number; table: number };
  environment: NodeJS.ProcessEnv;
  say: (line: string) => void;
  /** Tests put misbehaving components and other people into the local cloud. */
  additions?: CloudAdditions;
}

export interface Stack {
  /** Addresses for people. */
  urls: Record<string, string>;
  /** Addresses of the parts of the local cloud; `admin` has Event Grid's chaos and deliveries. */
  cloud: CloudUrls & { admin: string };
  images: ImageLock;
  python: string;
  /** Folder that stands for the data volume of a site: `site://DATASET/FILE` is a file below it. */
  site: string;
  /** Resolves with the name of a part that ended by itself. */
  failed: Promise<string>;
  /** Kills the host without warning and starts it again on the same data: for tests of what survives. */
  killAndRestartHost(): Promise<void>;
  stop(): Promise<void>;
}

/** How long a part may take to come up and to go down. */
const READY_MS = 60_000;
const GRACE_MS = 12_000;
/** Asking a queue on this machine costs nothing. */
const QUICK_QUEUE = { AzureFunctionsJobHost__extensions__queues__maxPollingInterval: '00:00:00.100' };
/** Local jobs take seconds. Timers are cut to whole seconds (facts/durable.md §2.9 item 7): a shorter wait would be none. */
const POLL = { firstSeconds: 1, maxSeconds: 1 };
const HOST_PORT_TAKEN = 3;

/** Brings everything up; when a part fails, those that are up are stopped again. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { root, dataDir, say, additions = {} } = options;
  const logs = join(dataDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  await mkdir(siteFolder(dataDir), { recursive: true });
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  let tell: (name: string) => void = () => undefined;
  const failed = new Promise<string>((resolve) => (tell = resolve));
  try {
    const { ports, lakePort } = await claimPorts(options);
    const azuriteLog = openSync(join(logs, 'azurite.log'), 'a');
    // Nothing of this waits for the other: looking for Python alone takes as long as Azurite does.
    const parts = await Promise.allSettled([
      startAzurite({ dataDir: join(dataDir, 'azurite'), ports, logFd: azuriteLog }).then((azurite) =>
        stops.push(watched(azurite, 'Azurite', tell)),
      ),
      findPython({ root, environment: options.environment, say }),
      ensureBuilt(root, say),
      componentFolders(root).then(async (own) => {
        const components = { ...own, ...additions.components };
        return { components, images: await lockImages(root, components) };
      }),
      localSecrets(dataDir),
    ] as const);
    closeSync(azuriteLog);
    const [, python, , { components, images }, secrets] = [
      valueOf(parts[0]),
      valueOf(parts[1]),
      valueOf(parts[2]),
      valueOf(parts[3]),
      valueOf(parts[4]),
    ];

    const storage = connectionString(ports);
    const lake = connectionString(ports, lakePort);
    const wheels = await buildWheels({ root, dataDir, images, python });
    const config = cloudConfig({ root, dataDir, storage, lake, lakePort, components, images, additions, python, wheels, ...secrets });
    const cloud = await startProcess<{ urls: CloudUrls & { admin: string } }>({
      name: 'The local cloud',
      args: ['--import', 'tsx', join(root, 'local/cloud/main.ts'), '--config', '-'],
      environment: options.environment,
      logFile: join(logs, 'cloud.log'),
      timeoutMs: READY_MS,
      input: `${JSON.stringify(config)}\n`,
    });
    stops.push(watched(cloud.child, 'The local cloud', tell));

    const settings = appSettings({
      cloud: cloud.ready.urls,
      state: storage,
      lake,
      identityHeader: secrets.identityHeader,
      workDir: join(dataDir, 'work'),
      components: join(root, 'components'),
      python,
      poll: POLL,
    });
    const host = await startHost(options, settings, logs, tell);
    stops.push(() => host.stop());

    const urls: Record<string, string> = {
      api: `${host.url}/api/v1`,
      openapi: `${host.url}/api/v1/openapi.json`,
      lake: cloud.ready.urls.blob,
      kubeflow: cloud.ready.urls.kubeflow,
      s3: cloud.ready.urls.s3,
      sagemaker: cloud.ready.urls.sagemaker,
      topic: cloud.ready.urls.topic,
      admin: cloud.ready.urls.admin,
      logs,
    };
    const file: StackFile = {
      pid: process.pid,
      api: `${host.url}/api/v1`,
      lake: { connectionString: lake, container: LOCAL.lakeContainer },
      token: {
        url: cloud.ready.urls.tokenEndpoint,
        clientId: LOCAL.developer.clientId,
        clientSecret: secrets.developerSecret,
        scope: `${LOCAL.audience}/.default`,
      },
      images,
      urls: { ...present(cloud.ready.urls), ...urls },
    };
    await writeStackFile(dataDir, file);
    stops.push(() => removeStackFile(dataDir));
    return {
      urls,
      cloud: cloud.ready.urls,
      images,
      python,
      site: siteFolder(dataDir),
      failed,
      killAndRestartHost: () => host.killAndRestart(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Addresses that are there. */
function present(urls: object): Record<string, string> {
  return Object.fromEntries(Object.entries(urls).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** The value of a settled promise; the first failure is thrown after all have settled, so that nothing starts behind the stop. */
function valueOf<Value>(part: PromiseSettledResult<Value>): Value {
  if (part.status === 'rejected') throw part.reason;
  return part.value;
}

async function claimPorts({ host, ports: wanted }: StackOptions): Promise<{ lakePort: number; ports: AzuritePorts }> {
  // The host takes its port last; a wrong one is said before anything starts. A host of one's own may be up already.
  if (wanted.api !== 0 && host !== 'none') await claimPort(wanted.api, 'the HTTP API', '--port');
  const lakePort = await claimPort(wanted.lake, 'the lake', '--lake-port');
  const ports = {
    blob: await claimPort(0, 'Azurite', ''),
    queue: await claimPort(wanted.queue, 'Azurite queues', '--lake-port'),
    table: await claimPort(wanted.table, 'Azurite tables', '--lake-port'),
  };
  return { lakePort, ports };
}

interface HostPart {
  /** Where it listens; for `none`, where the settings make it listen. */
  url: string;
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

/** The chosen host with these settings; `none` writes them for a host that the user starts. */
async function startHost(
  options: StackOptions,
  settings: Record<string, string>,
  logs: string,
  tell: (name: string) => void,
): Promise<HostPart> {
  const nothing = { killAndRestart: () => Promise.resolve(), stop: () => Promise.resolve() };
  if (options.host !== 'local') {
    const port = await ownPort(options);
    const { file, kept } = await writeLocalSettings({ ...options, settings, port });
    options.say(`Wrote ${file} for the host${kept === null ? '' : `; the one before is in ${kept}`}`);
    if (options.host === 'none') return { url: `http://127.0.0.1:${port}`, ...nothing };
    const func = await startFunc({
      root: options.root,
      port,
      environment: options.environment,
      logFile: join(logs, 'host.log'),
    });
    return { url: func.url, ...nothing, stop: watched(func.child, 'Core Tools', tell) };
  }
  const port = await claimPort(options.ports.api, 'the HTTP API', '--port');
  const launch = async (): Promise<ChildProcess> => (await launchHost(options, settings, logs, port)).child;
  let child = await launch();
  let stop = watched(child, 'The host', tell);
  return {
    url: `http://127.0.0.1:${port}`,
    killAndRestart: async () => {
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      child = await launch();
      stop = watched(child, 'The host', tell);
    },
    stop: () => stop(),
  };
}

/** Another host on the wanted port may be the very one that the settings are for, so with `none` it need not be free. */
async function ownPort({ host, ports }: StackOptions): Promise<number> {
  return host === 'none' && ports.api !== 0 ? ports.api : claimPort(ports.api, 'the HTTP API', '--port');
}

async function launchHost(
  options: StackOptions,
  settings: Record<string, string>,
  logs: string,
  port: number,
): Promise<{ child: ChildProcess }> {
  try {
    return await startProcess<unknown>({
      name: 'The host',
      args: [
        '--import',
        'tsx',
        join(options.root, 'local/host/main.ts'),
        '--app',
        options.root,
        '--port',
        String(port),
        '--data',
        join(options.dataDir, 'host'),
        '--json',
      ],
      environment: { ...options.environment, ...settings, ...QUICK_QUEUE, WEBSITE_HOSTNAME: `localhost:${port}` },
      logFile: join(logs, 'host.log'),
      timeoutMs: READY_MS,
    });
  } catch (error) {
    if (error instanceof ProcessFailedError && error.exitCode === HOST_PORT_TAKEN) throw new PortTakenError(port, 'the HTTP API', '--port');
    throw error;
  }
}

/** Reports an end that nobody asked for, and gives the stop. */
function watched(child: ChildProcess, name: string, tell: (name: string) => void): () => Promise<void> {
  const early = (): void => tell(name);
  child.once('exit', early);
  return async () => {
    child.removeListener('exit', early);
    await stopProcess(child, GRACE_MS);
  };
}

interface LocalSecrets {
  developerSecret: string;
  trackingSecret: string;
  identityHeader: string;
}

/** Random values of this data folder, kept so that a restart keeps them; only their owner reads the file. */
async function localSecrets(dataDir: string): Promise<LocalSecrets> {
  const file = join(dataDir, 'secrets.json');
  const kept = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Partial<LocalSecrets>;
  const fresh = (): string => randomBytes(24).toString('base64url');
  const secrets: LocalSecrets = {
    developerSecret: kept.developerSecret ?? fresh(),
    trackingSecret: kept.trackingSecret ?? fresh(),
    identityHeader: kept.identityHeader ?? fresh(),
  };
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}
