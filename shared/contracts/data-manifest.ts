// Manifests that land: what stands for rows that stay on the premises, and lists of the files that make a dataset.
import * as z from 'zod';
import { Sha256 } from './identifiers.ts';

const MAX_FILES = 100_000;
/** Largest manifest that is read: 100,000 files with long names. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

/**
 * Where a file is, for whoever stands beside it; `site://DATASET/FILE` is below the site's own volume. No credentials: neither in front of
 * the host nor as a query.
 */
export const DataUri = z
  .string()
  .min(4)
  .max(1024)
  .regex(
    /^(site|https?|s3|abfss?|wasbs?|hdfs|nfs|file):\/\/[^\s?#@\\\u0000-\u001f]+$/,
    'expected an address without credentials, query or fragment',
  )
  .refine((uri) => !uri.split('/').includes('..'), '".." is not allowed');

/** What lands for a pipeline with `data: on-premises`: never the rows, only where they are and what they must be. */
export const DataManifest = z
  .object({
    dataset: z.string().min(1).max(200),
    files: z
      .array(
        z.object({
          uri: DataUri,
          bytes: z.number().int().min(1),
          sha256: Sha256,
          rows: z.number().int().min(0).optional(),
        }),
      )
      .min(1)
      .max(MAX_FILES),
  })
  .refine(({ files }) => new Set(files.map(({ uri }) => uri)).size === files.length, { path: ['files'], message: 'a file is named twice' });
export type DataManifest = z.infer<typeof DataManifest>;

/** What is wrong with a manifest, in a sentence. `value` is undefined where the text was not JSON. */
export function manifestProblem(error: z.ZodError, value: unknown): string {
  if (value === undefined)
    return 'it is not JSON; files that stay on the premises are described by: sluice manifest FOLDER --at site://NAME';
  const [issue] = error.issues;
  return `${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'not understood'}`;
}

/** The files of a manifest, each with the name of the dataset. */
export function remoteOf({ dataset, files }: DataManifest) {
  return files.map(({ uri, sha256, bytes, rows }) => ({ uri, sha256, bytes, dataset, rows }));
}

const Listed = z.union([z.string(), z.object({ path: z.string() }).transform(({ path }) => path)]);
const ListedFiles = z.union([z.array(Listed), z.object({ files: z.array(Listed) }).transform(({ files }) => files)]);

/**
 * The files that a manifest of `complete: manifest NAME` lists: JSON (`["a.csv", …]` or `{"files": [{"path": "a.csv"}, …]}`) or one name
 * per line. Names are relative to the manifest's folder. A text says what is wrong with it.
 */
export function parseFileList(content: string): { files: string[] } | { problem: string } {
  const text = content.replace(/^\uFEFF/, '').trim();
  const parsed = /^[[{]/.test(text) ? ListedFiles.safeParse(jsonOf(text)) : ({ success: true, data: text.split(/\r?\n/) } as const);
  if (!parsed.success) return { problem: 'it is neither a JSON list of names, nor {"files": […]}, nor one name per line' };
  const files = [...new Set(parsed.data.map((name) => name.trim()).filter((name) => name !== ''))];
  if (files.length === 0) return { problem: 'it lists no file' };
  if (files.length > MAX_FILES) return { problem: `it lists ${files.length} files; at most ${MAX_FILES} are taken` };
  const odd = files.find(
    (name) => name.length > 1024 || name.startsWith('/') || name.split('/').some((part) => ['', '.', '..'].includes(part)),
  );
  return odd === undefined ? { files } : { problem: `"${odd.slice(0, 100)}" is not a plain name below the manifest's folder` };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
