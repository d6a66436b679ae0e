// `npm run images -- --registry HOST --base IMAGE@sha256:…`: builds every component's image, pushes it, and writes components/images.lock.json.
// Run inside the network: the registry, the base and the packages are the network's own. References are digests; tags are only for people.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { ImageReference } from '../../shared/contracts/identifiers.ts';
import { type Builder, digestIn, type Execute, execute, findBuilder, lastLine } from './builders.ts';

export interface ImagesRequest {
  root: string;
  /** Host and namespace of the registry, e.g. `registry.internal/ml`. */
  registry: string;
  /** Base image by digest. */
  base: string;
  /** Names of components; all of them when empty. */
  only: readonly string[];
  execute: Execute;
  say: (line: string) => void;
}

/** The request or the machine cannot do it; the message holds the mend. */
export class ImagesError extends Error {
  override readonly name = 'ImagesError';
}

const BUILD_MS = 30 * 60_000;

/** Builds and pushes; the lock file changes only when every image of the request was pushed. */
export async function buildImages(request: ImagesRequest): Promise<Record<string, string>> {
  if (!ImageReference.safeParse(request.base).success)
    throw new ImagesError(`--base ${request.base} is not an image by digest (name@sha256:…); a tag could be another image tomorrow`);
  if (!/^[a-z0-9][a-z0-9.:-]*(\/[a-z0-9._-]+)*$/.test(request.registry))
    throw new ImagesError(`--registry ${request.registry} is not a host with an optional path, such as registry.internal/ml`);
  const names = await componentsWithImages(request);
  const builder = await findBuilder(request.execute);
  if ('missing' in builder)
    throw new ImagesError(
      [
        'No image builder works here:',
        ...builder.missing.map((line) => `  - ${line}`),
        'Install one of them, or run this where one is. The local stack needs no images: it runs the components as they are.',
      ].join('\n'),
    );
  request.say(`Building ${names.length} images with ${builder.name}`);
  const built: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    built[name] = await buildOne(request, builder, name);
    request.say(`  ${index + 1}/${names.length}  ${name.padEnd(20)} ${built[name].slice(-71)}`);
  }
  const path = join(request.root, 'components', 'images.lock.json');
  const before = JSON.parse(await readFile(path, 'utf8').catch(() => '{}')) as Record<string, string>;
  const lock = Object.fromEntries(Object.entries({ ...before, ...built }).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(path, `${JSON.stringify(lock, null, 2)}\n`);
  return lock;
}

async function componentsWithImages({ root, only }: ImagesRequest): Promise<string[]> {
  const folder = join(root, 'components');
  const entries = await readdir(folder);
  const with_ = await Promise.all(
    entries.map((name) =>
      stat(join(folder, name, 'Dockerfile')).then(
        () => [name],
        () => [],
      ),
    ),
  );
  const all = with_.flat().sort();
  const unknown = only.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new ImagesError(`No component ${unknown.join(', ')} has a Dockerfile; there are ${all.join(', ')}`);
  return only.length > 0 ? [...only] : all;
}

async function buildOne(request: ImagesRequest, builder: Builder, name: string): Promise<string> {
  const context = join(request.root, 'components');
  const description = parse(await readFile(join(context, name, 'component.yaml'), 'utf8')) as { image?: string; version?: string };
  const repository = `${request.registry}/${description.image ?? name}`;
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-image-'));
  try {
    const digestFile = join(scratch, 'digest');
    const tag = `${repository}:${description.version ?? '0'}`;
    const commands = builder.commands({ dockerfile: join(context, name, 'Dockerfile'), context, base: request.base, tag, digestFile });
    for (const command of commands) {
      await request.execute(command, BUILD_MS).catch((error: unknown) => {
        throw new ImagesError(`${name}: ${command.slice(0, 3).join(' ')} failed: ${lastLine(error)}. The lock file was not changed`);
      });
    }
    const digest = digestIn(await readFile(digestFile, 'utf8').catch(() => ''));
    if (digest === null) throw new ImagesError(`${name}: ${builder.name} left no digest of what it pushed. The lock file was not changed`);
    return `${repository}@${digest}`;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const USAGE = `usage: npm run images -- --registry registry.internal/ml --base python@sha256:… [COMPONENT …]
Builds and pushes the images of the components, all or those that are named, and writes their digests to components/images.lock.json.`;

/** What was asked for, or what is wrong with it: an empty text where something is left out. */
export function wordsOf(argv: readonly string[]): { registry: string; base: string; only: string[]; help: boolean } | string {
  const options = { registry: { type: 'string' }, base: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const { registry = '', base = '', help = false } = values;
    return help || (registry && base) ? { registry, base, only: positionals, help } : '';
  } catch (error) {
    return error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error);
  }
}

async function main(): Promise<number> {
  const words = wordsOf(process.argv.slice(2));
  if (typeof words === 'string') {
    console.error(words === '' ? USAGE : `${words}\n${USAGE}`);
    return 2;
  }
  const { registry, base, help, only } = words;
  if (help) {
    console.log(USAGE);
    return 0;
  }
  try {
    const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
    const lock = await buildImages({ root, registry, base, only, execute, say: (line) => console.log(line) });
    console.log(`components/images.lock.json names ${Object.keys(lock).length} images; apply pipelines again to use them`);
    return 0;
  } catch (error) {
    if (!(error instanceof ImagesError)) throw error;
    console.error(error.message);
    return 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
