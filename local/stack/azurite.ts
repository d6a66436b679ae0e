// Azurite as a child process: blob, queue and table on given or free ports, data on disk.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { untilListening } from './ports.ts';
import { stopProcess } from './processes.ts';

export const ACCOUNT = 'devstoreaccount1';
/** Azurite's published development key: public, the same on every machine, opens nothing but this emulator. */
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface AzuritePorts {
  blob: number;
  queue: number;
  table: number;
}

/** Connection string for the given ports; `blobPort` differs when a client must go through the event proxy. */
export function connectionString(ports: AzuritePorts, blobPort = ports.blob): string {
  const endpoint = (service: string, port: number): string => `${service}Endpoint=http://127.0.0.1:${port}/${ACCOUNT}`;
  const parts = ['DefaultEndpointsProtocol=http', `AccountName=${ACCOUNT}`, `AccountKey=${KEY}`];
  return [...parts, endpoint('Blob', blobPort), endpoint('Queue', ports.queue), endpoint('Table', ports.table), ''].join(';');
}

const END_WITH_PARENT = new URL('./end-with-parent.mjs', import.meta.url).href;

/** Starts Azurite and waits until its three ports answer. It ends with this process, however that ends. */
export async function startAzurite(options: { dataDir: string; ports: AzuritePorts; logFd: number }): Promise<ChildProcess> {
  await mkdir(options.dataDir, { recursive: true });
  const main = join(dirname(createRequire(import.meta.url).resolve('azurite/package.json')), 'dist/src/azurite.js');
  const { blob, queue, table } = options.ports;
  const flags = ['--silent', '--skipApiVersionCheck', '--disableTelemetry', '--location', options.dataDir];
  const args = [
    '--import',
    END_WITH_PARENT,
    main,
    ...flags,
    '--blobPort',
    String(blob),
    '--queuePort',
    String(queue),
    '--tablePort',
    String(table),
  ];
  const child = spawn(process.execPath, args, { stdio: ['pipe', options.logFd, options.logFd] });
  try {
    await Promise.all([blob, queue, table].map((port) => untilListening(port, child, 'Azurite')));
    return child;
  } catch (error) {
    await stopProcess(child, 2_000);
    throw error;
  }
}
