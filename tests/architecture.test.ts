// The rules that keep the house in order are tested themselves: a planted fault must be found.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, test } from 'vitest';
import { replaySafe } from '../eslint.config.js';

function lint(code: string): string[] {
  const config: Linter.Config = {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      globals: Object.fromEntries(
        ['fetch', 'process', 'crypto', 'performance', 'console', 'setTimeout', 'Buffer'].map((name) => [name, 'readonly']),
      ),
    },
    rules: replaySafe,
  };
  return new Linter().verify(code, [config], { filename: 'orchestrations/planted.ts' }).map((problem) => problem.message);
}

describe('the determinism lint', () => {
  test.each([
    ['the clock', 'export const a = Date.now();'],
    ['a date of now', 'export const a = new Date();'],
    ['a date as text', 'export const a = Date();'],
    ['randomness', 'export const a = Math.random();'],
    ['random ids', 'export const a = crypto.randomUUID();'],
    ['the environment', 'export const a = process.env;'],
    ['the network', "export const a = fetch('http://x');"],
    ['a timer', 'setTimeout(() => undefined, 1);'],
    ['await', 'export const a = async () => { await null; };'],
    ['an async generator', 'export async function* a() { yield 1; }'],
    ['local time', 'export const a = (d: Date) => d.getHours();'],
    ['the locale', 'export const a = (d: Date) => d.toLocaleString();'],
    ['a Node module', "import { readFile } from 'node:fs'; export { readFile };"],
    ['a cloud SDK', "import { S3Client } from '@aws-sdk/client-s3'; export { S3Client };"],
    ['an adapter', "import { x } from '../shared/adapters/lake/lake.ts'; export { x };"],
    ['a port', "import { x } from '../shared/ports/lake.ts'; export { x };"],
    ['the console', "console.log('x');"],
  ])('finds %s', (_what, code) => {
    expect(lint(code)).not.toEqual([]);
  });

  test('lets replay-safe code pass', () => {
    expect(lint('export function* a(now: Date) { yield new Date(now.getTime() + 1).toISOString(); }')).toEqual([]);
  });
});

describe('the import rules', () => {
  const cruise = async (files: Record<string, string>): Promise<string> => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-rules-'));
    try {
      for (const [path, text] of Object.entries({ 'tsconfig.json': '{}', 'package.json': '{}', ...files })) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), text);
      }
      const bin = join(process.cwd(), 'node_modules/.bin/depcruise');
      const folders = [...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))];
      const args = [...folders, '--config', join(process.cwd(), '.dependency-cruiser.cjs'), '--output-type', 'err'];
      return await promisify(execFile)(bin, args, { cwd: root, timeout: 60_000 }).then(
        () => '',
        (error: { stdout: string }) => error.stdout,
      );
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  };
  const leaf = 'export const x = 1;\n';

  test.each([
    [
      'an orchestration that imports an adapter',
      'orchestrations',
      { 'orchestrations/a.ts': "export { x } from '../shared/adapters/lake/b.ts';\n", 'shared/adapters/lake/b.ts': leaf },
    ],
    [
      'a decision that imports a port',
      'decisions',
      { 'shared/decisions/a.ts': "export { x } from '../ports/b.ts';\n", 'shared/ports/b.ts': leaf },
    ],
    [
      'an adapter that imports another',
      'adapter-walls',
      { 'shared/adapters/lake/a.ts': "export { x } from '../kubeflow/b.ts';\n", 'shared/adapters/kubeflow/b.ts': leaf },
    ],
    [
      'a stand-in that imports the product',
      'cloud-stands-alone',
      { 'local/cloud/s3/a.ts': "export { x } from '../../../shared/contracts/b.ts';\n", 'shared/contracts/b.ts': leaf },
    ],
    [
      'a host that imports the product',
      'host-stands-alone',
      { 'local/host/a.ts': "export { x } from '../../shared/contracts/b.ts';\n", 'shared/contracts/b.ts': leaf },
    ],
    [
      'a folder called utils',
      'no-orphan-rooms',
      { 'shared/decisions/a.ts': "export { x } from './utils/b.ts';\n", 'shared/decisions/utils/b.ts': leaf },
    ],
    [
      'a cycle',
      'no-cycle',
      {
        'cli/a.ts': "import { y } from './b.ts';\nexport const x = () => y;\n",
        'cli/b.ts': "import { x } from './a.ts';\nexport const y = () => x;\n",
      },
    ],
  ])('find %s', async (_what, rule, files) => {
    expect(await cruise(files as Record<string, string>)).toContain(`error ${rule}`);
  });
});
