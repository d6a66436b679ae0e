// Ports on loopback: free ones, taken ones, and waiting until somebody listens.
import type { ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';

/** A wanted port is in use; the message says which and how to choose another. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  constructor(port: number, purpose: string, flag: string) {
    super(`Port ${port} (${purpose}) is in use by another program. Stop that program, or choose another port with ${flag}`);
  }
}

/** The wanted port when it is free, or any free one for 0. */
export async function claimPort(wanted: number, purpose: string, flag: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortTakenError(wanted, purpose, flag) : error),
    );
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('the system gave no port'))));
    });
  });
}

/** Resolves when the port accepts connections; rejects when the process ends first or after 30 s. */
export async function untilListening(port: number, child: ChildProcess, name: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`${name} ended with code ${child.exitCode} before it was ready`);
    if (await accepts(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} does not listen on port ${port} after 30 s`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
