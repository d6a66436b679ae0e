// Starting what a verdict decided: named instances, so that the same start twice is one story.
import type { LedgerEntry, SignalEvent, StorageEvent } from '../../shared/contracts/events.ts';
import type { PipelineVersion } from '../../shared/contracts/pipeline.ts';
import { JOB_HINT_EVENT, type AdoptInput, type ExtractInput, type LandInput, type RetrainInput } from '../../shared/contracts/stories.ts';
import { runIdParts } from '../../shared/contracts/identifiers.ts';
import { handOverName } from '../../shared/decisions/hand-over.ts';
import { extractKey, instanceId, waiterOf } from '../../shared/decisions/identity.ts';
import { ownerOf, tablePathOf } from '../../shared/decisions/lake-places.ts';
import type { SignalEffect } from '../../shared/decisions/signal-verdict.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import type { Catalog } from './catalog.ts';
import type { IntakeDeps } from './intake.ts';

/** A landed file goes to `land`, somebody else's commit to `adopt`. */
export async function startFile(
  deps: IntakeDeps,
  catalog: Catalog,
  event: StorageEvent,
  entry: LedgerEntry,
  starter: Starter,
): Promise<void> {
  if (entry.pipeline === null || entry.instanceId === null) return;
  const { owners, tables, versions } = await catalog.registered();
  const base = baseOf(deps, versions, entry.pipeline);
  const { account, container, path, eTag } = event;
  const table = tablePathOf(path, owners, tables);
  if (table) {
    const layer = table.reader ? 'source' : table.table?.layer;
    if (table.version === null || layer === undefined || layer === 'quarantine') return;
    const input: AdoptInput = {
      ...base,
      entryId: entry.entryId,
      account,
      container,
      path,
      eTag,
      layer,
      source: table.reader?.source ?? null,
      root: table.root,
      version: table.version,
      chain: entry.chain,
    };
    await starter.start('adopt', entry.instanceId, input);
    return;
  }
  const owner = ownerOf(path, owners);
  const input: LandInput = {
    ...base,
    entryId: entry.entryId,
    account,
    container,
    path,
    eTag,
    sequencer: event.sequencer,
    bytes: event.bytes,
    eventTime: event.time,
    onPremises: owner?.onPremises ?? false,
    collecting: owner?.collecting ?? null,
    chain: entry.chain,
  };
  await starter.start('land', entry.instanceId, input);
}

/** A commit of gold under a run's transaction: where an engine outside made it, the wait for that engine's run is about to end. */
export async function hintHandOver(deps: IntakeDeps, { entryId, verdict }: LedgerEntry, starter: Starter): Promise<void> {
  const { madeBy, root } = verdict.evidence;
  if (!deps.policy.handOver || verdict.rule !== 'own-commit' || !String(root).startsWith('gold/')) return;
  // The note of a commit is anybody's text.
  if (typeof madeBy !== 'string' || runIdParts(madeBy)?.story !== 'refine') return;
  await starter.raise(waiterOf(handOverName(madeBy)), JOB_HINT_EVENT, { entryId });
}

/** A training on the gold that is there, a data pipeline that brings data in, or a word to whoever waits for a job. */
export async function startSignal(
  deps: IntakeDeps,
  catalog: Catalog,
  event: SignalEvent,
  entry: LedgerEntry,
  effect: SignalEffect,
  starter: Starter,
): Promise<void> {
  if (effect.kind === 'hint') {
    await starter.raise(waiterOf(effect.jobName), JOB_HINT_EVENT, { entryId: entry.entryId });
    return;
  }
  if (effect.kind === 'nothing' || entry.instanceId === null || entry.runId !== null) return;
  const { versions } = await catalog.registered();
  if (effect.kind === 'extract') return startExtraction(deps, versions, event, entry, effect.pipeline, starter);
  const input: RetrainInput = {
    ...baseOf(deps, versions, effect.pipeline),
    entryId: entry.entryId,
    signal: { kind: event.kind, subject: event.subject },
    unchanged: versions.get(effect.pipeline)?.spec.schedule?.unchanged ?? 'skip',
    chain: entry.chain,
  };
  await starter.start('retrain', entry.instanceId, input);
}

/** The run bears the id that the verdict gave it. */
async function startExtraction(
  deps: IntakeDeps,
  versions: ReadonlyMap<string, PipelineVersion>,
  event: SignalEvent,
  entry: LedgerEntry,
  pipeline: string,
  starter: Starter,
): Promise<void> {
  const extract = versions.get(pipeline)?.spec.schedule?.extract;
  // Another version was registered since the verdict: what it says now holds for the next event.
  if (!extract) return;
  const key = extractKey({ pipeline, source: event.source, id: event.id });
  const { limited: _limited, ...base } = baseOf(deps, versions, pipeline);
  const input: ExtractInput = {
    ...base,
    runId: instanceId('extract', pipeline, key, 1),
    key,
    entryId: entry.entryId,
    signal: { kind: event.kind, subject: event.subject },
    dataPipeline: extract.pipeline,
    parameters: extract.parameters,
    deadline: extract.deadline,
  };
  await starter.start('extract', input.runId, input);
}

function baseOf(deps: IntakeDeps, versions: ReadonlyMap<string, PipelineVersion>, pipeline: string) {
  const version = versions.get(pipeline);
  if (!version) throw new TransientError('pipeline-gone', `Pipeline ${pipeline} was registered a moment ago and cannot be read now`);
  return { pipeline, contractDigest: version.digest, policy: deps.policy, limited: version.spec.limits !== undefined };
}
