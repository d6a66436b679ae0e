// Names and digests: the small vocabulary that every other contract is built from.
import * as z from 'zod';

/** Lower-case SHA-256, 64 hex characters. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hex (64 characters)');
export type Sha256 = z.infer<typeof Sha256>;

/** A name of ours (pipeline, environment, table, source): lower-case letters, digits and single hyphens, at most 40 characters. */
export const Name = z
  .string()
  .max(40, 'at most 40 characters')
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'expected lower-case letters, digits and single hyphens, beginning with a letter');
export type Name = z.infer<typeof Name>;

/** Instance id, run id and external job name: `<story>-<pipeline>-<16 hex of key>-a<attempt>`, at most 100 characters. */
export const RunId = z
  .string()
  .max(100)
  .regex(
    /^(land|refine|train|sweep|promote|extract)-[a-z0-9-]+-[0-9a-f]{16}-a[1-9][0-9]*$/,
    'expected <story>-<pipeline>-<16 hex>-a<attempt>',
  );
export type RunId = z.infer<typeof RunId>;

/** What a run id says by itself; null when it is none. `key` is the beginning (16 hex) of the run's key. */
export function runIdParts(runId: string): { story: string; pipeline: string; key: string; attempt: number } | null {
  const [, story, pipeline, key, attempt] =
    /^(land|refine|train|sweep|promote|extract)-([a-z0-9-]+)-([0-9a-f]{16})-a([1-9][0-9]{0,8})$/.exec(runId) ?? [];
  if (!story || !key || !attempt || !Name.safeParse(pipeline).success) return null;
  return { story, pipeline: pipeline ?? '', key, attempt: Number(attempt) };
}

/** ISO 8601 instant in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const Instant = z.iso.datetime();
export type Instant = z.infer<typeof Instant>;

/** Container image by digest; a tag alone is refused because it can change under us. */
export const ImageReference = z
  .string()
  .max(255)
  .regex(/^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$/, 'expected an image by digest (name@sha256:…); tags are refused');
export type ImageReference = z.infer<typeof ImageReference>;

/** JSON values as they are stored and sent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
