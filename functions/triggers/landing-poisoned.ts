// A message that failed five times came out of the poison queue: it gets its ledger row too, so that no event is without a verdict.
import { createHash } from 'node:crypto';
import type { InvocationContext } from '@azure/functions';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import type { Ledger } from '../../shared/ports/stores.ts';
import type { Store } from '../../shared/ports/lake.ts';

export function landingPoisoned(deps: { ledger: Ledger; store: Store; now: () => Date }) {
  return async (message: unknown, log: Pick<InvocationContext, 'error'>): Promise<void> => {
    const raw = typeof message === 'string' ? message : JSON.stringify(message);
    const sha256 = createHash('sha256').update(raw, 'utf8').digest('hex');
    await deps.store.create(`malformed/${sha256}`, Buffer.from(raw, 'utf8'), 'application/octet-stream');
    const id = entryId('poison', sha256);
    const known = await deps.ledger.look(null, id);
    if (known.entry) return deps.ledger.redelivered(null, id);
    const reason = `Taking this message in failed five times; it is kept as malformed/${sha256}. Mend the cause, then write the file again`;
    const entry: LedgerEntry = {
      entryId: id,
      event: null,
      rawSha256: sha256,
      pipeline: null,
      verdict: { kind: 'refused', rule: 'poisoned', reason, evidence: { characters: raw.length, dequeues: 5 } },
      deliveries: 1,
      receivedAt: deps.now().toISOString(),
      instanceId: null,
      runId: null,
      window: null,
      chain: [],
      foundBy: 'poison',
      sha256: null,
    };
    await deps.ledger.record(null, entry, null, known.version);
    log.error(`poisoned message recorded as ${id}`);
  };
}
