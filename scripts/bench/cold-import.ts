// Cold import of the built app beside the bare SDKs bundled with the same options, in fresh processes, taken in turn so that drift hits both.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { appSettings } from '../../local/stack/settings.ts';
import { buildApp, bundleOptions } from '../build.mjs';

const run = promisify(execFile);
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Milliseconds of importing a file in a fresh Node process; `@azure/functions-core` is the host's empty shell of it. */
async function importMs(file: string, environment: Record<string, string>): Promise<number> {
  const program = `
    const Module = require('node:module'); const real = Module.prototype.require;
    const Disposable = class { dispose() {} static from() { return new Disposable(); } };
    const core = { version: '3.13.0', hostVersion: '4.1048.200', Disposable, registerFunction: () => new Disposable(), registerHook: () => new Disposable(),
      setProgrammingModel: () => undefined, getProgrammingModel: () => undefined, log: () => undefined };
    Module.prototype.require = function (id) { return id === '@azure/functions-core' ? core : real.apply(this, arguments); };
    const begun = process.hrtime.bigint();
    import(${JSON.stringify(pathToFileURL(file).href)}).then(() => { process.stdout.write(String(Number(process.hrtime.bigint() - begun) / 1e6)); process.exit(0); });`;
  const { stdout } = await run(process.execPath, ['-e', program], { env: { ...process.env, ...environment }, timeout: 60_000 });
  return Number(stdout);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Compares both over some rounds; the ratio is taken round by round. */
export async function benchColdImport(rounds: number): Promise<{ appMs: number; sdkMs: number; ratio: number; rounds: number }> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    await buildApp();
    const entry = join(scratch, 'sdk.mjs');
    await writeFile(
      entry,
      "import { app } from '@azure/functions'; import * as df from 'durable-functions'; globalThis.kept = [app, df];\n",
    );
    await build({
      ...bundleOptions,
      entryPoints: [entry],
      outfile: join(scratch, 'sdk.out.mjs'),
      splitting: false,
      nodePaths: [join(root, 'node_modules')],
    });
    const place = 'http://127.0.0.1:1';
    const cloud = {
      tokenEndpoint: place,
      issuerV2: place,
      jwks: place,
      identityEndpoint: place,
      blob: place,
      kubeflow: place,
      azureml: place,
      databricks: null,
      kubernetes: null,
      s3: place,
      sts: place,
      sagemaker: place,
      topic: place,
    };
    const settings = appSettings({
      cloud,
      state: 'UseDevelopmentStorage=true',
      lake: 'UseDevelopmentStorage=true',
      identityHeader: 'x',
      workDir: scratch,
      components: 'components',
      python: 'python3',
      poll: { firstSeconds: 1, maxSeconds: 2 },
    });
    const app: number[] = [];
    const sdk: number[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const one = await importMs(join(root, 'dist/functions/app.js'), settings);
      const other = await importMs(join(scratch, 'sdk.out.mjs'), {});
      if (round < 0) continue;
      app.push(one);
      sdk.push(other);
    }
    return { appMs: median(app), sdkMs: median(sdk), ratio: median(app.map((value, index) => value / (sdk[index] ?? Number.NaN))), rounds };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
