// The ledger over HTTP: every event with its verdict.
import type { LedgerEntry } from '../../../shared/contracts/events.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';

export function eventHandlers(deps: ApiDeps): Handlers<'listEvents' | 'listEventsByPath'> {
  return {
    async listEvents({ query, may }) {
      const page = await deps.ledger.recent(query.limit, query.after);
      return { body: { items: page.items.filter((entry) => mayRead(may, entry)), next: page.next } };
    },

    async listEventsByPath({ query, may }) {
      const { account = deps.lake.account, container = deps.lake.container, path } = query;
      const entries = await deps.ledger.ofBlob({ account, container, path });
      return { body: { items: entries.filter((entry) => mayRead(may, entry)) } };
    },
  };
}

/** An event that no pipeline owns is for readers of everything. */
export function mayRead(may: ApiCall<never>['may'], entry: LedgerEntry): boolean {
  return may('reader', { pipeline: entry.pipeline ?? undefined });
}
