// Activities on windows and datasets: what a window holds, what a dataset is called, and the verdicts of its members.
import * as z from 'zod';
import { Verdict, WindowId } from '../events.ts';
import { Instant, Name, RunId, Sha256 } from '../identifiers.ts';
import { WindowRange } from '../windows.ts';
import { activity, BRIEF, PATIENT } from './contract.ts';

const base = { pipeline: Name, contractDigest: Sha256 };

/** What the entity counts. */
const counted = { number: z.number().int().min(1), count: z.number().int().min(0), digest: Sha256 };

/**
 * Reads the members of a window and says whether it is complete. `unwritten`: rows of members that the entity counted are still on their
 * way; look again. With `anyway` what is there is the truth: a row that did not come in all this time will not come.
 */
export const tallyWindow = activity({
  name: 'tally-window',
  input: z.strictObject({
    ...base,
    source: Name,
    folder: z.string(),
    complete: z.string(),
    container: z.string(),
    ...counted,
    openedAt: Instant,
    lastAt: Instant,
    now: Instant,
    anyway: z.boolean(),
  }),
  output: z.discriminatedUnion('state', [
    z.strictObject({ state: z.literal('complete'), how: z.string() }),
    z.strictObject({ state: z.literal('later'), until: Instant, what: z.string() }),
    z.strictObject({ state: z.literal('waiting'), what: z.string() }),
    z.strictObject({ state: z.literal('unwritten'), written: z.number().int(), counted: z.number().int() }),
  ]),
  retry: BRIEF,
});

/** Whether all rows of a closed window are there. */
export const checkWindow = activity({
  name: 'check-window',
  input: z.strictObject({ window: WindowId, ...counted }),
  output: z.strictObject({ written: z.number().int(), complete: z.boolean() }),
  retry: BRIEF,
});

/** The key of the dataset that closed windows make together: its files by path and content, under the contract. */
export const describeDataset = activity({
  name: 'describe-dataset',
  input: z.strictObject({ ...base, container: z.string(), windows: z.array(WindowRange).min(1).max(10) }),
  output: z.strictObject({ key: Sha256, files: z.number().int().min(0) }),
  retry: BRIEF,
});

/**
 * Gives members of a window their verdict, a page at a time: superseded ones their own, files that a manifest does not list go on to the
 * next window. `next` is where to go on; null when all are done. Members that another run has keep it.
 */
export const settleMembers = activity({
  name: 'settle-members',
  input: z.strictObject({
    ...base,
    container: z.string(),
    source: Name,
    number: z.number().int().min(1),
    verdict: Verdict,
    runId: RunId.nullable(),
    after: z.string().nullable(),
  }),
  output: z.strictObject({ next: z.string().nullable(), settled: z.number().int(), carried: z.number().int() }),
  retry: PATIENT,
});

/** Reads a manifest of files that stay where they are, checks it and names the dataset. Rejects `manifest-invalid`. */
export const readManifest = activity({
  name: 'read-manifest',
  input: z.strictObject({ ...base, container: z.string(), path: z.string(), eTag: z.string() }),
  output: z.strictObject({ sha256: Sha256, bytes: z.number().int(), dataset: z.string(), files: z.number().int(), key: Sha256 }),
  retry: PATIENT,
});

/** How many files a manifest of `complete: manifest NAME` lists. Rejects `manifest-invalid`. */
export const countListed = activity({
  name: 'count-listed',
  input: z.strictObject({ container: z.string(), path: z.string(), eTag: z.string() }),
  output: z.strictObject({ sha256: Sha256, bytes: z.number().int(), files: z.number().int() }),
  retry: PATIENT,
});

/** Asks the breaker whether work may start; the same work is counted once. */
export const admitWork = activity({
  name: 'admit-work',
  input: z.strictObject({ ...base, kind: z.enum(['dataset', 'training']), key: Sha256, now: Instant }),
  output: z.discriminatedUnion('admitted', [
    z.strictObject({ admitted: z.literal(true) }),
    z.strictObject({ admitted: z.literal(false), cause: z.string(), reason: z.string(), count: z.number(), limit: z.number() }),
  ]),
  retry: PATIENT,
});

/** Gold as it is, or at a version; null when nothing was refined yet. */
export const readGold = activity({
  name: 'read-gold',
  input: z.strictObject({ ...base, version: z.number().int().min(0).nullable() }),
  output: z.strictObject({
    gold: z.strictObject({ table: Name, path: z.string(), version: z.number().int(), digest: Sha256 }).nullable(),
  }),
  retry: BRIEF,
});
