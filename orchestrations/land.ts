// The story of one landed file: read it once, see whether its content is new, and hand it on: as a dataset of its own, or into the
// open window of its source, which the last one to come closes.
import type { OrchestrationContext } from 'durable-functions';
import { amendVerdict, fingerprintFile } from '../shared/contracts/activities/data.ts';
import { countListed, readManifest } from '../shared/contracts/activities/windows.ts';
import type { Verdict } from '../shared/contracts/events.ts';
import { type Dataset, LandInput, type Outcome } from '../shared/contracts/stories.ts';
import type { WindowMember } from '../shared/contracts/windows.ts';
import { isManifest, markOf, ruleOf, waitingFor, worthTallying } from '../shared/decisions/completeness.ts';
import { dataFailure } from '../shared/decisions/data-failure.ts';
import { collectorId } from '../shared/decisions/dataset-keys.ts';
import { refineKey } from '../shared/decisions/identity.ts';
import { type AddAnswer, type Late, windowIdOf } from '../shared/decisions/window.ts';
import { call, failureOf, type Story, tell } from './kit/call.ts';
import { refineNew, refineWindow } from './kit/dataset.ts';
import { now } from './kit/time.ts';
import { addToWindow, closeIfComplete, needsCollector, type Place } from './kit/window.ts';

/** What reading the file gave. */
interface Print {
  sha256: string;
  bytes: number;
  /** Key of the dataset that a manifest of the premises names. */
  key: string | null;
  /** Files that a manifest lists which says when a dataset is complete. */
  listed: number | null;
}

export function* land(context: OrchestrationContext): Story<Outcome> {
  const landed = LandInput.parse(context.df.getInput());
  const print = yield* fingerprint(context, landed);
  if (!('sha256' in print)) return print;
  if (landed.collecting === null) return yield* alone(context, landed, print, null);
  return yield* collect(context, { ...landed, collecting: landed.collecting }, print);
}

/** The content's digest, or how the story ends without it: of a version that is gone, a newer event tells the rest. */
function* fingerprint(context: OrchestrationContext, landed: LandInput): Story<Print | Outcome> {
  const { container, path, eTag, pipeline, contractDigest, collecting, onPremises } = landed;
  try {
    if (onPremises) return { listed: null, ...(yield* call(context, readManifest, { pipeline, contractDigest, container, path, eTag })) };
    if (collecting && isManifest(ruleOf(collecting.complete), path)) {
      const { files, ...print } = yield* call(context, countListed, { container, path, eTag });
      return { ...print, key: null, listed: files };
    }
    return { key: null, listed: null, ...(yield* call(context, fingerprintFile, { container, path, eTag })) };
  } catch (error) {
    const failure = failureOf(error);
    const gone = failure.code === 'blob-gone' || failure.code === 'blob-changed';
    const evidence = { eTag, failure: failure.code };
    const reason = gone ? failure.message : `${failure.message.slice(0, 1500)}. Nothing was read; write the file again`;
    const unread: Verdict = { kind: gone ? 'superseded' : 'refused', rule: failure.code, reason: reason.slice(0, 2000), evidence };
    yield* amend(context, landed, { verdict: dataFailure(failure, null) ?? unread, withdraw: failure.code === 'blob-changed' });
    if (gone) return { status: 'skipped', runId: null, note: 'the file was replaced or removed before it was read' };
    return { status: 'failed', runId: null, failure };
  }
}

/** The file is all of its dataset. */
function* alone(context: OrchestrationContext, landed: LandInput, print: Print, verdict: Verdict | null): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, container, path, eTag, chain } = landed;
  const { sha256 } = print;
  const files = [{ path, sha256, eTag }];
  const dataset: Dataset = print.key === null ? { container, files } : { container, manifest: { path, sha256, eTag } };
  const key = print.key ?? refineKey({ pipeline, contractDigest, files });
  const work = {
    pipeline,
    contractDigest,
    policy,
    limited,
    key,
    cause: causeOf(landed),
    dataset,
    chain,
    accepted: verdict ?? accepted(print),
  };
  return yield* refineNew(context, work, function* (change, runId) {
    const keeps = change === work.accepted && verdict === null;
    yield* amend(context, landed, { verdict: keeps ? null : change, runId, sha256 });
  });
}

type Collected = LandInput & { collecting: NonNullable<LandInput['collecting']> };

/** The file joins the open window; the one that completes it goes on with the dataset, the one that opens it may wait for its time. */
function* collect(context: OrchestrationContext, landed: Collected, print: Print): Story<Outcome> {
  const { entryId, path, collecting, pipeline } = landed;
  const rule = ruleOf(collecting.complete);
  const added = yield* addToWindow(context, landed, {
    entryId,
    path,
    sha256: print.sha256,
    eventTime: landed.eventTime ?? now(context),
    mark: markOf(rule, collecting.folder, path),
    expects: print.listed,
  });
  if (added.placed !== 'window') return yield* tooLate(context, landed, print, added);

  const { window, ordinal, opened, late } = added;
  const id = windowIdOf(pipeline, collecting.source, window.number);
  const ready = worthTallying(rule, window);
  const what = waitingFor(rule, window, now(context));
  const evidence = { window: id, ordinal, complete: collecting.complete.slice(0, 200), ...(late ? lateEvidence(late) : {}) };
  const reason = ready ? `Collected: ${what}; the dataset is being closed` : `Collected into ${id}: ${what}`;
  const member: WindowMember = { ...memberOf(landed, print), ordinal, late: late !== null };
  const verdict: Verdict = ready
    ? { kind: 'incomplete', rule: 'closing', reason, evidence }
    : { kind: 'incomplete', rule: 'waiting', reason: reason.slice(0, 2000), evidence };
  yield* amend(context, landed, { verdict, sha256: print.sha256, member: { window: id, row: member }, onlyOpen: true });

  if (ready) return yield* closeAndRefine(context, landed, window.number);
  if (opened && needsCollector(collecting)) return yield* waitForTime(context, landed, window.number);
  return { status: 'skipped', runId: null, note: reason };
}

function* closeAndRefine(context: OrchestrationContext, landed: Collected, number: number): Story<Outcome> {
  const closing = yield* closeIfComplete(context, landed, number);
  if (closing.state === 'won') return yield* refineWindow(context, { ...placeOf(landed), ...closing });
  if (closing.state === 'over') return { status: 'skipped', runId: null, note: 'another file of the dataset went on with it' };
  const id = windowIdOf(landed.pipeline, landed.collecting.source, number);
  const evidence = { window: id, waitingFor: closing.what.slice(0, 1200) };
  const reason = `Collected into ${id}: ${closing.what}`.slice(0, 2000);
  yield* amend(context, landed, { verdict: { kind: 'incomplete', rule: 'waiting', reason, evidence }, onlyOpen: true });
  return { status: 'skipped', runId: null, note: reason };
}

function* waitForTime(context: OrchestrationContext, landed: Collected, number: number): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, entryId, container, collecting, chain } = landed;
  const input = { pipeline, contractDigest, policy, limited, entryId, place: pathOf(landed), container, collecting, number, chain };
  return yield* tell(context, 'collect', input, collectorId(pipeline, windowIdOf(pipeline, collecting.source, number)));
}

/** Its dataset was closed without it, and the pipeline says what happens then. */
function* tooLate(
  context: OrchestrationContext,
  landed: Collected,
  print: Print,
  answer: Exclude<AddAnswer, { placed: 'window' }>,
): Story<Outcome> {
  const { late } = answer;
  const allowed = landed.collecting.lateness?.allowedSeconds ?? 0;
  const evidence = { ...lateEvidence(late), allowedSeconds: allowed, policy: landed.collecting.lateness?.then ?? null };
  const came = `It came ${late.bySeconds} s after its dataset was closed (${late.closedAt})`;
  if (answer.placed === 'alone') {
    const reason = `${came}; the policy refines it by itself now`;
    return yield* alone(context, landed, print, { kind: 'late', rule: 'late-patch', reason, evidence });
  }
  const verdict: Verdict =
    late.bySeconds > allowed
      ? { kind: 'late', rule: 'too-late', reason: `${came}; ${allowed} s are allowed`, evidence }
      : { kind: 'late', rule: 'late-refused', reason: `${came}; the policy refuses it`, evidence };
  yield* amend(context, landed, { verdict, sha256: print.sha256 });
  return { status: 'skipped', runId: null, note: verdict.reason };
}

function* amend(
  context: OrchestrationContext,
  landed: LandInput,
  change: {
    verdict: Verdict | null;
    runId?: string | null;
    sha256?: string | null;
    member?: { window: string; row: WindowMember };
    withdraw?: boolean;
    onlyOpen?: boolean;
  },
): Story<void> {
  const { account, container, path, entryId } = landed;
  const { runId = null, sha256 = null, ...rest } = change;
  yield* call(context, amendVerdict, { blob: { account, container, path }, entryId, runId, sha256, ...rest });
}

function accepted({ key, bytes }: Print): Verdict {
  const reason =
    key === null ? 'A complete file landed; files 1 makes it a dataset of its own' : 'A manifest landed; it names the files of one dataset';
  return { kind: 'accepted', rule: 'complete-file', reason, evidence: { bytes } };
}

function memberOf(landed: LandInput, { sha256, bytes }: Print): Omit<WindowMember, 'ordinal' | 'late'> {
  const { entryId, account, container, path, eTag, sequencer } = landed;
  return { entryId, account, container, path, eTag, sequencer, sha256, bytes, carried: false };
}

function placeOf(landed: Collected) {
  const { pipeline, contractDigest, policy, limited, container, collecting, chain } = landed;
  const place: Place = { pipeline, contractDigest, container, collecting };
  return { ...place, policy, limited, chain, cause: causeOf(landed) };
}

function causeOf(landed: LandInput) {
  return { kind: 'event' as const, ref: landed.entryId, path: pathOf(landed) };
}

function pathOf({ account, container, path }: LandInput): string {
  return `${account}/${container}/${path}`;
}

function lateEvidence({ number, closedAt, bySeconds }: Late) {
  return { closedWindow: number, closedAt, lateBySeconds: bySeconds };
}
