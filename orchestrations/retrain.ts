// The story of a signal: a time that came, a caller, a push of code or a monitor asks for a training on the gold that is there.
import type { OrchestrationContext } from 'durable-functions';
import { amendVerdict } from '../shared/contracts/activities/data.ts';
import { readGold } from '../shared/contracts/activities/windows.ts';
import type { Verdict } from '../shared/contracts/events.ts';
import { type Outcome, RetrainInput } from '../shared/contracts/stories.ts';
import { overBudget } from '../shared/decisions/breaker.ts';
import { call, type Story } from './kit/call.ts';
import { tellOpened } from './kit/run.ts';
import { now } from './kit/time.ts';
import { openTraining } from './kit/open-training.ts';

export function* retrain(context: OrchestrationContext): Story<Outcome> {
  const input = RetrainInput.parse(context.df.getInput());
  const { pipeline, contractDigest, policy, limited, entryId, unchanged } = input;
  const { gold } = yield* call(context, readGold, { pipeline, contractDigest, version: null });
  if (!gold) return yield* ended(context, input, noGold(pipeline), null);

  const work = { pipeline, contractDigest, policy, limited, gold, cause: { kind: 'event' as const, ref: entryId } };
  let training = yield* openTraining(context, work);
  const isDone = 'opened' in training && training.opened.taken;
  if (isDone && unchanged === 'train') training = yield* openTraining(context, { ...work, again: entryId });
  if ('refused' in training) return yield* ended(context, input, overBudget(training.refused, now(context)), null);

  const { opened } = training;
  if (opened.taken) return yield* ended(context, input, unchangedGold(opened.note, opened.runId, gold), opened.runId);
  yield* amend(context, input, null, opened.runId);
  return yield* tellOpened(context, opened);
}

function noGold(pipeline: string): Verdict {
  const reason = `${pipeline} has no gold yet: a dataset has to be refined before there is something to train on`;
  return { kind: 'ignored', rule: 'no-gold', reason, evidence: { pipeline } };
}

function unchangedGold(note: string, run: string, gold: { table: string; version: number }): Verdict {
  const reason = `Gold is as it was (${gold.table} version ${gold.version}): ${note}`;
  return { kind: 'duplicate', rule: 'unchanged-gold', reason, evidence: { run, table: gold.table, version: gold.version } };
}

function* ended(context: OrchestrationContext, input: RetrainInput, verdict: Verdict, runId: string | null): Story<Outcome> {
  yield* amend(context, input, verdict, runId);
  return { status: 'skipped', runId, note: verdict.reason };
}

function* amend(
  context: OrchestrationContext,
  { entryId, signal }: RetrainInput,
  verdict: Verdict | null,
  runId: string | null,
): Story<void> {
  const blob = { account: 'signals', container: signal.kind, path: signal.subject };
  yield* call(context, amendVerdict, { blob, entryId, verdict, runId, sha256: null });
}
