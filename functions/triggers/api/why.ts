// `why`: what led to something and what came of it. Walks the records both ways from the subject: event ↔ run ↔ model ↔ endpoint.
import type { LedgerEntry } from '../../../shared/contracts/events.ts';
import type { Explanation, WhyNode } from '../../../shared/contracts/http-api.ts';
import { runIdParts } from '../../../shared/contracts/identifiers.ts';
import type { ModelVersion, Run, ServingEntry } from '../../../shared/contracts/runs.ts';
import type { Scope } from '../../../shared/decisions/allowed.ts';
import { instanceId } from '../../../shared/decisions/identity.ts';
import { whySubject, type Place } from '../../../shared/decisions/why-subject.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';
import { oneModel } from './models.ts';
import { scopeOf, summaryOf } from './runs.ts';

const MAX_NODES = 200;
/** Of a blob that was written often, the newest events. */
const MAX_EVENTS = 20;

type Item =
  | { kind: 'event'; ref: string; pipeline: string | null; record: LedgerEntry }
  | { kind: 'run'; ref: string; pipeline: string; record: Run }
  | { kind: 'model'; ref: string; pipeline: string; record: ModelVersion }
  | { kind: 'endpoint'; ref: string; pipeline: string; record: ServingEntry };
type As = Explanation['links'][number]['as'];
/** A neighbour of an item, and how the two are called together. */
interface Step {
  item: Item;
  as: As;
}

export function whyHandlers(deps: ApiDeps): Handlers<'why'> {
  return {
    async why({ query, may }) {
      const visible = (item: Item) => may('reader', scopeOfItem(item));
      const subject = (await itemsOf(deps, query.subject, may)).filter(visible);
      if (subject.length === 0) throw unknownSubject(query.subject, deps);
      return {
        body: await explain(
          subject,
          visible,
          (item) => causes(deps, item),
          (item) => effects(deps, item),
        ),
      };
    },
  };
}

/** Breadth first, upwards and downwards apart: what else a cause led to is not asked for. */
async function explain(
  subject: Item[],
  visible: (item: Item) => boolean,
  up: (item: Item) => Promise<Step[]>,
  down: (item: Item) => Promise<Step[]>,
): Promise<Explanation> {
  const found = new Map<string, Item>(subject.map((item) => [keyOf(item), item]));
  const links = new Map<string, Explanation['links'][number]>();
  let truncated = false;
  for (const [neighbours, upwards] of [
    [up, true],
    [down, false],
  ] as const) {
    const seen = new Set(subject.map(keyOf));
    let layer = subject;
    while (layer.length > 0) {
      const steps = await Promise.all(layer.map(async (item) => (await neighbours(item)).map((step) => ({ ...step, of: item }))));
      const next: Item[] = [];
      for (const { item, as, of } of steps.flat().filter((step) => visible(step.item))) {
        if (!found.has(keyOf(item)) && found.size >= MAX_NODES) {
          truncated = true;
          continue;
        }
        found.set(keyOf(item), item);
        const [from, to] = upwards ? [item, of] : [of, item];
        links.set(`${keyOf(from)} ${keyOf(to)}`, { from: nodeOf(from), to: nodeOf(to), as });
        if (!seen.has(keyOf(item))) next.push(item);
        seen.add(keyOf(item));
      }
      layer = next;
    }
  }
  const all = [...found.values()];
  return {
    subject: subject.map(nodeOf),
    links: [...links.values()],
    events: all.flatMap((item) => (item.kind === 'event' ? [item.record] : [])),
    runs: all.flatMap((item) => (item.kind === 'run' ? [summaryOf(item.record)] : [])),
    models: all.flatMap((item) => (item.kind === 'model' ? [item.record] : [])),
    endpoints: all.flatMap((item) => (item.kind === 'endpoint' ? [item.record] : [])),
    truncated,
  };
}

/** One step towards the cause. */
async function causes(deps: ApiDeps, item: Item): Promise<Step[]> {
  switch (item.kind) {
    case 'event':
      return [];
    case 'endpoint':
      return withRuns(deps, [item.record.promotionId], 'now-serves-at');
    case 'model':
      return withRuns(deps, [item.record.runId], 'made');
    case 'run': {
      const run = item.record;
      const before =
        run.attempt > 1 ? await withRuns(deps, [instanceId(run.story, run.pipeline, run.key, run.attempt - 1)], 'retried-as') : [];
      const events = (await deps.ledger.ofRun(run.runId))
        .slice(-MAX_EVENTS)
        .map((entry): Step => ({ item: eventItem(entry), as: 'became-data-of' }));
      if (run.story === 'promote') return [...before, ...(await withModel(deps, run.pipeline, run.input['modelDigest'], 'promoted-by'))];
      const led = run.cause.kind === 'run' ? await withRuns(deps, [run.cause.ref], 'led-to') : [];
      return [...before, ...led, ...events];
    }
  }
}

/** One step towards the effect. */
async function effects(deps: ApiDeps, item: Item): Promise<Step[]> {
  switch (item.kind) {
    case 'event':
      return item.record.runId === null ? [] : withRuns(deps, [item.record.runId], 'became-data-of');
    case 'endpoint':
      return [];
    case 'model': {
      const promotions = await deps.promotions.list({ modelDigest: item.record.modelDigest }, MAX_NODES);
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
      return [...again, ...led, ...model];
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
  const history = await deps.serving.history(`sagemaker/${run.promoted.region}/${run.promoted.endpoint}`, MAX_NODES);
  return history.filter((entry) => entry.promotionId === run.runId).map((entry) => ({ item: endpointItem(entry), as: 'now-serves-at' }));
}

async function itemsOf(deps: ApiDeps, text: string, may: ApiCall<never>['may']): Promise<Item[]> {
  const subject = whySubject(text, deps.lake);
  switch (subject.kind) {
    case 'entry': {
      const entry = await deps.ledger.find(subject.entryId);
      return entry ? [eventItem(entry)] : [];
    }
    case 'run': {
      const run = await deps.runs.find(subject.runId);
      return run ? [runItem(run)] : [];
    }
    case 'model':
      return [modelItem(await oneModel(deps.models, subject.digestPrefix, undefined, (pipeline) => may('reader', { pipeline })))];
    case 'endpoint': {
      const entry = await deps.serving.at(subject.endpoint);
      return entry ? [endpointItem(entry)] : [];
    }
    case 'endpoint-name': {
      const entries = (await deps.serving.current()).filter((entry) => entry.endpoint.endsWith(`/${subject.name}`));
      return entries.length > 0 ? entries.map(endpointItem) : eventsAt(deps, subject.places);
    }
    case 'path':
      return eventsAt(deps, subject.places);
  }
}

async function eventsAt(deps: ApiDeps, places: readonly Place[]): Promise<Item[]> {
  for (const place of places) {
    const entries = await deps.ledger.ofBlob(place);
    if (entries.length > 0) return entries.slice(-MAX_EVENTS).map(eventItem);
  }
  return [];
}

function unknownSubject(text: string, { lake }: ApiDeps): UserError {
  const forms = 'a path, a ledger entry (e-…), a run id, a model digest or an endpoint';
  const detail = `Nothing is known about "${text.slice(0, 200)}". Ask about ${forms}; paths are below ${lake.account}/${lake.container}`;
  return new UserError(404, 'subject-unknown', detail);
}

function eventItem(record: LedgerEntry): Item {
  return { kind: 'event', ref: record.entryId, pipeline: record.pipeline, record };
}

function runItem(record: Run): Item {
  return { kind: 'run', ref: record.runId, pipeline: record.pipeline, record };
}

function modelItem(record: ModelVersion): Item {
  return { kind: 'model', ref: record.modelDigest, pipeline: record.pipeline, record };
}

function endpointItem(record: ServingEntry): Item {
  return { kind: 'endpoint', ref: `${record.endpoint}@${record.promotionId}`, pipeline: record.pipeline, record };
}

function scopeOfItem(item: Item): Scope {
  if (item.kind === 'run') return scopeOf(item.record);
  return item.kind === 'endpoint' ? item.record : { pipeline: item.pipeline ?? undefined };
}

function nodeOf({ kind, ref }: Item): WhyNode {
  return { kind, ref };
}

/** Two pipelines may have a model of one digest. */
function keyOf({ kind, ref, pipeline }: Item): string {
  return `${kind} ${pipeline ?? ''} ${ref}`;
}
