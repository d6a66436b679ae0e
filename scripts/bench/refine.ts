// Measures refining: `tsx scripts/bench/refine.ts [ROWS=10000000] [ROUNDS=3] [THREADS=2] [MEMORY=1GB]`. Bronze CSV → silver → gold by Sluice,
// against DuckDB's own COPY of the same SQL (same API, threads and memory limit), each in a process of its own, in turns. Sluice also
// fetches and proves the file, judges types and contracts, hashes what it writes and commits two Delta tables; the storage account is a
// folder on the same disk, and the time that only moves bytes to and from it is told apart. BENCH_DIR says where the files go.
// `refine.ts --memory-proof [GIGABYTES=2] [MEMORY=512MB]` refines one CSV of that size in a process that may use 1.5 GB, and fails when it used more.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRefineEngine } from '../../shared/adapters/lake/refine/engine.ts';
import { createMemoryStore } from '../../shared/adapters/memory/store.ts';
import { Pipeline, type PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { blobsInProcess, fileOf } from '../../tests/support/blobs-in-process.ts';

const LANDED = 'bronze/bench/rows.csv';
const COLUMNS = { id: 'integer', customer: 'string', at: 'timestamp', amount: 'number', country: 'string', active: 'boolean' };
const SILVER =
  'SELECT CAST(id AS BIGINT) AS id, customer, CAST("at" AS TIMESTAMPTZ) AS seen_at, CAST(amount AS DECIMAL(12,2)) AS amount, country, ' +
  'CAST(active AS BOOLEAN) AS active FROM bronze';
const GOLD =
  'SELECT customer, count(*) AS orders, sum(amount) AS total, max(seen_at) AS newest, count(*) FILTER (WHERE active) AS active ' +
  'FROM silver GROUP BY customer ORDER BY customer';

interface Answer {
  ms: number;
  /** Fetching the file, with its SHA-256, and moving tables to storage. */
  movingMs: number;
  cpuMs: number;
  movingCpuMs: number;
  peakMb: number;
  goldRows: number;
}

/** Peak resident memory of this process. */
const peakMb = () => Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024);

function pipeline(): PipelineVersion {
  const backend = { backend: ['kubeflow'], component: 'c' };
  const target = { name: 't', platform: 'sagemaker', endpoint: 'e', region: 'eu-central-1', bucket: 'bucket', instanceType: 'ml.m5.large' };
  const spec = Pipeline.parse({
    apiVersion: 'sluice/v1',
    pipeline: 'bench',
    data: 'lake',
    sources: [{ name: 'in', path: 'bronze/bench/', format: 'csv', columns: COLUMNS }],
    complete: 'files 1',
    tables: {
      silver: { name: 'rows', sql: 'silver.sql', mode: 'overwrite', columns: { id: { required: true, type: 'long' }, amount: { min: 0 } } },
      gold: { name: 'training', sql: 'gold.sql', mode: 'overwrite' },
    },
    train: backend,
    gates: [{ metric: 'm', atLeast: 0 }],
    environments: { dev: { development: true, approval: 'none', targets: [{ ...target, roleArn: 'arn:aws:iam::123456789012:role/r' }] } },
  });
  return { name: 'bench', digest: 'd'.repeat(64), spec, sql: { silver: SILVER, gold: GOLD }, images: {} };
}

async function bySluice(dir: string, threads: number, memoryLimit: string): Promise<Answer> {
  let movingMs = 0;
  let moving = 0;
  let since = 0;
  let movingCpuMs = 0;
  let cpuSince = process.cpuUsage();
  const { service, adopt } = blobsInProcess(join(dir, 'lake'), (request, what) => {
    if (!/\.(csv|parquet)$/.test(request)) return;
    // Blocks of a file go side by side: time counts once.
    if (what === 'begin' && moving === 0) [since, cpuSince] = [performance.now(), process.cpuUsage()];
    moving += what === 'begin' ? 1 : -1;
    if (moving > 0) return;
    movingMs += performance.now() - since;
    movingCpuMs += usedMs(cpuSince);
  });
  const eTag = await adopt('lake', LANDED);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(fileOf(join(dir, 'lake'), LANDED))) hash.update(chunk as Buffer);
  const options = {
    blobService: service,
    lakeContainer: 'lake',
    store: createMemoryStore(),
    workDir: join(dir, 'work'),
    memoryLimit,
    threads,
  };
  const engine = createRefineEngine(options);
  const files = [{ path: LANDED, sha256: hash.digest('hex'), eTag }];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const refined = await engine.refine({ pipeline: pipeline(), key: 'a'.repeat(64), container: 'lake', files });
  return { ms: performance.now() - start, movingMs, cpuMs: usedMs(cpu), movingCpuMs, peakMb: peakMb(), goldRows: refined.gold.rows };
}

const usedMs = (since: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

/** The same SQL over the same file, and nothing else. */
async function byDuckdb(dir: string, threads: number, memoryLimit: string): Promise<Answer> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const cpu = process.cpuUsage();
  const start = performance.now();
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads), memory_limit: memoryLimit });
  const connection = await instance.connect();
  await connection.run(`SET temp_directory = '${join(dir, 'spill')}'; SET TimeZone = 'UTC'`);
  const types = Object.keys(COLUMNS).map((column) => `'${column}': 'VARCHAR'`);
  const csv = `read_csv('${fileOf(join(dir, 'lake'), LANDED)}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\n', columns = {${types.join(', ')}})`;
  const out = (name: string) => `'${join(dir, `${name}.parquet`)}' (FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v1)`;
  await connection.run(`COPY (${SILVER.replace('FROM bronze', `FROM ${csv}`)}) TO ${out('silver')}`);
  const silver = `read_parquet('${join(dir, 'silver.parquet')}')`;
  await connection.run(`COPY (${GOLD.replace('FROM silver', `FROM ${silver}`)}) TO ${out('gold')}`);
  const ms = performance.now() - start;
  const rows = await connection.runAndReadAll(`SELECT count(*) AS n FROM '${join(dir, 'gold.parquet')}'`);
  return { ms, movingMs: 0, cpuMs: usedMs(cpu), movingCpuMs: 0, peakMb: peakMb(), goldRows: Number(rows.getRowObjectsJson()[0]!['n']) };
}

const PANDAS = `
import json, resource, sys, time
import pandas as pd
start = time.perf_counter()
silver = pd.read_csv(sys.argv[1], dtype={'customer': 'string', 'country': 'string'}, parse_dates=['at'])
silver.to_pickle(sys.argv[2] + '/silver.pickle')
gold = silver.groupby('customer').agg(orders=('id', 'size'), total=('amount', 'sum'), newest=('at', 'max'), active=('active', 'sum'))
gold.to_pickle(sys.argv[2] + '/gold.pickle')
ms = (time.perf_counter() - start) * 1000
print(json.dumps({'ms': ms, 'movingMs': 0, 'cpuMs': ms, 'movingCpuMs': 0, 'peakMb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, 'goldRows': len(gold)}))
`;

function hasPandas(): boolean {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import pandas'], { stdio: 'ignore', timeout: 60_000 });
    return true;
  } catch {
    return false;
  }
}

const MAX_MS = 30 * 60_000;

/** Runs a contestant in a process of its own; the process is ended when it takes half an hour. */
async function answerOf(command: string, args: readonly string[]): Promise<Answer> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: MAX_MS });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== 0) throw new Error(`${command} ${args[0]} ended with ${child.exitCode}`);
  return JSON.parse(text) as Answer;
}

async function makeCsv(file: string, rows: number): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run(
    `COPY (SELECT i AS id, printf('c%06d', hash(i) % 1000000) AS customer,
       strftime(TIMESTAMP '2024-01-01' + INTERVAL (i * 7) SECOND, '%Y-%m-%dT%H:%M:%SZ') AS "at",
       printf('%.2f', (hash(i + 1) % 100000) / 100) AS amount, ['DE', 'FR', 'NL', 'PL', 'IT'][1 + i % 5] AS country,
       i % 3 > 0 AS active FROM range(${rows}) t(i)) TO '${file}' (FORMAT csv, HEADER true, QUOTE '"')`,
  );
  connection.closeSync();
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

function line(name: string, answers: readonly Answer[]): void {
  const of = (pick: (answer: Answer) => number) => answers.map(pick);
  console.log(
    `${name.padEnd(22)} min ${seconds(Math.min(...of((a) => a.ms))).padStart(8)}  median ${seconds(median(of((a) => a.ms))).padStart(8)}  ` +
      `CPU ${seconds(Math.min(...of((a) => a.cpuMs))).padStart(8)}  peak ${Math.max(...of((a) => a.peakMb))} MB`,
  );
}

async function main(): Promise<void> {
  const [rows = 10_000_000, rounds = 3, threads = 2] = process.argv.slice(2, 5).map(Number);
  const memory = process.argv[5] ?? '1GB';
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'bench-refine-'));
  try {
    execFileSync('mkdir', ['-p', join(dir, 'lake'), join(dir, 'work')]);
    const csv = fileOf(join(dir, 'lake'), LANDED);
    await makeCsv(csv, rows);
    const bytes = statSync(csv).size;
    console.log(
      `${rows} rows, ${(bytes / 1e6).toFixed(0)} MB of CSV, ${threads} threads of ${availableParallelism()}, memory limit ${memory}, ${rounds} rounds in turns`,
    );
    const self = fileURLToPath(import.meta.url);
    const child = (name: string) => async () =>
      answerOf(process.execPath, ['--import', 'tsx', self, '--child', name, dir, String(threads), memory]);
    const contestants: Record<string, () => Promise<Answer>> = { sluice: child('sluice'), duckdb: child('duckdb') };
    if (hasPandas()) contestants['pandas'] = async () => answerOf('/usr/bin/python3', ['-c', PANDAS, csv, dir]);
    const answers: Record<string, Answer[]> = {};
    for (let round = 0; round < rounds; round += 1)
      for (const [name, run] of Object.entries(contestants)) {
        (answers[name] ??= []).push(await run());
        for (const left of ['work', 'spill', 'silver.parquet', 'gold.parquet', 'silver.pickle', 'gold.pickle'])
          rmSync(join(dir, left), { recursive: true, force: true });
        execFileSync('find', [join(dir, 'lake'), '-type', 'f', '!', '-path', csv, '-delete']);
      }
    report(answers, bytes);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function report(answers: Readonly<Record<string, Answer[]>>, bytes: number): void {
  for (const [name, each] of Object.entries(answers)) line(name, each);
  if (!('pandas' in answers)) console.log('pandas                 not installed for /usr/bin/python3');
  const [sluice, duckdb] = [answers['sluice']!, answers['duckdb']!];
  if (sluice.some(({ goldRows }) => goldRows !== duckdb[0]!.goldRows)) throw new Error('the contestants made different tables');
  const over = (of: (values: number[]) => number, mine: (answer: Answer) => number, theirs: (answer: Answer) => number) =>
    `${(of(sluice.map(mine)) / of(duckdb.map(theirs))).toFixed(2)} ×`;
  const least = (values: number[]) => Math.min(...values);
  const both = (mine: (answer: Answer) => number, theirs: (answer: Answer) => number) =>
    `min ${over(least, mine, theirs)}  median ${over(median, mine, theirs)}`;
  const wall = ({ ms }: Answer) => ms;
  const work = both(({ ms, movingMs }) => ms - movingMs, wall);
  console.log(`\nrefining / COPY        ${work}   (aim: at most 1.2 ×)`);
  console.log(
    `  the same in CPU      ${both(
      ({ cpuMs, movingCpuMs }) => cpuMs - movingCpuMs,
      ({ cpuMs }) => cpuMs,
    )}   (hardly moves when the machine is busy)`,
  );
  const moved = seconds(median(sluice.map(({ movingMs }) => movingMs)));
  console.log(`with storage / COPY    ${both(wall, wall)}   (fetch with SHA-256, upload: ${moved})`);
  console.log(`throughput             ${(bytes / 1e6 / (median(sluice.map(({ ms }) => ms)) / 1000)).toFixed(0)} MB of CSV per second`);
}

/** What the process of the proof may have in memory, and what the kernel refuses to give it beyond: its private writable memory. */
const PROOF_MB = 1536;

/** One large file through a small process. Where `prlimit` is there, the kernel holds it to the limit; VmHWM is looked at anyway. */
async function proveMemory(gigabytes: number, memory: string): Promise<void> {
  const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'bench-refine-'));
  try {
    execFileSync('mkdir', ['-p', join(dir, 'lake'), join(dir, 'work')]);
    const csv = fileOf(join(dir, 'lake'), LANDED);
    // Later rows are longer, so the size of a sample is a lower bound of the others'.
    await makeCsv(csv, 100_000);
    const rows = Math.ceil((gigabytes * 1e9) / (statSync(csv).size / 100_000));
    await makeCsv(csv, rows);
    const bytes = statSync(csv).size;
    const limited = existsSync('/usr/bin/prlimit');
    const self = [process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url), '--child', 'sluice', dir, '2', memory];
    const command = limited ? ['/usr/bin/prlimit', `--data=${PROOF_MB * 1024 * 1024}`, ...self] : self;
    console.log(
      `${rows} rows, ${(bytes / 1e9).toFixed(2)} GB of CSV, 2 threads, memory limit of the engine ${memory}; ${limited ? 'held to' : 'not held to, only measured against'} ${PROOF_MB} MB`,
    );
    const { ms, peakMb: peak, goldRows } = await answerOf(command[0]!, command.slice(1));
    console.log(`refined in ${seconds(ms)}, gold has ${goldRows} rows; peak ${peak} MB resident of ${PROOF_MB} MB`);
    if (peak > PROOF_MB) throw new Error(`the process had ${peak} MB in memory; ${PROOF_MB} MB are allowed`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--memory-proof') await proveMemory(Number(process.argv[3] ?? 2), process.argv[4] ?? '512MB');
else if (process.argv[2] === '--child') {
  const [, , , name, dir, threads, memory] = process.argv as [string, string, string, string, string, string, string];
  if (!existsSync(dir)) throw new Error(`${dir} does not exist`);
  const run = name === 'sluice' ? bySluice : byDuckdb;
  console.log(JSON.stringify(await run(dir, Number(threads), memory)));
  process.exit(0);
} else await main();
