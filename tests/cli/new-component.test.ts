// `sluice new component`: what it makes runs and passes its own test; what is there is never touched.
import { execFile } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newComponent } from '../../cli/commands/new-component.ts';
import { createContext } from '../../cli/context.ts';
import { createOutput } from '../../cli/output.ts';
import { PassThrough } from 'node:stream';

const run = promisify(execFile);
const python = process.env['SLUICE_PYTHON'] ?? '/usr/bin/python3';
let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'component-'))));
afterEach(() => rm(dir, { recursive: true, force: true }));

const make = (name: string) => {
  const out = new PassThrough() as unknown as NodeJS.WriteStream;
  const context = createContext({ output: createOutput({ json: false, out, err: out }), environment: {}, root: process.cwd() });
  return newComponent.run(context, [name], { dir });
};

describe('sluice new component', () => {
  test('makes a component that passes its own test', async () => {
    expect(await make('row-count')).toBe(0);
    const folder = join(dir, 'row-count');
    const env = { ...process.env, SLUICE_PROTOCOL: resolve('components/protocol') };
    const { stdout } = await run(python, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(folder, 'tests')], { env, timeout: 60_000 });

    expect(stdout).toContain('3 passed');
    expect(await readFile(join(folder, 'Dockerfile'), 'utf8')).toMatch(/FROM \$\{BASE_IMAGE\}[\s\S]*USER 10001:10001/);
    expect(await readFile(join(folder, 'component.yaml'), 'utf8')).toContain('entry: [python3, -m, sluice_row_count]');
  });

  test('is a command of the program', async () => {
    const { stdout } = await run('node', ['cli/sluice.js', 'new', 'component', 'from-program', '--dir', dir, '--json'], {
      timeout: 60_000,
    });

    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ name: 'from-program' });
  });

  test('refuses a name that is none, and a folder that is taken', async () => {
    await expect(make('../evil')).rejects.toThrow('no component');
    await expect(make('Row_Count')).rejects.toThrow('no component');
    await expect(access(join(dir, '..', 'evil'))).rejects.toThrow();
    await make('row-count');
    await expect(make('row-count')).rejects.toThrow('is there already');
  });
});
