// Data of a site on this machine: the file goes to the site's volume, and what lands in the lake is a manifest of it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface AtSite {
  /** The manifest, to be landed. */
  manifest: string;
  /** Rows of the file, without its header, as texts. */
  rows: string[];
}

/** A file as a manifest names it. */
export async function describedFile(file: string, uri: string): Promise<{ uri: string; bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { uri, bytes, sha256: hash.digest('hex') };
}

/** Puts a CSV file at the site and writes its manifest into `workDir`. */
export async function putAtSite(options: { site: string; dataset: string; file: string; workDir: string }): Promise<AtSite> {
  const { site, dataset, file, workDir } = options;
  const name = basename(file).replace(/[^A-Za-z0-9._-]/g, '_');
  await mkdir(join(site, dataset), { recursive: true });
  await copyFile(file, join(site, dataset, name));
  const [, ...rows] = (await readFile(file, 'utf8')).trimEnd().split(/\r?\n/);
  const manifest = join(workDir, `${name.replace(/\.csv$/, '')}.manifest.json`);
  const files = [{ ...(await describedFile(file, `site://${dataset}/${name}`)), rows: rows.length }];
  await writeFile(manifest, `${JSON.stringify({ dataset, files }, null, 2)}\n`);
  return { manifest, rows };
}

/** What passed of one kind; `out`: away from the site. */
export interface CrossingKind {
  direction: 'in' | 'out';
  via: string;
  what: string;
  bodies: number;
  bytes: number;
}

export interface BorderAccount {
  kinds: CrossingKind[];
  rowsLookedFor: number;
  /** Rows of the site's file that were found in what crossed, in whatever writing. */
  rowsFound: number;
}

/** A border that is asked keeps what crossed; beyond this many rows a sample is looked for. */
const MAX_ROWS = 20_000;
const ASK_MS = 120_000;

/** What crossed the border of the local site so far, and whether a row of the file is in it. `kubeflow` is the stand-in's address. */
export async function lookAtBorder(kubeflow: string, rows: readonly string[]): Promise<BorderAccount> {
  const step = Math.max(1, Math.ceil(rows.length / MAX_ROWS));
  const wanted = rows.filter((row, index) => index % step === 0 && row.split(',').length >= 3);
  const [{ kinds }, { leaks }] = await Promise.all([
    asked<{ kinds: CrossingKind[] }>(`${kubeflow}/_admin/crossings/summary`),
    asked<{ leaks: { row: string }[] }>(`${kubeflow}/_admin/crossings/search`, { rows: wanted }),
  ]);
  return { kinds, rowsLookedFor: wanted.length, rowsFound: new Set(leaks.map(({ row }) => row)).size };
}

async function asked<Answer>(url: string, body?: object): Promise<Answer> {
  const sent = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(url, { ...sent, signal: AbortSignal.timeout(ASK_MS) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return (await answer.json()) as Answer;
}
