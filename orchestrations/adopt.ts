// The story of a commit that somebody else made: in the table of a source it is refined, in silver gold is made of it, on gold it is trained.
import type { OrchestrationContext } from 'durable-functions';
import { amendVerdict, fingerprintFile } from '../shared/contracts/activities/data.ts';
import { readGold } from '../shared/contracts/activities/windows.ts';
import type { Verdict } from '../shared/contracts/events.ts';
import { AdoptInput, type Dataset, type Outcome } from '../shared/contracts/stories.ts';
import { overBudget } from '../shared/decisions/breaker.ts';
import { silverKey } from '../shared/decisions/dataset-keys.ts';
import { refineKey } from '../shared/decisions/identity.ts';
import { call, failureOf, type Story } from './kit/call.ts';
import { refineNew } from './kit/dataset.ts';
import { tellOpened } from './kit/run.ts';
import { now } from './kit/time.ts';
import { openTraining } from './kit/open-training.ts';

export function* adopt(context: OrchestrationContext): Story<Outcome> {
  const input = AdoptInput.parse(context.df.getInput());
  return input.layer === 'gold' ? yield* trainOn(context, input) : yield* refineFrom(context, input);
}

/** Rows that a commit added to the table of a source are a dataset; of a silver that somebody else changed, gold is made anew. */
function* refineFrom(context: OrchestrationContext, input: AdoptInput): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, container, path, eTag, root, version, chain } = input;
  const { source } = input;
  const read = source === null ? null : yield* fingerprint(context, input);
  if (read && !('sha256' in read)) return read;
  const files = read ? [{ path, sha256: read.sha256, eTag }] : [];
  const dataset: Dataset = source === null ? { container, silver: { version } } : { container, commit: { source, path: root, version } };
  const key = read ? refineKey({ pipeline, contractDigest, files }) : silverKey({ pipeline, contractDigest, root, version });
  const accepted: Verdict = {
    kind: 'accepted',
    rule: 'foreign-commit',
    reason: `Version ${version} of ${root} is somebody else's: ${read ? 'its rows are refined' : 'gold is made of it'}`,
    evidence: { root, version },
  };
  const work = { pipeline, contractDigest, policy, limited, key, cause: causeOf(input), dataset, chain, accepted };
  return yield* refineNew(context, work, function* (verdict, runId) {
    yield* amend(context, input, verdict, runId, read?.sha256 ?? null);
  });
}

/** The digest of the commit, or how the story ends because it is gone: logs are cleaned up. */
function* fingerprint(context: OrchestrationContext, input: AdoptInput): Story<{ sha256: string } | Outcome> {
  const { container, path, eTag } = input;
  try {
    return yield* call(context, fingerprintFile, { container, path, eTag });
  } catch (error) {
    const failure = failureOf(error);
    const gone = failure.code === 'blob-gone' || failure.code === 'blob-changed';
    return yield* ended(context, input, {
      kind: gone ? 'superseded' : 'refused',
      rule: failure.code,
      reason: failure.message.slice(0, 2000),
      evidence: { eTag },
    });
  }
}

function* trainOn(context: OrchestrationContext, input: AdoptInput): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, version } = input;
  const { gold } = yield* call(context, readGold, { pipeline, contractDigest, version });
  if (!gold) return yield* ended(context, input, notGold(input));
  const training = yield* openTraining(context, { pipeline, contractDigest, policy, limited, gold, cause: causeOf(input) });
  if ('refused' in training) return yield* ended(context, input, overBudget(training.refused, now(context)));
  const { opened } = training;
  yield* amend(context, input, opened.taken ? sameGold(opened.note, opened.runId) : null, opened.runId);
  return yield* tellOpened(context, opened);
}

function notGold({ root, version }: AdoptInput): Verdict {
  const reason = `Version ${version} of ${root} is not there any more, or is no table that is trained on`;
  return { kind: 'superseded', rule: 'commit-gone', reason, evidence: { root, version } };
}

function sameGold(note: string, run: string): Verdict {
  return { kind: 'duplicate', rule: 'unchanged-gold', reason: `Gold is as it was: ${note}`, evidence: { run } };
}

function* ended(context: OrchestrationContext, input: AdoptInput, verdict: Verdict): Story<Outcome> {
  yield* amend(context, input, verdict, null);
  return { status: 'skipped', runId: null, note: verdict.reason };
}

function* amend(
  context: OrchestrationContext,
  input: AdoptInput,
  verdict: Verdict | null,
  runId: string | null,
  sha256: string | null = null,
): Story<void> {
  const { account, container, path, entryId } = input;
  yield* call(context, amendVerdict, { blob: { account, container, path }, entryId, verdict, runId, sha256 });
}

function causeOf({ entryId, account, container, path }: AdoptInput) {
  return { kind: 'event' as const, ref: entryId, path: `${account}/${container}/${path}` };
}
