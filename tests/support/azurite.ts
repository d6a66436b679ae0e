// Starts one in-memory Azurite for the whole test run and hands its connection string to the tests (`inject('storage')`).
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of the test run's Azurite (blob, queue, table). */
    storage: string;
  }
}

const ACCOUNT = 'devstoreaccount1';
/** Azurite's published development key: public, the same on every machine. */
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Asks the system for a free port on loopback. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** Resolves when something accepts connections on the port; gives up after 30 s. */
async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => (socket.destroy(), resolve(true)));
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing listens on port ${port} after 30 s`);
}

export default async function setup(project: TestProject): Promise<() => void> {
  const [blob, queue, table] = await Promise.all([freePort(), freePort(), freePort()]);
  const main = join(dirname(createRequire(import.meta.url).resolve('azurite/package.json')), 'dist/src/azurite.js');
  const args = ['--silent', '--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry'];
  const ports = ['--blobPort', String(blob), '--queuePort', String(queue), '--tablePort', String(table)];
  const child = spawn(process.execPath, [main, ...args, ...ports], { stdio: ['ignore', 'ignore', 'inherit'] });
  await Promise.race([
    Promise.all([blob, queue, table].map(listening)),
    new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`Azurite ended with code ${code} before it was ready`)))),
  ]);
  const endpoint = (name: string, port: number) => `${name}Endpoint=http://127.0.0.1:${port}/${ACCOUNT}`;
  const endpoints = [endpoint('Blob', blob), endpoint('Queue', queue), endpoint('Table', table)];
  project.provide('storage', ['DefaultEndpointsProtocol=http', `AccountName=${ACCOUNT}`, `AccountKey=${KEY}`, ...endpoints, ''].join(';'));
  return () => {
    child.kill();
  };
}
