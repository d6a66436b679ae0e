// One serving process of a variant: brought up, watched, restarted when it dies, stopped as SageMaker stops a container.
// Contract of the container: facts/sagemaker.md §1.2 (/ping 200 within the startup window, SIGTERM, SIGKILL 30 s later).
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type ManagedProcess, startProcess, waitForHttp } from '../kit/process.ts';
import type { LocalImage } from './images.ts';
import { bringModel, type ReadObject } from './model-data.ts';
import type { ModelRecord } from './records.ts';

/** How processes are brought up and down. Milliseconds of the machine. */
export interface ReplicaTimes {
  /** Startup window for the first healthy `/ping` (SageMaker: 4 min; locally 20 s). */
  readonly startupMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopMs: number;
  /** First pause before a process that died is started again; doubles up to 30 s. */
  readonly restartMs: number;
}

/** What a replica is made of. */
export interface ReplicaOptions {
  readonly image: LocalImage;
  readonly model: ModelRecord;
  /** Folder of its own; gone after `stop`. */
  readonly folder: string;
  readonly logFile: string;
  readonly read: ReadObject;
  readonly times: ReplicaTimes;
}

/** A serving process. */
export interface Replica {
  /** Base address while it is healthy; undefined while it is being restarted. */
  url(): string | undefined;
  /** Ends the process and removes its folder. */
  stop(graceMs?: number): Promise<void>;
}

const LONGEST_PAUSE_MS = 30_000;

/** Brings the model and starts the process; throws (with the reason for FailureReason) when it does not get healthy. */
export async function startReplica(options: ReplicaOptions, signal: AbortSignal): Promise<Replica> {
  const { model, folder, times } = options;
  const modelDir = join(folder, 'model');
  let current: ManagedProcess | undefined;
  let address: string | undefined;
  let stopping = false;
  const stopped = new AbortController();

  const start = async (): Promise<string | undefined> => {
    const port = await freePort();
    const child = startProcess({
      command: options.image.command,
      cwd: options.image.cwd,
      env: environment(options, modelDir, port),
      logFile: options.logFile,
    });
    current = child;
    const url = `http://127.0.0.1:${port}`;
    const health = AbortSignal.any([signal, stopped.signal]);
    const problem = await waitForHttp({ url: `${url}/ping`, timeoutMs: times.startupMs, process: child, signal: health });
    if (problem !== undefined) {
      await child.stop(times.stopMs);
      return problem;
    }
    address = url;
    void child.ended.then(() => {
      address = undefined;
      if (!stopping) void restart(times.restartMs);
    });
    return undefined;
  };
  const restart = async (pauseMs: number): Promise<void> => {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      stopped.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (stopping) return;
    const problem = await start();
    if (problem !== undefined) void restart(Math.min(LONGEST_PAUSE_MS, pauseMs * 2));
  };
  const clean = async (graceMs: number) => {
    stopping = true;
    stopped.abort();
    address = undefined;
    await current?.stop(graceMs);
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await mkdir(modelDir, { recursive: true });
    if (model.modelDataUrl !== undefined) await bringModel(model.modelDataUrl, modelDir, options.read);
    const problem = await start();
    if (problem !== undefined) throw new Error(problem);
  } catch (error) {
    await clean(times.stopMs);
    throw error;
  }
  return { url: () => address, stop: (graceMs = times.stopMs) => clean(graceMs) };
}

/** Nothing of the parent's environment but PATH: a serving process must not see this machine's secrets. */
function environment({ image, model, folder }: ReplicaOptions, modelDir: string, port: number): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: folder,
    LANG: 'C.UTF-8',
    ...image.env,
    ...model.environment,
    SLUICE_MODEL_DIR: modelDir,
    PORT: String(port),
    SAGEMAKER_BIND_TO_PORT: String(port),
  };
}
