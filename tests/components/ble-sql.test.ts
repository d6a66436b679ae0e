// The SQL of the BLE example over generated readings: typed columns, the site's clock as UTC, and an order that the rows alone decide.
// It runs in DuckDB as refining does: bronze is text, silver and gold are views on the step before.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection, type JS } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';

const EXAMPLE = new URL('../../examples/ble-location/', import.meta.url);
const BEACONS = Array.from({ length: 13 }, (_, index) => `b${3001 + index}`);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-ble-sql-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function refined(csv: string, zone = 'UTC'): Promise<DuckDBConnection> {
  const file = join(folder, 'bronze.csv');
  writeFileSync(file, csv);
  const instance = await DuckDBInstance.create(':memory:', {
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = '${zone}'`);
  await connection.run(
    `CREATE VIEW bronze AS SELECT *, row_number() OVER () AS _row FROM read_csv('${file}', all_varchar = true, header = true, delim = ',')`,
  );
  await connection.run(`CREATE TABLE silver AS ${sql('silver.sql')}`);
  await connection.run(`CREATE TABLE gold AS ${sql('gold.sql')}`);
  return connection;
}

function sql(name: string): string {
  return readFileSync(new URL(name, EXAMPLE), 'utf8');
}

async function rows(connection: DuckDBConnection, query: string): Promise<JS[][]> {
  return (await connection.runAndReadAll(query)).getRowsJS();
}

function generated(): string {
  const file = join(folder, 'generated.csv');
  execFileSync('python3', [new URL('generate.py', EXAMPLE).pathname, '--rows', '200', '--out', file], { timeout: 20_000 });
  return readFileSync(file, 'utf8');
}

test('gives every column the type that it declares, in silver and in gold', async () => {
  const connection = await refined(generated());

  const types = Object.fromEntries((await rows(connection, 'DESCRIBE silver')).map(([name, type]) => [JSON.stringify(name), type]));
  expect(types).toEqual({
    '"location"': 'VARCHAR',
    '"seen_at"': 'TIMESTAMP WITH TIME ZONE',
    ...Object.fromEntries(BEACONS.map((beacon) => [`"${beacon}"`, 'SMALLINT'])),
  });
  const columns = (await rows(connection, 'DESCRIBE gold')).map(([name]) => name);
  expect(columns).toEqual(['location', ...BEACONS, 'seen_at']);
  expect(await rows(connection, 'SELECT count(*)::INTEGER FROM gold')).toEqual([[200]]);
});

test('reads dates without leading zeros as UTC, whatever zone the machine is in', async () => {
  const csv = `location,date,${BEACONS.join(',')}\nK04,4-9-2016 9:37:03,${BEACONS.map(() => '-200').join(',')}\n`;

  const connection = await refined(csv, 'America/New_York');

  expect(await rows(connection, 'SELECT epoch_ms(seen_at)::DOUBLE FROM gold')).toEqual([[Date.UTC(2016, 3, 9, 9, 37, 3)]]);
});

test('gives the same gold for the same rows in another order', async () => {
  const [header = '', ...lines] = generated().trimEnd().split('\n');
  const read = async (body: string[]): Promise<JS[][]> =>
    rows(await refined([header, ...body, ''].join('\n')), 'SELECT * REPLACE (epoch_ms(seen_at)::DOUBLE AS seen_at) FROM gold');

  expect(await read([...lines].reverse())).toEqual(await read(lines));
});

test('fails loudly on text that is no number instead of making it NULL', async () => {
  const csv = `location,date,${BEACONS.join(',')}\nK04,4-9-2016 9:37:03,${BEACONS.map((_, index) => (index === 3 ? 'x' : '-200')).join(',')}\n`;

  await expect(refined(csv)).rejects.toThrow(/Could not convert string 'x' to INT16/);
});
