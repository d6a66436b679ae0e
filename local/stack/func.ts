// The genuine host: Azure Functions Core Tools, where `func` is on PATH. Its stdin stays open, because it stops at the end of it (facts/durable.md §1).
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { claimPort, untilListening } from './ports.ts';
import { ProcessFailedError } from './processes.ts';

export async function startFunc(options: {
  root: string;
  port: number;
  environment: NodeJS.ProcessEnv;
  logFile: string;
}): Promise<{ child: ChildProcess; url: string }> {
  const port = await claimPort(options.port, 'the HTTP API', '--port');
  const log = openSync(options.logFile, 'a');
  const child = spawn('func', ['start', '--port', String(port)], {
    cwd: options.root,
    env: options.environment,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  const missing = new Promise<never>((_resolve, reject) => {
    child.once('error', () =>
      reject(
        new ProcessFailedError('Core Tools (`func`) are not on PATH. Install azure-functions-core-tools, or start with --host local', null),
      ),
    );
  });
  await Promise.race([untilListening(port, child, 'Core Tools'), missing]);
  return { child, url: `http://127.0.0.1:${port}` };
}
