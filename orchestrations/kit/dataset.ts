// From a dataset to its refine run: the breaker is asked, the run is opened, every member gets its verdict, then the run is told.
import type { OrchestrationContext } from 'durable-functions';
import { describeDataset, settleMembers } from '../../shared/contracts/activities/windows.ts';
import type { CausalChain, Verdict } from '../../shared/contracts/events.ts';
import type { Cause } from '../../shared/contracts/runs.ts';
import type { Dataset, Outcome, Policy } from '../../shared/contracts/stories.ts';
import type { WindowRange, WindowState } from '../../shared/contracts/windows.ts';
import { overBudget } from '../../shared/decisions/breaker.ts';
import { chained } from '../../shared/decisions/causal-chain.ts';
import { dataFailure } from '../../shared/decisions/data-failure.ts';
import { instanceId } from '../../shared/decisions/identity.ts';
import { call, type Story } from './call.ts';
import { refusedWork } from './breaker.ts';
import { open, tellOpened } from './run.ts';
import { now } from './time.ts';
import { noteSettled, offerToJoin, type Place } from './window.ts';

export interface NewDataset {
  pipeline: string;
  contractDigest: string;
  policy: Policy;
  limited: boolean;
  key: string;
  cause: Cause;
  dataset: Dataset;
  chain: CausalChain;
  /** What the members become when the run is theirs. */
  accepted: Verdict;
}

/** Writes a verdict to everything that is in the dataset; null keeps the one that is there. */
export type Tell = (verdict: Verdict | null, runId: string | null) => Story<void>;

/** Opens the refine run of a dataset and tells it; the members hear of each step before it is taken. */
export function* refineNew(context: OrchestrationContext, work: NewDataset, tell: Tell): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, key, dataset, chain } = work;
  const refused = yield* refusedWork(context, work, 'dataset', key);
  if (refused) {
    const verdict = overBudget(refused, now(context));
    yield* tell(verdict, null);
    return { status: 'skipped', runId: null, note: verdict.reason };
  }
  context.df.setCustomStatus({ phase: 'refining' });
  const link = chained(chain, pipeline, instanceId('refine', pipeline, key, 1));
  const input = { pipeline, contractDigest, policy, limited, ...dataset, chain: link };
  const refining = yield* open(context, 'refine', { pipeline, contractDigest, key, cause: work.cause, input });
  yield* tell(refining.taken ? sameContent(refining.note, refining.runId) : work.accepted, refining.runId);
  const told = yield* tellOpened(context, refining);
  if (told.status !== 'failed') return told;
  const verdict = dataFailure(told.failure, refining.runId);
  if (verdict) yield* tell(verdict, refining.runId);
  return told;
}

function sameContent(note: string, runId: string): Verdict {
  return { kind: 'duplicate', rule: 'same-content', reason: `The same content landed before: ${note}`, evidence: { run: runId } };
}

export interface ClosedWindow extends Place {
  policy: Policy;
  limited: boolean;
  cause: Cause;
  chain: CausalChain;
  window: WindowState;
  /** How the rule was fulfilled, in words. */
  how: string;
}

/** Goes on with a window that this story has closed: alone, or together with those of the pipeline's other sources. */
export function* refineWindow(context: OrchestrationContext, closed: ClosedWindow): Story<Outcome> {
  const { pipeline, contractDigest, policy, limited, container, collecting, window } = closed;
  const windows = yield* windowsOf(context, closed);
  if ('outcome' in windows) return windows.outcome;
  const { key, files } = yield* call(context, describeDataset, { pipeline, contractDigest, container, windows: windows.together });
  const evidence = { rule: collecting.complete.slice(0, 200), how: closed.how, files, window: window.number, openedAt: window.openedAt };
  const accepted: Verdict = { kind: 'accepted', rule: 'dataset-closed', reason: `The dataset is complete: ${closed.how}`, evidence };
  const dataset: Dataset = { container, windows: windows.together };
  const work = { pipeline, contractDigest, policy, limited, key, cause: closed.cause, dataset, chain: closed.chain, accepted };
  return yield* refineNew(context, work, function* (verdict, runId) {
    if (verdict) yield* settle(context, closed, windows.together, verdict, runId);
  });
}

/** The windows that make the dataset; an outcome when it has to wait, or went with another one. */
function* windowsOf(context: OrchestrationContext, closed: ClosedWindow): Story<{ together: WindowRange[] } | { outcome: Outcome }> {
  const { collecting, window } = closed;
  const own = { source: collecting.source, from: window.number, to: window.number };
  if (collecting.sources.length === 0) return { together: [own] };
  const offered = yield* offerToJoin(context, closed, window.number);
  if (offered.go) return { together: offered.windows };
  if (offered.missing.length === 0) {
    return { outcome: { status: 'skipped', runId: null, note: `window ${window.number} of ${collecting.source} went with a later one` } };
  }
  const what = offered.missing.map(({ source, why }) => `${source} ${why}`).join('; ');
  const reason = `${collecting.source} is complete (${closed.how}); the dataset waits for ${what}`.slice(0, 2000);
  const evidence = { waitingFor: offered.missing.map(({ source }) => source).join(', '), window: window.number };
  yield* settle(context, closed, [own], { kind: 'incomplete', rule: 'waiting-for-source', reason, evidence }, null);
  return { outcome: { status: 'skipped', runId: null, note: reason } };
}

function* settle(
  context: OrchestrationContext,
  place: Place,
  windows: readonly WindowRange[],
  verdict: Verdict,
  runId: string | null,
): Story<void> {
  const { pipeline, contractDigest, container } = place;
  for (const { source, from, to } of windows) {
    let carried = 0;
    for (let number = from; number <= to; number += 1) {
      let after: string | null = null;
      do {
        const page: { next: string | null; carried: number } = yield* call(context, settleMembers, {
          pipeline,
          contractDigest,
          container,
          source,
          number,
          verdict,
          runId,
          after,
        });
        after = page.next;
        carried = number === to ? carried + page.carried : 0;
      } while (after !== null);
    }
    yield* noteSettled(context, { pipeline: place.pipeline, source }, to, carried);
  }
}
