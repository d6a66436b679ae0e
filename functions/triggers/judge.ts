// What an event is: the facts that the decisions need, and their verdict.
import {
  type CausalChain,
  isStorageEvent,
  type LedgerHead,
  placeOfEvent,
  type SignalEvent,
  type StorageEvent,
  type Verdict,
} from '../../shared/contracts/events.ts';
import { chained, parseChain } from '../../shared/decisions/causal-chain.ts';
import { decideCommit, ownKey, tableFileVerdict } from '../../shared/decisions/commit-verdict.ts';
import { digestOf } from '../../shared/decisions/digest.ts';
import { entryId, extractKey, instanceId, landKey } from '../../shared/decisions/identity.ts';
import { isOrdered } from '../../shared/decisions/ledger-change.ts';
import { type TablePath, tablePathOf } from '../../shared/decisions/lake-places.ts';
import { decideSignal, pipelineOfSignal, type SignalEffect } from '../../shared/decisions/signal-verdict.ts';
import { decideVerdict, placeVerdict, writeVerdict } from '../../shared/decisions/verdict.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { CommitFacts } from '../../shared/ports/lake.ts';
import type { Catalog } from './catalog.ts';
import type { IntakeDeps } from './intake.ts';

/** A verdict with what follows from it. */
export interface JudgedEvent {
  verdict: Verdict;
  pipeline: string | null;
  instanceId: string | null;
  runId: string | null;
  chain: CausalChain;
}

export async function judgeFile(
  deps: IntakeDeps,
  catalog: Catalog,
  event: StorageEvent,
  head: LedgerHead | null,
  chain: CausalChain,
): Promise<JudgedEvent> {
  const now = deps.now().toISOString();
  const guardsOf = await catalog.guards();
  let { owners, tables } = await catalog.registered();
  const table = tablePathOf(event.path, owners, tables);
  if (table) return judgeTableFile(deps, catalog, event, table, head, chain);
  const known = await knownVersion(deps, event, head);
  let judged = decideVerdict({ event, head: known, lake: deps.lake, owners, chain, guardsOf, now });
  if (judged.verdict.rule === 'no-pipeline') {
    // It may have been registered a moment ago.
    ({ owners, tables } = await catalog.registered(true));
    const late = tablePathOf(event.path, owners, tables);
    if (late) return judgeTableFile(deps, catalog, event, late, head, chain);
    judged = decideVerdict({ event, head: known, lake: deps.lake, owners, chain, guardsOf, now });
  }
  const pipeline = judged.owner?.pipeline ?? null;
  const taken = pipeline !== null && (judged.verdict.kind === 'accepted' || judged.verdict.kind === 'incomplete');
  return {
    verdict: judged.verdict,
    pipeline,
    instanceId: taken ? instanceId('land', pipeline, landKey(event), 1) : null,
    runId: null,
    chain,
  };
}

/**
 * The version to compare with. Where nobody can tell which of two is newer (a listing knows no sequencer), one that had its story
 * before is known by its own entry: its event comes late, and the story would not be told again.
 */
async function knownVersion(deps: IntakeDeps, event: StorageEvent, head: LedgerHead | null): Promise<LedgerHead | null> {
  if (head === null || head.eTag === event.eTag || isOrdered(event.sequencer, head.sequencer)) return head;
  const own = entryId(event.source, event.id);
  const entries = await deps.ledger.ofBlob(placeOfEvent(event));
  const told = entries.find(
    (one) => one.entryId !== own && one.instanceId !== null && isStorageEvent(one.event) && one.event.eTag === event.eTag,
  );
  return told ? { ...head, eTag: event.eTag, sha256: told.sha256, entryId: told.entryId } : head;
}

async function judgeTableFile(
  deps: IntakeDeps,
  catalog: Catalog,
  event: StorageEvent,
  place: TablePath,
  head: LedgerHead | null,
  chain: CausalChain,
): Promise<JudgedEvent> {
  const pipeline = place.reader?.pipeline ?? place.table?.pipeline ?? null;
  const none = (verdict: Verdict) => ({ verdict, pipeline, instanceId: null, runId: null, chain });
  const early = placeVerdict({ event, lake: deps.lake, now: deps.now().toISOString() }) ?? writeVerdict(event);
  if (early) return none(early);
  if (place.version === null) return none(tableFileVerdict(event, place));
  const says = await commitOf(deps, event);
  if ('kind' in says) return none(says);
  const madeBy = await makerOf(deps, place, says);
  const judged = decideCommit({ event, place, says, madeBy, head, chain, guardsOf: await catalog.guards() });
  const { adoption } = judged;
  return {
    verdict: judged.verdict,
    pipeline: judged.pipeline,
    instanceId: adoption ? instanceId('adopt', adoption.pipeline, landKey(event), 1) : null,
    runId: null,
    chain: [...says.chain, ...chain].slice(-32),
  };
}

/** The commit, or the verdict of one that cannot be read. */
async function commitOf(deps: IntakeDeps, event: StorageEvent): Promise<CommitFacts | Verdict> {
  try {
    return await deps.readCommit(event.container, event.path, event.eTag);
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    const evidence = { eTag: event.eTag, failure: error.code };
    const reason = error.message.slice(0, 2000);
    if (error.code === 'blob-gone' || error.code === 'blob-changed') return { kind: 'superseded', rule: 'commit-gone', reason, evidence };
    if (error.code === 'commit-unreadable') return { kind: 'refused', rule: 'commit-unreadable', reason, evidence };
    throw error;
  }
}

/** The run that a commit of ours names, or whose key its transaction carries. */
async function makerOf(deps: IntakeDeps, place: TablePath, says: CommitFacts): Promise<string | null> {
  if (says.runId !== null) return says.runId;
  const key = ownKey(says.appIds);
  if (key === null || key === '' || place.table === null) return null;
  return (await deps.runs.attempts(place.table.pipeline, key)).at(-1)?.runId ?? null;
}

export async function judgeSignal(
  deps: IntakeDeps,
  catalog: Catalog,
  event: SignalEvent,
  given: CausalChain,
): Promise<JudgedEvent & { effect: SignalEffect }> {
  const chain = [...parseChain(event.data['chain']), ...given];
  const named = pipelineOfSignal(event);
  // A push of code comes right after its images were registered: it must not be judged by those before.
  const registered = await catalog.registered(event.kind === 'code');
  // It may have been registered a moment ago.
  const newest = named === null || registered.versions.has(named) ? registered : await catalog.registered(true);
  const known = named !== null && newest.versions.has(named);
  const run = event.kind === 'job' ? await deps.runs.find(runOfJob(event.subject)) : null;
  const { verdict, pipeline, effect } = decideSignal({
    event,
    chain,
    pipeline: known ? named : null,
    extract: (known ? newest.versions.get(named)?.spec.schedule?.extract?.pipeline : null) ?? null,
    run,
    guardsOf: await catalog.guards(),
    now: deps.now().toISOString(),
  });
  return {
    verdict,
    pipeline: pipeline ?? run?.pipeline ?? null,
    instanceId: instanceOf(event, effect),
    runId: effect.kind === 'hint' ? effect.runId : null,
    chain: pipeline === null ? chain : chained(chain, pipeline, event.id),
    effect,
  };
}

/** The instance that a signal starts. */
function instanceOf({ source, id }: SignalEvent, effect: SignalEffect): string | null {
  if (effect.kind === 'train') return instanceId('retrain', effect.pipeline, digestOf([source, id]), 1);
  if (effect.kind === 'extract') return instanceId('extract', effect.pipeline, extractKey({ pipeline: effect.pipeline, source, id }), 1);
  return null;
}

/** A job bears its run's id, with an ending where a run has several. */
function runOfJob(jobName: string): string {
  return jobName.replace(/-(publish|t[0-9]+)$/, '');
}
