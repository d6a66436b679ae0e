// The ledger over HTTP: every event with its verdict, held events judged once more, and events that callers send.
import type { LedgerEntry, SignalEvent } from '../../../shared/contracts/events.ts';
import { isStorageEvent } from '../../../shared/contracts/events.ts';
import type { SignalRequest } from '../../../shared/contracts/http-api.ts';
import { canonicalJson } from '../../../shared/decisions/digest.ts';
import { entryId } from '../../../shared/decisions/identity.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';

type Served = 'listEvents' | 'listEventsByPath' | 'replayEvent' | 'sendSignal';

/** Entries that one request with a filter looks at; a page that found nothing says where to go on. */
const MAX_LOOKED_AT = 1000;

export function eventHandlers(deps: ApiDeps): Handlers<Served> {
  return {
    async listEvents({ query, may }) {
      const { limit, pipeline, verdict } = query;
      const since = query.since === undefined ? '' : new Date(query.since).toISOString();
      const wanted = (entry: LedgerEntry): boolean =>
        mayRead(may, entry) &&
        (pipeline === undefined || entry.pipeline === pipeline) &&
        (verdict === undefined || entry.verdict.kind === verdict);
      let { after } = query;
      for (let looked = 0; ; looked += limit) {
        const page = await deps.ledger.recent(limit, after);
        const recent = page.items.filter(({ receivedAt }) => receivedAt >= since);
        // Newest first: what follows an older entry is older still.
        const next = recent.length < page.items.length ? null : page.next;
        const items = recent.filter(wanted);
        if (items.length > 0 || next === null || looked + limit >= MAX_LOOKED_AT) return { body: { items, next } };
        after = next;
      }
    },

    async listEventsByPath({ query, may }) {
      const { account = deps.lake.account, container = deps.lake.container, path } = query;
      const entries = await deps.ledger.ofBlob({ account, container, path });
      return { body: { items: entries.filter((entry) => mayRead(may, entry)) } };
    },

    async replayEvent({ params, body, caller, require, starter, log }) {
      const before = await deps.ledger.find(params.id);
      if (!before) throw new UserError(404, 'entry-unknown', `The ledger has no entry ${params.id}; sluice events lists them`);
      require('operator', { pipeline: before.pipeline ?? undefined });
      const entry = await deps.intake.replay(params.id, starter(), log);
      const detail = `${before.verdict.kind} → ${entry.verdict.kind} (${entry.verdict.rule}): ${body.reason}`;
      await deps.audit.record({ at: deps.now().toISOString(), actor: caller.name, action: 'event.replay', subject: params.id, detail });
      return { body: { before: before.verdict, entry } };
    },

    async sendSignal({ body, caller, require, starter, log }) {
      const { pipeline, chain = [] } = body;
      require('operator', { pipeline });
      const event = signalOf(body, caller.subject, deps.now().toISOString());
      const known = await deps.ledger.find(entryId(event.source, event.id));
      if (known) refuseOther(known, event);
      const { entry } = await deps.intake.takeSignal(event, starter(), log, { foundBy: 'http', chain });
      if (!known) {
        const detail = `${event.kind} ${event.subject}: ${entry.verdict.kind} (${entry.verdict.rule})`;
        await deps.audit.record({ at: event.time, actor: caller.name, action: 'signal.send', subject: entry.entryId, detail });
      }
      return { status: known ? 200 : 202, headers: { location: `/api/v1/why?subject=${entry.entryId}` }, body: { entry } };
    },
  };
}

/** An event that no pipeline owns is for readers of everything. */
export function mayRead(may: ApiCall<never>['may'], entry: LedgerEntry): boolean {
  return may('reader', { pipeline: entry.pipeline ?? undefined });
}

/** Ids are each caller's own; kind and subject are part of them, because the ledger keeps events by what they speak of. */
function signalOf(request: SignalRequest, subject: string, time: string): SignalEvent {
  const { kind, id, pipeline, chain: _chain, ...rest } = request;
  const data = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as SignalEvent['data'];
  const event = { source: `/sluice/api/${subject}`.slice(0, 1024), kind, time };
  if (kind !== 'code') return { ...event, id: `${kind}/${pipeline}/${id}`, subject: pipeline, data };
  const { repository, ...push } = data;
  return { ...event, id: `${kind}/${pipeline}/${id}`, subject: String(repository), data: { ...push, pipeline } };
}

/** One id for two different events: the second would be lost without a word. */
function refuseOther({ event, entryId: id }: LedgerEntry, sent: SignalEvent): void {
  const told = ({ subject, data }: SignalEvent): string => canonicalJson({ subject, data });
  if (event !== null && !isStorageEvent(event) && told(event) === told(sent)) return;
  throw new UserError(
    422,
    'idempotency-key-reused',
    `This id was sent before with another content (${id}); send a new event with a new id`,
  );
}
