// The engine is locked down: no extension is loaded or fetched, no file outside its folder is touched, and nobody can open the lock.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuck, textOf, type Duck } from '../../../../../shared/adapters/lake/refine/duck.ts';

let dir = '';
let outside = '';
let duck: Duck;
beforeAll(async () => {
  [dir, outside] = [await mkdtemp(join(tmpdir(), 'sluice-duck-')), await mkdtemp(join(tmpdir(), 'sluice-outside-'))];
  await writeFile(join(outside, 'secret.csv'), 'a\n1\n');
  duck = await openDuck(dir, { memoryLimit: '256MB', threads: 1, diskLimit: '1GB', statementSeconds: 60 });
});
afterAll(async () => {
  duck.close();
  for (const each of [dir, outside]) await rm(each, { recursive: true, force: true });
});

describe('the engine', () => {
  it('neither loads nor fetches an extension', async () => {
    // An extension brings functions: the list of them is what tells.
    const functions = async () => duck.rows('SELECT DISTINCT function_name AS name FROM duckdb_functions() ORDER BY name');
    const there = await functions();
    expect(there.map((row) => textOf(row, 'name'))).toContain('read_parquet');

    for (const statement of [
      'INSTALL httpfs',
      'LOAD httpfs',
      "SELECT * FROM read_csv('https://example.com/a.csv')",
      "SELECT * FROM delta_scan('x')",
      "SELECT * FROM 'az://container/a.parquet'",
      "SELECT * FROM read_xlsx('a.xlsx')",
    ])
      await expect(duck.run(statement), statement).rejects.toThrow();

    expect(await functions()).toEqual(there);
    await expect(duck.run('SELECT * FROM duckdb_extensions()')).rejects.toThrow(/Permission Error/);
  });

  it('keeps its limits, whatever a statement asks for', async () => {
    const settings = await duck.rows(
      "SELECT name, value FROM duckdb_settings() WHERE name IN ('autoinstall_known_extensions', 'autoload_known_extensions', 'enable_external_access', 'lock_configuration', 'threads', 'TimeZone')",
    );
    expect(Object.fromEntries(settings.map((row) => [textOf(row, 'name'), textOf(row, 'value')]))).toEqual({
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      enable_external_access: 'false',
      lock_configuration: 'true',
      threads: '1',
      TimeZone: 'UTC',
    });
    for (const statement of [
      "SET memory_limit = '100GB'",
      'SET threads = 8',
      'SET enable_external_access = true',
      'SET autoload_known_extensions = true',
      `SELECT * FROM read_csv('${join(outside, 'secret.csv')}')`,
      `COPY (SELECT 1) TO '${join(outside, 'out.csv')}'`,
      `ATTACH '${join(outside, 'a.db')}'`,
    ])
      await expect(duck.run(statement), statement).rejects.toThrow(/locked|Permission|disabled|configuration/i);
  });
});
