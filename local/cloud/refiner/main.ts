// A large engine for one machine, as a program: reads a manifest, refines, commits. Data Factory's stand-in runs it as an activity, the one
// of Databricks behind the wheel. Usage: main.ts [MANIFEST FILE]; without it ADF_MANIFEST names the manifest in the lake.
//   REFINE_STORAGE     connection string of the lake account       REFINE_CONTAINER   the lake container
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { DuckDBInstance } from '@duckdb/node-api';
import { Manifest, withParameters } from './manifest.ts';
import { refine } from './refine.ts';

async function main(): Promise<void> {
  const lake = BlobServiceClient.fromConnectionString(setting('REFINE_STORAGE'), { retryOptions: { maxTries: 3 } }).getContainerClient(
    setting('REFINE_CONTAINER'),
  );
  const manifest = withParameters(Manifest.parse(JSON.parse(await manifestText(lake))), process.env);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-refiner-'));
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: '512MB',
    temp_directory: join(folder, 'spill'),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const duck = await instance.connect();
  try {
    const { readRows } = await refine({ lake, duck, folder, now: Date.now }, manifest);
    process.stdout.write(`${JSON.stringify({ readRows })}\n`);
  } finally {
    duck.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
}

async function manifestText(lake: ContainerClient): Promise<string> {
  const [, , file] = process.argv;
  if (file !== undefined) return readFile(file, 'utf8');
  return (
    await lake.getBlobClient(setting('ADF_MANIFEST')).downloadToBuffer(0, undefined, { abortSignal: AbortSignal.timeout(30_000) })
  ).toString('utf8');
}

function setting(key: string): string {
  const value = process.env[key];
  if (value === undefined || value === '') throw new Error(`${key} is not set`);
  return value;
}

main().catch((error: unknown) => {
  // The last line is what the service shows as the reason.
  process.stderr.write(`${error instanceof Error ? error.message.replaceAll('\n', ' ').slice(0, 1500) : String(error)}\n`);
  process.exitCode = 1;
});
