// Builds the Functions app: dist/functions/app.js and lazily loaded chunks, as ES modules.
// `@azure/functions-core` is served by the host's patched `require` (facts/durable.md §1.1), so it stays outside and is reached through createRequire.
import { copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const banner = "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** Options shared with the cold-start benchmark, which bundles the bare SDKs the same way. */
export const bundleOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  splitting: true,
  // ES modules where a package has them: a lazily imported CommonJS package would lose its named exports.
  mainFields: ['module', 'main'],
  minifySyntax: true,
  sourcemap: true,
  legalComments: 'none',
  banner: { js: banner },
  external: ['@azure/functions-core', '@duckdb/node-api'],
  logLevel: 'warning',
};

/** Builds the app into `dist/` below the project; returns the size of the entry with its static chunks in bytes. */
export async function buildApp({ clean = false } = {}) {
  const outdir = join(root, 'dist/functions');
  // Chunks are named by content: a host that runs beside the build still finds those that it has not loaded yet.
  if (clean) await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  const result = await build({
    ...bundleOptions,
    entryPoints: [join(root, 'functions/app.ts')],
    outdir,
    metafile: true,
    absWorkingDir: root,
    chunkNames: 'chunks/[name]-[hash]',
  });
  await writeFile(join(outdir, 'package.json'), '{ "type": "module" }\n');
  const settings = join(root, 'local.settings.json');
  const present = await stat(settings).then(
    () => true,
    () => false,
  );
  if (!present) await copyFile(join(root, 'local.settings.example.json'), settings);
  return result.metafile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const metafile = await buildApp({ clean: true });
  const outputs = Object.entries(metafile.outputs).filter(([name]) => name.endsWith('.js'));
  const total = outputs.reduce((sum, [, output]) => sum + output.bytes, 0);
  console.log(`Built dist/functions/app.js and ${outputs.length - 1} chunks, ${(total / 1024 / 1024).toFixed(1)} MiB`);
}
