// One step from an item towards its causes or its effects, each a few reads of the records.
import { isStorageEvent, type LedgerEntry } from '../../../shared/contracts/events.ts';
import { runIdParts } from '../../../shared/contracts/identifiers.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import type { Commit } from '../../../shared/contracts/tables.ts';
import { instanceId } from '../../../shared/decisions/identity.ts';
import type { ApiDeps } from './call.ts';
import { type As, endpointItem, eventItem, type Item, modelItem, runItem, type Step } from './why-items.ts';

const MAX_LISTED = 200;
/** Of a blob that was written often, the newest events. */
export const MAX_EVENTS = 20;

/** One step towards the cause. */
export async function causes(deps: ApiDeps, item: Item): Promise<Step[]> {
  switch (item.kind) {
    case 'event':
      return causesOfEvent(deps, item.record);
    case 'endpoint':
      return withRuns(deps, [item.record.promotionId], 'now-serves-at');
    case 'model':
      return withRuns(deps, [item.record.runId], 'made');
    case 'run': {
      const run = item.record;
      const before =
        run.attempt > 1 ? await withRuns(deps, [instanceId(run.story, run.pipeline, run.key, run.attempt - 1)], 'retried-as') : [];
      const events = await eventsOf(deps, run);
      if (run.story === 'promote') return [...before, ...(await withModel(deps, run.pipeline, run.input['modelDigest'], 'promoted-by'))];
      const led = run.cause.kind === 'run' ? await withRuns(deps, [run.cause.ref], 'led-to') : [];
      return [...before, ...led, ...events];
    }
  }
}

/** One step towards the effect. */
export async function effects(deps: ApiDeps, item: Item): Promise<Step[]> {
  switch (item.kind) {
    case 'event':
      return item.record.runId === null ? [] : withRuns(deps, [item.record.runId], linkTo(item.record));
    case 'endpoint':
      return [];
    case 'model': {
      const promotions = await deps.promotions.list({ modelDigest: item.record.modelDigest }, MAX_LISTED);
      const ids = promotions.filter(({ pipeline }) => pipeline === item.pipeline).map(({ promotionId }) => promotionId);
      return withRuns(deps, ids, 'promoted-by');
    }
    case 'run': {
      const run = item.record;
      const again = await withRuns(deps, [instanceId(run.story, run.pipeline, run.key, run.attempt + 1)], 'retried-as');
      if (run.story === 'promote') return [...again, ...(await withServing(deps, run))];
      // What a train run promotes hangs on its model; a refine run leads to train runs.
      const led = await withRuns(
        deps,
        run.next.filter((id) => runIdParts(id)?.story !== 'promote'),
        'led-to',
      );
      const model = run.story === 'train' ? await withModel(deps, run.pipeline, run.trained?.modelDigest, 'made') : [];
      return [...again, ...(await commitsOf(deps, run)), ...led, ...model];
    }
  }
}

async function withRuns(deps: ApiDeps, ids: readonly string[], as: As): Promise<Step[]> {
  const runs = await Promise.all(ids.map((id) => deps.runs.find(id)));
  return runs.filter((run) => run !== null).map((run) => ({ item: runItem(run), as }));
}

async function withModel(deps: ApiDeps, pipeline: string, modelDigest: unknown, as: As): Promise<Step[]> {
  const model = typeof modelDigest === 'string' ? await deps.models.get(pipeline, modelDigest) : null;
  return model ? [{ item: modelItem(model), as }] : [];
}

/** A promotion is in the history of its endpoint when it got that far. */
async function withServing(deps: ApiDeps, run: Run): Promise<Step[]> {
  if (!run.promoted) return [];
  const history = await deps.serving.history(`sagemaker/${run.promoted.region}/${run.promoted.endpoint}`, MAX_LISTED);
  return history.filter((entry) => entry.promotionId === run.runId).map((entry) => ({ item: endpointItem(entry), as: 'now-serves-at' }));
}

/** Files become data; events without a file only start something. */
function linkTo({ event }: LedgerEntry): As {
  return isStorageEvent(event) ? 'became-data-of' : 'led-to';
}

/** What became data of a run, and the event that it was started for where that is another one. */
async function eventsOf(deps: ApiDeps, run: Run): Promise<Step[]> {
  const entries = (await deps.ledger.ofRun(run.runId)).slice(-MAX_EVENTS);
  const steps = entries.map((entry): Step => ({ item: eventItem(entry), as: linkTo(entry) }));
  if (run.cause.kind !== 'event' || entries.some(({ entryId }) => entryId === run.cause.ref)) return steps;
  const cause = await deps.ledger.find(run.cause.ref);
  return cause ? [...steps, { item: eventItem(cause), as: 'led-to' }] : steps;
}

/** The run whose commit the event speaks of, the run at the end of its chain, and the event that it only repeats. */
async function causesOfEvent(deps: ApiDeps, { verdict, chain }: LedgerEntry): Promise<Step[]> {
  const { madeBy, known } = verdict.evidence;
  const before = typeof known === 'string' ? await deps.ledger.find(known) : null;
  const last = chain.at(-1)?.split('@').at(-1) ?? '';
  const makers = typeof madeBy === 'string' && runIdParts(madeBy) ? [madeBy] : [];
  const led = runIdParts(last) && !makers.includes(last) ? [last] : [];
  return [
    ...(before ? [{ item: eventItem(before), as: 'repeats' as const }] : []),
    ...(await withRuns(deps, makers, 'committed')),
    ...(await withRuns(deps, led, 'led-to')),
  ];
}

/** Events that a run's commits made and that started something: another pipeline reads the table, or somebody's did. */
async function commitsOf(deps: ApiDeps, { refined }: Run): Promise<Step[]> {
  if (!refined) return [];
  const entries = await Promise.all([refined.silver, refined.gold].map((commit) => deps.ledger.ofBlob(placeOfCommit(deps, commit))));
  const telling = entries.flat().filter(({ verdict }) => verdict.kind !== 'ignored');
  return telling.slice(-MAX_EVENTS).map((entry) => ({ item: eventItem(entry), as: 'committed' }));
}

function placeOfCommit({ lake }: ApiDeps, { path, version }: Commit) {
  return { ...lake, path: `${path}_delta_log/${String(version).padStart(20, '0')}.json` };
}
