// Compiles infra/azure/main.bicep with the real Bicep compiler; a warning fails like an error. `tsx scripts/bicep-build.ts [--fetch]`.
// With `--fetch` and dotnet, a missing compiler is restored once from NuGet into .sluice/bicep (facts/infra.md §3.1).
import { spawn } from 'node:child_process';
import { access, chmod, constants, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.49.2';
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const EXECUTABLE = process.platform === 'win32' ? 'bicep.exe' : 'bicep';
const SYSTEMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'osx', win32: 'win' };
const COMPILE_MS = 120_000;
const FETCH_MS = 300_000;

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Compiled ARM JSON, and what the compiler and its linter said; a clean build says nothing. */
export interface Compiled {
  template: unknown;
  diagnostics: string[];
}

/** The compiler: `$SLUICE_BICEP`, one restored earlier, or `bicep` on PATH; null where there is none. */
export async function findBicep(environment: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const given = environment['SLUICE_BICEP'];
  const onPath = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = given ? [given] : [restoredBicep(), ...onPath.map((folder) => join(folder, EXECUTABLE))];
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  if (given) throw new Error(`SLUICE_BICEP names ${given}, which is not an executable file`);
  return null;
}

/** Compiles one file to ARM JSON. Throws when there is no JSON; diagnostics are for the caller to judge. */
export async function compileBicep(bicep: string, file: string): Promise<Compiled> {
  const { code, stdout, stderr } = await run(bicep, ['build', '--stdout', file], root, COMPILE_MS);
  const diagnostics = stderr.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (code !== 0) throw new Error(`Bicep refuses ${file}:\n${diagnostics.join('\n')}`);
  return { template: JSON.parse(stdout), diagnostics };
}

/** Restores the compiler's NuGet package through dotnet's own client; needs dotnet 8 or newer and the network, once. */
export async function fetchBicep(): Promise<string> {
  const folder = join(root, '.sluice/bicep');
  await mkdir(folder, { recursive: true });
  // A package that is only downloaded: nothing is built against it, and its executable is used as it is.
  await writeFile(
    join(folder, 'bicep.csproj'),
    `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="${packageName()}" Version="[${VERSION}]" /></ItemGroup>
</Project>
`,
  );
  const restored = await run('dotnet', ['restore', 'bicep.csproj', '--packages', 'packages'], folder, FETCH_MS);
  if (restored.code !== 0) throw new Error(`dotnet could not restore ${packageName()} ${VERSION}:\n${restored.stdout}${restored.stderr}`);
  const bicep = restoredBicep();
  await chmod(bicep, 0o755);
  return bicep;
}

function packageName(): string {
  const system = SYSTEMS[process.platform];
  if (!system || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(`There is no Bicep package for ${process.platform} ${process.arch}. Install Bicep and name it in SLUICE_BICEP`);
  }
  return `Azure.Bicep.CommandLine.${system}-${process.arch}`;
}

function restoredBicep(): string {
  const system = SYSTEMS[process.platform] ?? process.platform;
  const folder = `azure.bicep.commandline.${system}-${process.arch}`;
  return join(root, '.sluice/bicep/packages', folder, VERSION, 'tools', EXECUTABLE);
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Runs a program to its end; one that takes too long is killed and counts as failed. */
function run(command: string, args: string[], cwd: string, timeoutMs: number): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
      // Debian without ICU stops .NET programs otherwise; texts here need no culture.
      env: { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1', DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1' },
    });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
    child.once('error', (error) => reject(new Error(`${command} cannot be started: ${error.message}`, { cause: error })));
    child.once('close', (code, signal) => {
      if (signal !== null) text.stderr += `${command} was ended by ${signal} (limit ${timeoutMs / 1000} s)`;
      resolve({ code: code ?? 1, ...text });
    });
  });
}

async function main(): Promise<number> {
  const fetch = process.argv.includes('--fetch');
  const bicep = (await findBicep()) ?? (fetch ? await fetchBicep() : null);
  if (bicep === null) {
    console.error('No Bicep compiler: name one in SLUICE_BICEP, put `bicep` on PATH, or run again with --fetch where dotnet is installed.');
    return 2;
  }
  const { diagnostics } = await compileBicep(bicep, join(root, 'infra/azure/main.bicep'));
  for (const line of diagnostics) console.error(line);
  console.log(diagnostics.length === 0 ? 'infra/azure/main.bicep compiles without a diagnostic' : `${diagnostics.length} diagnostics`);
  return diagnostics.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  });
}
