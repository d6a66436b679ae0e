// The story of one landed file: read it once, see whether its content is new, and hand it on as a dataset.
import type { OrchestrationContext } from 'durable-functions';
import { amendVerdict, fingerprintFile } from '../shared/contracts/activities/data.ts';
import type { Verdict } from '../shared/contracts/events.ts';
import { LandInput, type Outcome } from '../shared/contracts/stories.ts';
import { refineKey } from '../shared/decisions/identity.ts';
import { call, failureOf, type Story } from './kit/call.ts';
import { open, tellOpened } from './kit/run.ts';

export function* land(context: OrchestrationContext): Story<Outcome> {
  const landed = LandInput.parse(context.df.getInput());
  const { pipeline, contractDigest, policy, container, path, eTag } = landed;

  const print = yield* fingerprint(context, landed);
  if (!('sha256' in print)) return print;
  const files = [{ path, sha256: print.sha256, eTag }];
  const key = refineKey({ pipeline, contractDigest, files });

  context.df.setCustomStatus({ phase: 'refining' });
  const refining = yield* open(context, 'refine', {
    pipeline,
    contractDigest,
    key,
    cause: { kind: 'event', ref: landed.entryId, path: `${landed.account}/${container}/${path}` },
    input: { pipeline, contractDigest, policy, container, files },
  });
  const verdict = refining.taken ? sameContent(refining.note) : null;
  yield* amend(context, landed, { verdict, runId: refining.runId, sha256: print.sha256 });
  return yield* tellOpened(context, refining);
}

/** The content's digest, or how the story ends without it: of a version that is gone, a newer event tells the rest. */
function* fingerprint(context: OrchestrationContext, landed: LandInput): Story<{ sha256: string } | Outcome> {
  try {
    return yield* call(context, fingerprintFile, { container: landed.container, path: landed.path, eTag: landed.eTag });
  } catch (error) {
    const failure = failureOf(error);
    const gone = failure.code === 'blob-gone' || failure.code === 'blob-changed';
    const reason = gone ? failure.message : `${failure.message.slice(0, 1500)}. Nothing was read; write the file again`;
    const verdict: Verdict = { kind: gone ? 'superseded' : 'refused', rule: failure.code, reason: reason.slice(0, 2000) };
    yield* amend(context, landed, { verdict, runId: null, sha256: null });
    if (gone) return { status: 'skipped', runId: null, note: 'the file was replaced or removed before it was read' };
    return { status: 'failed', runId: null, failure };
  }
}

function* amend(
  context: OrchestrationContext,
  landed: LandInput,
  change: { verdict: Verdict | null; runId: string | null; sha256: string | null },
): Story<void> {
  const { account, container, path, entryId } = landed;
  yield* call(context, amendVerdict, { blob: { account, container, path }, entryId, ...change });
}

function sameContent(note: string): Verdict {
  return { kind: 'duplicate', rule: 'same-content', reason: `The same content landed before: ${note}` };
}
