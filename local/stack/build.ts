// The built app, made again only when a source is newer than it.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const SOURCES = ['functions', 'orchestrations', 'shared', 'package-lock.json'];

/** Builds dist/functions/app.js when it is absent or older than its sources; says so only then. */
export async function ensureBuilt(root: string, say: (line: string) => void): Promise<void> {
  const built = await modified(join(root, 'dist', 'functions', 'app.js'));
  const newest = Math.max(...(await Promise.all(SOURCES.map((source) => newestBelow(join(root, source))))));
  if (built !== null && built >= newest) return;
  say(built === null ? 'Building the app' : 'Building the app again: its sources changed');
  // Loaded only when there is something to build: the bundler is a development dependency.
  const { buildApp } = await import('../../scripts/build.mjs');
  await buildApp();
}

async function newestBelow(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isDirectory()) return info.mtimeMs;
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => modified(join(entry.parentPath, entry.name)));
  return Math.max(0, ...(await Promise.all(files)).map((time) => time ?? 0));
}

async function modified(path: string): Promise<number | null> {
  return stat(path).then(
    (info) => info.mtimeMs,
    () => null,
  );
}
