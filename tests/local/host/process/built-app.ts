// Builds an app as a product would (esbuild, CommonJS or ESM) and runs the host as a child process on it.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** How an app is bundled: `@azure/functions-core` always stays a real `require` (facts/durable.md §1.1). */
export type BundleFormat = 'cjs' | 'esm';

/** A fresh app folder with host.json, package.json and the bundle of an entry file. */
export async function buildApp(entry: string, format: BundleFormat, hostJson: unknown = { version: '2.0' }): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `host-app-${format}-`));
  const main = format === 'cjs' ? 'dist/app.cjs' : 'dist/app.mjs';
  const banner = "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";
  await build({
    entryPoints: [entry],
    outfile: join(folder, main),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format,
    external: ['@azure/functions-core'],
    logLevel: 'error',
    ...(format === 'esm' ? { banner: { js: banner } } : {}),
  });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'steps', main }));
  writeFileSync(join(folder, 'host.json'), JSON.stringify(hostJson));
  return folder;
}

/** An app folder whose main file has a given text. */
export function plainApp(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'host-app-plain-'));
  mkdirSync(join(folder, 'dist'));
  writeFileSync(join(folder, 'dist/app.cjs'), text);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ main: 'dist/app.cjs' }));
  return folder;
}

/** The ready line. */
export interface Ready {
  readonly event: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly functions: readonly { readonly name: string; readonly trigger: string }[];
}

/** A host process. */
export interface HostProcess {
  readonly child: ChildProcess;
  /** The ready line; rejects with what was written when the process ends first. */
  readonly ready: Promise<Ready>;
  /** Exit code; `null` after a signal. */
  readonly exit: Promise<number | null>;
  stdout(): string;
  stderr(): string;
}

const started = new Set<ChildProcess>();

/** Starts `local/host/main.ts`. */
export function runHost(args: readonly string[], environment: Record<string, string> = {}): HostProcess {
  const main = join(root, 'local/host/main.ts');
  const env = { ...process.env, ...environment };
  delete env['WEBSITE_HOSTNAME'];
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.add(child);
  const text = { stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (part: string) => (text.stderr += part));
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text.stdout += part));
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => (started.delete(child), resolve(code))));
  const ready = new Promise<Ready>((resolve, reject) => {
    child.stdout.on('data', () => {
      const line = text.stdout.split('\n').find((one) => one.startsWith('{') && one.endsWith('}'));
      if (line !== undefined) resolve(JSON.parse(line) as Ready);
    });
    void exit.then((code) => reject(new Error(`the host ended with code ${code} before it was ready:\n${text.stderr}`)));
  });
  // A test that expects the process to end does not ask for the ready line.
  ready.catch(() => undefined);
  return { child, ready, exit, stdout: () => text.stdout, stderr: () => text.stderr };
}

/** Ends every host of this test file that still runs. */
export function killHosts(): void {
  for (const child of started) child.kill('SIGKILL');
}
