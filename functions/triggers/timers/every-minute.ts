// The one clock of the product: each minute it looks which times have come for which pipeline and hands them to the intake as signals.
// Ids of signals are derived from what they speak of, so that two ticks at once, or one twice, raise the same event; the time up to
// which a pipeline was dealt with moves on only after its signals were taken.
import type { InvocationContext } from '@azure/functions';
import type { SignalEvent } from '../../../shared/contracts/events.ts';
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { PipelineVitals } from '../../../shared/contracts/vitals.ts';
import { dueSignals } from '../../../shared/decisions/due.ts';
import { afterTick, isStanding, withSigns } from '../../../shared/decisions/vitals.ts';
import { RejectedError, TransientError } from '../../../shared/errors/errors.ts';
import type { Announcer } from '../../../shared/ports/platform.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Ledger, PipelineRegistry, RunStore } from '../../../shared/ports/stores.ts';
import type { VitalsStore } from '../../../shared/ports/vitals.ts';
import type { Intake } from '../intake.ts';
import { readSigns } from './signs.ts';

export interface TickDeps {
  pipelines: Pick<PipelineRegistry, 'list' | 'version'>;
  ledger: Pick<Ledger, 'arrivals'>;
  runs: Pick<RunStore, 'list' | 'get'>;
  vitals: VitalsStore;
  intake: Pick<Intake, 'takeSignal'>;
  announcer: Announcer;
  now: () => Date;
}

type Log = Pick<InvocationContext, 'info' | 'warn' | 'error'>;

/** Pipelines that are dealt with side by side. */
const WIDTH = 8;

/** One tick: when it is, and whether all arrivals and all runs were read. */
interface Tick {
  now: string;
  starter: Starter;
  log: Log;
  events: boolean;
  runs: boolean;
}

interface Listed {
  name: string;
  digest: string;
  updatedAt: string;
}

/** One tick. What failed for one pipeline is tried again in the next minute and does not keep the others waiting. */
export function everyMinute(deps: TickDeps) {
  const versions = new Map<string, PipelineVersion>();

  async function versionOf({ name, digest }: Listed): Promise<PipelineVersion> {
    const version = versions.get(digest) ?? (await deps.pipelines.version(name, digest));
    if (!version) throw new TransientError('pipeline-gone', `Version ${digest.slice(0, 12)} of pipeline ${name} cannot be read now`);
    versions.set(digest, version);
    return version;
  }

  return async (starter: Starter, log: Log): Promise<void> => {
    const now = deps.now().toISOString();
    const listed = await deps.pipelines.list();
    for (const digest of versions.keys()) if (!listed.some((one) => one.digest === digest)) versions.delete(digest);

    // Without the signs of what came and was done, times of the calendar are raised all the same; only what rests on them waits.
    const known = await writeSigns(listed, now).catch((error: unknown) => {
      log.error(`What came since the last tick could not be read: ${wordsOf(error)}`);
      return null;
    });
    const vitals = new Map((await deps.vitals.list()).map((one) => [one.pipeline, one]));
    const failed: string[] = [];
    const deal = async (pipeline: Listed): Promise<void> => {
      try {
        const stored = vitals.get(pipeline.name) ?? withSigns(null, met(pipeline), {});
        const tick: Tick = { now, starter, log, events: known?.events ?? false, runs: known?.runs ?? false };
        await raise(stored, await versionOf(pipeline), tick);
      } catch (error) {
        failed.push(pipeline.name);
        log.error(`The times of ${pipeline.name} could not be dealt with and come again in a minute: ${wordsOf(error)}`);
      }
    };
    for (let start = 0; start < listed.length; start += WIDTH) await Promise.all(listed.slice(start, start + WIDTH).map(deal));
    if (failed.length > 0 || !known) {
      const what = failed.length > 0 ? `the times of ${failed.slice(0, 10).join(', ')}` : 'what came since the last tick';
      throw new TransientError('tick-incomplete', `This tick did not deal with ${what}; the next one does it again`);
    }
  };

  /** Writes down what came and was done since the last tick; the bookmark moves on when all of it is written. */
  async function writeSigns(listed: readonly Listed[], now: string): Promise<{ events: boolean; runs: boolean }> {
    const { signs, eventsRead, runsRead, watch } = await readSigns(deps, now);
    const written = new Set((await deps.vitals.list()).map(({ pipeline }) => pipeline));
    const news = listed.filter(({ name }) => signs.has(name) || !written.has(name));
    for (const pipeline of news) {
      await deps.vitals.update(pipeline.name, (before) => withSigns(before, met(pipeline), signs.get(pipeline.name) ?? {}));
    }
    await deps.vitals.setWatch(watch);
    return { events: eventsRead, runs: runsRead };
  }

  /** Hands over what is due, then moves the pipeline's time on. */
  async function raise(vitals: PipelineVitals, { spec }: PipelineVersion, tick: Tick): Promise<void> {
    const { schedule, freshness } = spec;
    const rules = { schedule, freshness };
    const raised: string[] = [];
    let done = true;
    for (const signal of dueSignals(vitals, rules, tick.now)) {
      const wasRaised = isStanding(signal) && vitals.raised.includes(signal.id);
      if (!wasRaised && !isCertain(signal, tick)) {
        done = false;
        continue;
      }
      if (!wasRaised) await take(signal, tick);
      if (isStanding(signal)) raised.push(signal.id);
    }
    await deps.vitals.update(vitals.pipeline, (stored) => afterTick(stored ?? vitals, rules, { now: tick.now, raised, done }));
  }

  async function take(signal: SignalEvent, { now, starter, log }: Tick): Promise<void> {
    const { entry } = await deps.intake.takeSignal(signal, starter, log, { foundBy: 'timer', chain: [] });
    if (signal.kind !== 'freshness' || entry.verdict.kind !== 'accepted') return;
    const { by, zone, lastDataset } = signal.data;
    try {
      await deps.announcer.publish({
        // The entry's id: whoever is told twice can see that it is one alert.
        id: `${entry.entryId}/dataset.late`,
        type: 'dataset.late',
        subject: `/pipelines/${signal.subject}`,
        at: now,
        data: { deadline: signal.time, by, zone, lastDataset, reason: entry.verdict.reason },
      });
    } catch (error) {
      // A topic that will never take it must not hold the pipeline's clock; the ledger and `status` say it too.
      if (!(error instanceof RejectedError)) throw error;
      log.error(`${entry.entryId} was not announced: ${error.code}: ${error.message}`);
    }
  }
}

function met({ name, updatedAt }: Listed): { name: string; registeredAt: string } {
  return { name, registeredAt: updatedAt };
}

/** "Nothing came" and "nothing was done" are only certain when everything that came and was done has been read. */
function isCertain({ kind }: SignalEvent, { events, runs }: Pick<Tick, 'events' | 'runs'>): boolean {
  if (kind === 'absent') return events;
  return kind === 'no-training' || kind === 'freshness' ? runs : true;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 1000) : String(error);
}
