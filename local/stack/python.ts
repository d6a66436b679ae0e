// Finds a Python that can run the components, or makes one: the first that imports the needed packages wins, nothing is installed twice.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What the components import beyond the standard library. */
export const NEEDED = ['numpy', 'sklearn', 'xgboost'] as const;
/** The same as Debian names them; OpenBLAS because the reference BLAS trains several times slower. */
const DEBIAN = ['python3', 'python3-sklearn', 'python3-xgboost', 'libopenblas0-pthread'];

export interface PythonSearch {
  root: string;
  environment: NodeJS.ProcessEnv;
  /** Says what is being done and why; nothing is printed when nothing has to be set up. */
  say: (line: string) => void;
  /** Runs a program; replaced in tests. Rejects when it fails or takes longer than the limit. */
  execute?: (program: string, args: readonly string[], timeoutMs: number) => Promise<string>;
  isRoot?: boolean;
}

/** No Python could be had: the message holds the command to type. */
export class PythonMissingError extends Error {
  override readonly name = 'PythonMissingError';
}

/** The command of a Python with the needed packages. Order: $SLUICE_PYTHON, .venv, python3, /usr/bin/python3; then a .venv by pip; then Debian's packages. */
export async function findPython(search: PythonSearch): Promise<string> {
  const execute = search.execute ?? executeProgram;
  const asked = search.environment['SLUICE_PYTHON'];
  const venv = join(search.root, '.venv', 'bin', 'python3');
  const candidates = [asked, existsSync(venv) ? venv : undefined, 'python3', '/usr/bin/python3'].filter(
    (one) => one !== undefined && one !== '',
  );
  for (const candidate of new Set(candidates)) {
    const missing = await missingPackages(candidate as string, execute);
    if (missing === null) return resolved(candidate as string, execute);
    if (candidate === asked)
      throw new PythonMissingError(
        `$SLUICE_PYTHON is ${asked}, but ${missing}. Install ${NEEDED.join(', ')} there, or unset SLUICE_PYTHON`,
      );
  }
  search.say(`No Python with ${NEEDED.join(', ')} was found; setting one up`);
  const reasons: string[] = [];
  if (await makeVenv(search, execute, reasons)) return venv;
  if (await installDebian(search, execute, reasons)) return '/usr/bin/python3';
  throw new PythonMissingError(
    `The components need Python 3.11 or newer with ${NEEDED.join(', ')}, and none could be set up:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}\n` +
      `Type this, then try again:\n  sudo apt-get install -y --no-install-recommends ${DEBIAN.join(' ')}\nor, where PyPI is reachable:\n  python3 -m venv .venv && .venv/bin/pip install -r components/requirements.lock`,
  );
}

type Execute = NonNullable<PythonSearch['execute']>;

/** null when everything is there, otherwise what is wrong, in words. */
async function missingPackages(python: string, execute: Execute): Promise<string | null> {
  const program = `import sys, ${NEEDED.join(', ')}; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"`;
  try {
    await execute(python, ['-c', program], 60_000);
    return null;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return text.trim().split('\n').at(-1) ?? 'it does not run';
  }
}

/** A shim (pyenv) may answer differently in another folder: keep the interpreter itself. */
async function resolved(python: string, execute: Execute): Promise<string> {
  return (await execute(python, ['-c', 'import sys; print(sys.executable)'], 60_000)).trim() || python;
}

async function makeVenv(search: PythonSearch, execute: Execute, reasons: string[]): Promise<boolean> {
  const folder = join(search.root, '.venv');
  const pip = join(folder, 'bin', 'pip');
  try {
    search.say('Trying a .venv from components/requirements.lock (no retries, 15 s per connection)');
    await execute('python3', ['-m', 'venv', folder], 120_000);
    const lock = join(search.root, 'components', 'requirements.lock');
    await execute(pip, ['install', '--quiet', '--retries', '0', '--timeout', '15', '--only-binary', ':all:', '-r', lock], 600_000);
    return (await missingPackages(join(folder, 'bin', 'python3'), execute)) === null;
  } catch (error) {
    reasons.push(`pip: ${lastLine(error)}`);
    return false;
  }
}

async function installDebian(search: PythonSearch, execute: Execute, reasons: string[]): Promise<boolean> {
  const isRoot = search.isRoot ?? process.getuid?.() === 0;
  if (!isRoot) {
    reasons.push('apt-get: only root may install packages');
    return false;
  }
  try {
    search.say(`Installing Debian's packages: ${DEBIAN.join(' ')}`);
    await execute('apt-get', ['update', '-qq'], 180_000);
    await execute('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...DEBIAN], 600_000);
    return (await missingPackages('/usr/bin/python3', execute)) === null;
  } catch (error) {
    reasons.push(`apt-get: ${lastLine(error)}`);
    return false;
  }
}

async function executeProgram(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  const { stdout } = await run(program, [...args], { timeout: timeoutMs, env: environment, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? 'failed';
}
