// The main job in one command, as a person runs it: `sluice demo --json`, from nothing to an endpoint whose answers agree, and no trace left.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesOf } from '../support/processes.ts';
import { jsonOf, type Ran, sluice } from '../support/sluice.ts';
import { ROOT } from '../support/test-stack.ts';

interface Account {
  pipeline: string;
  dataSource: string;
  commit: { table: string; version: number; rows: number; digest: string };
  runId: string;
  instanceId: string;
  metrics: Record<string, number>;
  modelDigest: string;
  endpoint: string;
  /** Only where data stays at a site. */
  border: null;
  rowsChecked: number;
  rowsAgreeing: number;
  seconds: Record<string, number>;
}

const REAL_DATA = resolve(ROOT, '../shared/data/iBeacon_RSSI_Labeled.csv');
const KEYS = [
  'border',
  'commit',
  'dataSource',
  'endpoint',
  'instanceId',
  'metrics',
  'modelDigest',
  'pipeline',
  'rowsAgreeing',
  'rowsChecked',
  'runId',
  'seconds',
];

/** A demo of its own temporary folder, so that what it leaves behind can be seen. */
async function demo(words: string[], environment: NodeJS.ProcessEnv = {}): Promise<Ran & { left: string[]; processes: string[] }> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-story-'));
  try {
    const ran = await sluice(['demo', '--json', ...words], { ...process.env, ...environment, TMPDIR: scratch });
    return { ...ran, left: await readdir(scratch), processes: await processesOf(scratch) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

describe('the demo', () => {
  let ran: Awaited<ReturnType<typeof demo>>;
  let account: Account;
  let scratch: string;

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'sluice-story-data-'));
    const file = join(scratch, 'readings.csv');
    // Four seconds of training instead of one, but data as hard as the real: the pipeline's own gates must let it pass.
    const words = [join(ROOT, 'examples/ble-location/generate.py'), '--rows', '1420', '--out', file];
    await promisify(execFile)(process.env['SLUICE_PYTHON'] ?? 'python3', words, { timeout: 60_000 });
    ran = await demo(['--data', file]);
    expect(ran.code, ran.stderr).toBe(0);
    account = jsonOf(ran) as Account;
  });

  afterAll(() => rm(scratch, { recursive: true, force: true }));

  test('prints one JSON object with what happened, and nothing else, on stdout', () => {
    expect(Object.keys(account).sort()).toEqual(KEYS);
    expect(account).toMatchObject({
      pipeline: 'ble-location',
      commit: { table: 'gold/ble-location/training/', version: 0, rows: 1420 },
      endpoint: 'eu-central-1/ble-location-dev',
      border: null,
    });
    expect(account.dataSource).toContain('readings.csv');
    expect(account.runId).toMatch(/^train-ble-location-[0-9a-f]{16}-a1$/);
    expect(account.instanceId).toBe(account.runId);
    expect(account.modelDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(account.commit.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(account.metrics).toMatchObject({ leakedRows: 0, rows: 1420 });
  });

  test('the endpoint answered every golden row as the training side did', () => {
    expect(account.rowsChecked).toBeGreaterThanOrEqual(20);
    expect(account.rowsAgreeing).toBe(account.rowsChecked);
  });

  test('waiting and working are told apart, stage by stage, and the parts fit into the whole', () => {
    const { seconds } = account;

    expect(Object.keys(seconds)).toEqual(
      expect.arrayContaining([
        'total',
        'start',
        'story',
        'refine',
        'train',
        'train.queued',
        'train.working',
        'publish.queued',
        'publish.working',
        'deploy',
        'promote',
      ]),
    );
    for (const value of Object.values(seconds)) expect(value).toBeGreaterThanOrEqual(0);
    expect(seconds['total']).toBeGreaterThan((seconds['train.working'] ?? 0) + (seconds['refine'] ?? 0));
  });

  test('people read the same on stderr, without colours', () => {
    expect(ran.stderr).toContain('What happened');
    expect(ran.stderr).toContain(account.modelDigest);
    expect(ran.stderr).toMatch(/rows checked +\d+, \d+ agree/);
    expect(ran.stdout + ran.stderr).not.toContain('\u001b[');
  });

  test('no secret is in anything that it prints', () => {
    const text = ran.stdout + ran.stderr;

    expect(text).not.toMatch(
      /[?&]sig=|X-Amz-Signature|X-Amz-Security-Token|AccountKey|SharedKey|Bearer |eyJ[A-Za-z0-9_-]{20}|client_secret/i,
    );
  });

  test('nothing of it is left: no process, no file', () => {
    expect(ran.processes).toEqual([]);
    expect(ran.left.filter((name) => name.startsWith('sluice-'))).toEqual([]);
  });
});

// Bounds around what an honest split of this data set gives: far above guessing (1 in 105 cells), far below the split that near-copies flatter.
test.skipIf(!existsSync(REAL_DATA))('on the real data set the metrics are honest (skipped: real data absent)', async () => {
  const ran = await demo([]);
  expect(ran.code, ran.stderr).toBe(0);
  const { dataSource, commit, metrics, rowsAgreeing, rowsChecked } = jsonOf(ran) as Account;

  expect(dataSource).toContain('real');
  expect(commit.rows).toBe(1420);
  expect(metrics['leakedRows']).toBe(0);
  expect(metrics['top1']).toBeGreaterThan(0.12);
  expect(metrics['top1']).toBeLessThan(0.3);
  expect(metrics['top5']).toBeGreaterThan(0.35);
  expect(metrics['meanErrorCells']).toBeLessThan(3);
  expect(metrics['top1']).toBeGreaterThan(metrics['majorityTop1'] ?? 1);
  expect(metrics['naiveLeakedRows']).toBeGreaterThan(100);
  expect(rowsAgreeing).toBe(rowsChecked);
});

test('a data file that is not there is said before anything starts', async () => {
  // Without a Python nothing could start.
  const ran = await demo(['--data', 'no/such/file.csv'], { SLUICE_PYTHON: '/no/such/python' });

  expect(ran.code).toBe(2);
  expect(jsonOf(ran)).toMatchObject({ error: { message: expect.stringContaining('no/such/file.csv') as string } });
});

test('a Python without the packages is said with what to do', async () => {
  const ran = await demo([], { SLUICE_PYTHON: '/no/such/python' });

  expect(ran.code).toBe(1);
  expect(jsonOf(ran)).toMatchObject({ error: { code: 'python-missing' } });
  expect(ran.stderr).toMatch(/SLUICE_PYTHON is \/no\/such\/python.*Install numpy, sklearn, xgboost there, or unset SLUICE_PYTHON/);
  expect(ran.left.filter((name) => name.startsWith('sluice-'))).toEqual([]);
});
