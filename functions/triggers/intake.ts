// Every event, whatever brought it, is taken in here: looked up in the ledger, judged, written down with its verdict, and only then
// does what was decided start. The queue, the reconciler, the timers and the API share it.
import type { InvocationContext } from '@azure/functions';
import type { CausalChain, LedgerEntry, LedgerHead, SignalEvent, StorageEvent, Verdict } from '../../shared/contracts/events.ts';
import { isStorageEvent, placeOfEvent, subjectOf } from '../../shared/contracts/events.ts';
import type { Policy } from '../../shared/contracts/stories.ts';
import { entryId } from '../../shared/decisions/identity.ts';
import type { SignalEffect } from '../../shared/decisions/signal-verdict.ts';
import { RejectedError, TransientError, UserError } from '../../shared/errors/errors.ts';
import type { BreakerStore, Freezes } from '../../shared/ports/guards.ts';
import type { Lake } from '../../shared/ports/lake.ts';
import type { Starter } from '../../shared/ports/starter.ts';
import type { Ledger, PipelineRegistry, RunStore } from '../../shared/ports/stores.ts';
import { createCatalog } from './catalog.ts';
import { createFamiliar } from './familiar.ts';
import { judgeFile, type JudgedEvent, judgeSignal } from './judge.ts';
import { hintHandOver, startFile, startSignal } from './starting.ts';

export interface IntakeDeps {
  ledger: Ledger;
  pipelines: PipelineRegistry;
  runs: RunStore;
  freezes: Freezes;
  breakers: BreakerStore;
  /** The only place that events may speak of. */
  lake: { account: string; container: string };
  readCommit: Lake['readCommit'];
  policy: Policy;
  now: () => Date;
}

export type Log = Pick<InvocationContext, 'info'>;

/** How an event came to us, and what it is the effect of. */
export interface Arrival {
  foundBy: LedgerEntry['foundBy'];
  chain: CausalChain;
  /** Beside what the verdict's rule compared: why it came this way. */
  evidence?: Verdict['evidence'];
}

export interface Intake {
  /** Gives the ledger's entry: new, or as it was when this is a redelivery. Throws only for what another delivery may mend. */
  takeEvent(event: StorageEvent, starter: Starter, log: Log, arrival?: Arrival): Promise<LedgerEntry>;
  /** As takeEvent, for events without a file. `effect` is what was started. */
  takeSignal(event: SignalEvent, starter: Starter, log: Log, arrival?: Arrival): Promise<{ entry: LedgerEntry; effect: SignalEffect }>;
  /** Judges an event once more that was held back (frozen, over budget, refused, loop): what held it may be gone. */
  replay(id: string, starter: Starter, log: Log): Promise<LedgerEntry>;
}

/** Races on one blob are rare and short; after this many the queue's own redelivery takes over. */
const MAX_LOOKS = 8;
const FROM_QUEUE: Arrival = { foundBy: 'queue', chain: [] };
/** What `look` would say of a file that never came before. */
const NOTHING_KNOWN = { head: null, entry: null, version: null } as const;
/** Verdicts that may turn out otherwise when what was in the way is gone. */
const HELD: ReadonlySet<Verdict['kind']> = new Set(['over-budget', 'refused', 'loop', 'ignored', 'late']);

export function createIntake(deps: IntakeDeps): Intake {
  const { ledger, now } = deps;
  const catalog = createCatalog(deps);
  const familiar = createFamiliar();

  /**
   * What the ledger knows before the first attempt. Most files that the queue tells of are new: for them nothing is read, because
   * `record` refuses a version that is not the newest, and then it is looked up. Whatever came this way before is looked up at once.
   */
  function firstLook(event: StorageEvent | SignalEvent, { foundBy }: Arrival, id: string): ReturnType<Ledger['look']> {
    const place = placeOfEvent(event);
    const isNew = foundBy === 'queue' && isStorageEvent(event) && event.kind === 'created' && !familiar.has(place);
    return isNew ? Promise.resolve(NOTHING_KNOWN) : ledger.look(place, id);
  }

  /** Looks, judges and records until nobody else came in between. */
  async function record<Judged extends JudgedEvent>(
    event: StorageEvent | SignalEvent,
    arrival: Arrival,
    judge: (head: LedgerHead | null) => Promise<Judged>,
  ): Promise<{ entry: LedgerEntry; judged: Judged | null }> {
    const place = placeOfEvent(event);
    const id = entryId(event.source, event.id);
    // One moment for all attempts: what an attempt that came too late has written is then overwritten by the next.
    const receivedAt = now().toISOString();
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const known = await (look === 0 ? firstLook(event, arrival, id) : ledger.look(place, id));
      familiar.add(place);
      if (known.entry) {
        await ledger.redelivered(place, id);
        return { entry: { ...known.entry, deliveries: known.entry.deliveries + 1 }, judged: null };
      }
      const judged = await judge(known.head);
      const entry: LedgerEntry = {
        entryId: id,
        event,
        rawSha256: null,
        pipeline: judged.pipeline,
        verdict: { ...judged.verdict, evidence: { ...arrival.evidence, ...judged.verdict.evidence } },
        deliveries: 1,
        receivedAt,
        instanceId: judged.instanceId,
        runId: judged.runId,
        window: null,
        chain: judged.chain,
        foundBy: arrival.foundBy,
        sha256: null,
      };
      const head = isStorageEvent(event) ? headOf(event, entry, known.head) : null;
      if ((await ledger.record(place, entry, head, known.version)) === 'recorded') return { entry, judged };
    }
    throw new TransientError(
      'ledger-contended',
      `The ledger row of ${subjectOf(event)} changed ${MAX_LOOKS} times while it was being written`,
    );
  }

  return {
    async takeEvent(event, starter, log, arrival = FROM_QUEUE) {
      const { entry, judged } = await record(event, arrival, (head) => judgeFile(deps, catalog, event, head, arrival.chain));
      log.info(`${event.path}: ${judged ? '' : 'redelivered, '}${entry.verdict.kind} (${entry.verdict.rule})`);
      // A crash between verdict and start leaves an entry without its instance: the same start again is harmless.
      if (waitsForStart(entry)) await startFile(deps, catalog, event, entry, starter);
      else if (judged) await hintHandOver(deps, entry, starter);
      return entry;
    },

    async takeSignal(event, starter, log, arrival = { ...FROM_QUEUE, foundBy: 'timer' }) {
      const { entry, judged } = await record(event, arrival, () => judgeSignal(deps, catalog, event, arrival.chain));
      log.info(`${subjectOf(event)}: ${judged ? '' : 'redelivered, '}${entry.verdict.kind} (${entry.verdict.rule})`);
      const effect = judged?.effect ?? (await judgeSignal(deps, catalog, event, arrival.chain)).effect;
      if (entry.verdict.kind !== 'accepted') return { entry, effect: { kind: 'nothing' } };
      await startSignal(deps, catalog, event, entry, effect, starter);
      return { entry, effect };
    },

    async replay(id, starter, log) {
      const entry = await ledger.find(id);
      if (!entry?.event) throw new RejectedError('entry-unknown', `The ledger has no event ${id.slice(0, 60)} that could be judged again`);
      if (!HELD.has(entry.verdict.kind) || entry.runId !== null) {
        const detail = `${id} is ${entry.verdict.kind} (${entry.verdict.rule}): only what was held back is judged again`;
        throw new UserError(409, 'replay-not-held', detail);
      }
      const { event } = entry;
      const place = placeOfEvent(event);
      const seen = (await ledger.look(place, id)).head;
      // It may have become the head before it was held: it is not its own duplicate.
      const head = seen?.entryId === id ? null : seen;
      // A person has looked at the chain: it does not hold the event back a second time.
      const judged: JudgedEvent & { effect?: SignalEffect } = isStorageEvent(event)
        ? await judgeFile(deps, catalog, event, head, [])
        : await judgeSignal(deps, catalog, event, []);
      const again: LedgerEntry = {
        ...entry,
        verdict: judged.verdict,
        pipeline: judged.pipeline,
        instanceId: judged.instanceId && nextInstance(entry.instanceId, judged.instanceId),
      };
      await ledger.amend(place, id, {
        verdict: again.verdict,
        pipeline: again.pipeline,
        instanceId: again.instanceId,
        foundBy: 'replay',
        head: isStorageEvent(event) ? headOf(event, again, head) : null,
      });
      if (!isStorageEvent(event)) {
        if (again.verdict.kind === 'accepted' && judged.effect) await startSignal(deps, catalog, event, again, judged.effect, starter);
        return (await ledger.find(id)) ?? again;
      }
      log.info(`${event.path}: replayed, ${judged.verdict.kind} (${judged.verdict.rule})`);
      if (waitsForStart(again)) await startFile(deps, catalog, event, again, starter);
      return (await ledger.find(id)) ?? again;
    },
  };
}

/** The story of a held event may have been told to the point where it was held: then it is told anew. */
function nextInstance(before: string | null, first: string): string {
  const attempt = Number(/-a([0-9]+)$/.exec(before ?? '')?.[1] ?? 0) + 1;
  return first.replace(/-a1$/, `-a${attempt}`);
}

function waitsForStart({ verdict, instanceId, runId }: LedgerEntry): boolean {
  const isTaken = verdict.kind === 'accepted' || (verdict.kind === 'incomplete' && verdict.rule === 'collecting');
  return isTaken && instanceId !== null && runId === null;
}

/** The head that an entry brings: its version when it was taken, or what another event now tells of the known one. */
function headOf(event: StorageEvent, entry: LedgerEntry, known: LedgerHead | null): LedgerHead | null {
  const { verdict } = entry;
  if (verdict.kind === 'accepted' || verdict.kind === 'incomplete') {
    return { eTag: event.eTag, sequencer: event.sequencer, sha256: null, entryId: entry.entryId };
  }
  // A listing knew no sequencer; the event that was late after all brings it.
  const brings = verdict.kind === 'duplicate' && known?.sequencer === '' && known.eTag === event.eTag && event.sequencer !== '';
  return brings ? { ...known, sequencer: event.sequencer } : null;
}
