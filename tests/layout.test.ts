// What the project promises about its shape: the rooms of the top level, the packages that it uses at run time, and what the built app leaves to its host.
import { readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { build, type Metafile, type OutputFile } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleOptions } from '../scripts/build.mjs';

interface Manifest {
  main: string;
  dependencies: Record<string, string>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

describe('the top level', () => {
  test.each(['functions', 'orchestrations', 'infra', 'shared', 'tests'])('has the folder %s', (name) => {
    expect(statSync(name).isDirectory()).toBe(true);
  });

  test.each(['host.json', 'package.json', 'tsconfig.json'])('has the file %s', (name) => {
    expect(statSync(name).isFile()).toBe(true);
  });
});

/** Package → the file that imports it first of all. */
const IMPORTED_BY = {
  '@azure/functions': 'functions/app.ts',
  'durable-functions': 'functions/app.ts',
  '@azure/storage-blob': 'functions/ports.ts',
  '@azure/data-tables': 'shared/adapters/tables/open-tables.ts',
  '@azure/eventgrid': 'shared/adapters/eventgrid/deserialize.ts',
  '@azure/arm-machinelearning': 'shared/clients/arm.ts',
  '@aws-sdk/client-sagemaker': 'shared/clients/aws.ts',
} as const;

describe('the built app', () => {
  let metafile: Metafile;
  let files: OutputFile[];

  beforeAll(async () => {
    const options = { ...bundleOptions, sourcemap: false, entryPoints: ['functions/app.ts'], outdir: 'dist/functions' };
    const built = await build({ ...options, metafile: true, write: false });
    metafile = built.metafile;
    files = built.outputFiles;
  });

  // The bundler erases imports of types: what is left of a file's imports is what it loads.
  test.each(Object.entries(IMPORTED_BY))('loads %s at run time: %s imports it', (name, file) => {
    const loaded = metafile.inputs[file]?.imports.map(({ path }) => path) ?? [];

    expect(Object.keys(manifest.dependencies)).toContain(name);
    expect(loaded.filter((path) => path.startsWith(`node_modules/${name}/`))).not.toEqual([]);
  });

  test('leaves to require what the host has, one native package to node_modules, and nothing else', () => {
    const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
    const packages = left.filter(({ path }) => !path.startsWith('node:') && !builtinModules.includes(path));
    const host = packages.filter(({ path }) => path === '@azure/functions-core');

    expect([...new Set(packages.map(({ path }) => path))].sort()).toEqual(['@azure/functions-core', '@duckdb/node-api']);
    expect([...new Set(host.map(({ kind }) => kind))]).toEqual(['require-call']);
    expect(files.some(({ text }) => /equire\("@azure\/functions-core"\)/.test(text))).toBe(true);
    expect(Object.keys(manifest.dependencies)).toContain('@duckdb/node-api');
  });

  test('loads its adapters on use: the SDKs of the clouds are not in what a cold start reads', () => {
    const read = new Set<string>();
    const follow = (output: string): void => {
      if (read.has(output)) return;
      read.add(output);
      for (const { path, kind } of metafile.outputs[output]?.imports ?? []) if (kind === 'import-statement') follow(path);
    };
    follow('dist/functions/app.js');
    const inputs = [...read].flatMap((output) => Object.keys(metafile.outputs[output]?.inputs ?? {}));
    const onUse = Object.keys(IMPORTED_BY).filter((name) => !['@azure/functions', 'durable-functions'].includes(name));

    expect(inputs).toContain('functions/app.ts');
    for (const name of [...onUse, '@aws-sdk/client-s3', '@azure/identity', 'yaml']) {
      expect(inputs.filter((path) => path.startsWith(`node_modules/${name}/`))).toEqual([]);
    }
  });

  test('is what package.json names, beside a host.json that asks for the extension bundle', () => {
    const host = JSON.parse(readFileSync('host.json', 'utf8')) as { version: string; extensionBundle?: { id: string; version: string } };
    const ignored = readFileSync('.gitignore', 'utf8').split('\n');

    expect(Object.keys(metafile.outputs)).toContain(manifest.main);
    expect(host).toMatchObject({ version: '2.0', extensionBundle: { id: 'Microsoft.Azure.Functions.ExtensionBundle' } });
    expect(JSON.parse(readFileSync('local.settings.example.json', 'utf8'))).toMatchObject({ Values: { FUNCTIONS_WORKER_RUNTIME: 'node' } });
    expect(ignored).toContain('local.settings.json');
  });
});
