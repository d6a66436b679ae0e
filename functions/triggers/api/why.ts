// `why`: what led to something and what came of it, and what a person can do about it. Walks the records both ways from the subject:
// event ↔ run ↔ model ↔ endpoint.
import type { LedgerEntry } from '../../../shared/contracts/events.ts';
import type { Explanation, WindowView } from '../../../shared/contracts/http-api.ts';
import { adviceOfEvent, adviceOfRun } from '../../../shared/decisions/advice.ts';
import { whySubject, type Place } from '../../../shared/decisions/why-subject.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { Windows } from '../../../shared/ports/windows.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';
import { holdsOf, mayKnow } from './guards.ts';
import { oneModel } from './models.ts';
import { summaryOf } from './runs.ts';
import { endpointItem, eventItem, type Item, keyOf, modelItem, nodeOf, runItem, scopeOfItem, type Step } from './why-items.ts';
import { causes, effects, MAX_EVENTS } from './why-steps.ts';
import { windowOf } from './windows-view.ts';

const MAX_NODES = 200;
/** Datasets in the making that one answer looks into. */
const MAX_WINDOWS = 10;

/** What was found, before it is put into words. */
interface Told {
  subject: Item[];
  items: Item[];
  links: Explanation['links'];
  truncated: boolean;
}

export function whyHandlers(deps: ApiDeps): Handlers<'why'> {
  return {
    async why({ query, may, windows }) {
      const visible = (item: Item) => may('reader', scopeOfItem(item));
      const subject = (await itemsOf(deps, query.subject, may)).filter(visible);
      if (subject.length === 0) throw unknownSubject(query.subject, deps);
      const told = await explain(
        subject,
        visible,
        (item) => causes(deps, item),
        (item) => effects(deps, item),
      );
      return { body: await inWords(deps, told, windows(), may) };
    },
  };
}

async function inWords(deps: ApiDeps, told: Told, windows: Windows, may: ApiCall<never>['may']): Promise<Explanation> {
  const now = deps.now().toISOString();
  const events = told.items.flatMap((item) => (item.kind === 'event' ? [item.record] : []));
  const runs = told.items.flatMap((item) => (item.kind === 'run' ? [item.record] : []));
  const views = await windowsOf(deps, windows, events, now);
  const pipelines = new Set(told.items.flatMap(({ pipeline }) => pipeline ?? []));
  const [freezes, breakers] = await Promise.all([deps.freezes.list(), deps.breakers.list()]);
  const guards = { freezes: freezes.filter((freeze) => mayKnow(may, freeze)), breakers };
  const retried = new Set(told.links.flatMap(({ as, from }) => (as === 'retried-as' ? [from.ref] : [])));
  const waiting = new Map(views.map((view) => [view.window, view.waitingFor]));
  return {
    subject: told.subject.map(nodeOf),
    links: told.links,
    events,
    windows: views,
    runs: runs.map(summaryOf),
    models: told.items.flatMap((item) => (item.kind === 'model' ? [item.record] : [])),
    endpoints: told.items.flatMap((item) => (item.kind === 'endpoint' ? [item.record] : [])),
    advice: [
      ...events.map((entry) => adviceOfEvent(entry, { waitingFor: waiting.get(entry.window ?? '') ?? null })),
      ...runs.map((run) => adviceOfRun(run, retried.has(run.runId))),
    ].filter((advice) => advice !== null),
    holds: holdsOf(guards, pipelines, now),
    truncated: told.truncated,
  };
}

/** The datasets in the making that the events were collected for, each once. */
async function windowsOf(deps: ApiDeps, windows: Windows, events: readonly LedgerEntry[], now: string): Promise<WindowView[]> {
  const byWindow = new Map(events.flatMap((entry) => (entry.window === null ? [] : [[entry.window, entry] as const])));
  const views = [...byWindow.values()].slice(-MAX_WINDOWS).map(async (entry) => {
    const version = entry.pipeline === null ? null : await deps.pipelines.current(entry.pipeline);
    return windowOf({ ...deps, windows }, entry, version, now);
  });
  return (await Promise.all(views)).filter((view) => view !== null);
}

/** Breadth first, upwards and downwards apart: what else a cause led to is not asked for. */
async function explain(
  subject: Item[],
  visible: (item: Item) => boolean,
  up: (item: Item) => Promise<Step[]>,
  down: (item: Item) => Promise<Step[]>,
): Promise<Told> {
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
  return { subject, items: [...found.values()], links: [...links.values()], truncated };
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
