// The clock: what it reads, what it remembers, and what it does when a part of the platform is away.
import { describe, expect, test } from 'vitest';
import { everyMinute } from '../../../../functions/triggers/timers/every-minute.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import type { LedgerEntry, SignalEvent } from '../../../../shared/contracts/events.ts';
import { Freshness, Schedule } from '../../../../shared/contracts/pipeline.ts';
import type { PipelineVersion } from '../../../../shared/contracts/pipeline.ts';
import type { Run } from '../../../../shared/contracts/runs.ts';
import { jitterSeconds } from '../../../../shared/decisions/due.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import { digest, entryOf, placeOf, runOf } from '../../../contracts/samples.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const START = Date.parse('2026-03-02T00:00:00.000Z');
const minutes = (number: number): string => new Date(START + number * 60_000).toISOString();
const starter = { start: async () => 'started' as const, raise: async () => 'sent' as const };

function clock() {
  const stores = createMemoryStores();
  let now = START;
  const taken: SignalEvent[] = [];
  const announced: string[] = [];
  const logged: string[] = [];
  let refuse: (signal: SignalEvent) => Error | null = () => null;
  let topic: Error | null = null;
  const reads = { arrivals: 0, runs: 0 };
  const deps = {
    ...stores,
    ledger: {
      ...stores.ledger,
      arrivals: (limit: number, after?: string) => ((reads.arrivals += 1), stores.ledger.arrivals(limit, after)),
    },
    runs: {
      ...stores.runs,
      list: (filter: object, limit: number, after?: string) => ((reads.runs += 1), stores.runs.list(filter, limit, after)),
    },
    intake: {
      takeSignal: async (event: SignalEvent) => {
        const error = refuse(event);
        if (error) throw error;
        taken.push(event);
        const verdict: LedgerEntry['verdict'] = { kind: 'accepted', rule: 'signal', reason: 'it came', evidence: {} };
        return { entry: { ...entryOf(placeOf('x'), event.id), event, verdict }, effect: { kind: 'nothing' as const } };
      },
    },
    announcer: {
      publish: async ({ id }: { id: string }) => {
        if (topic) throw topic;
        announced.push(id);
      },
    },
    now: () => new Date(now),
  };
  const log = { info: () => undefined, warn: () => undefined, error: (text: string) => void logged.push(text) };
  const tick = everyMinute(deps);
  return {
    ...stores,
    deps,
    taken,
    announced,
    logged,
    reads,
    refuse: (when: typeof refuse) => void (refuse = when),
    topicFails: (error: Error | null) => void (topic = error),
    at: async (minute: number) => {
      now = START + minute * 60_000;
      await tick(starter, log);
    },
    register: async (name: string, spec: Partial<PipelineVersion['spec']>, at = 0) => {
      const { version, bundle } = exampleVersion();
      const own = {
        ...version,
        name,
        digest: digest(`${name} ${JSON.stringify(spec)}`),
        spec: { ...version.spec, pipeline: name, ...spec },
      };
      await stores.pipelines.put(own, bundle, 'ada', minutes(at));
    },
    landed: async (pipeline: string, at: number, kind: LedgerEntry['verdict']['kind'] = 'accepted') => {
      const verdict = { kind, rule: 'r', reason: 'r', evidence: {} };
      const entry = entryOf(placeOf(`bronze/${pipeline}/${at}.csv`), `${pipeline}-${at}`, { pipeline, receivedAt: minutes(at), verdict });
      await stores.ledger.record(placeOf(`bronze/${pipeline}/${at}.csv`), entry, null, null);
    },
    ran: async (story: 'refine' | 'train', pipeline: string, from: number, more: Partial<Run> = {}) =>
      stores.runs.open({ ...runOf(story, `${pipeline} ${from}`, more), pipeline, startedAt: minutes(from) }),
  };
}

const cron = (expression: string, more: object = {}) => ({ schedule: Schedule.parse({ cron: expression, ...more }) });

describe('a tick', () => {
  test('reads when something came, was refined and was trained, also of runs that take longer than a tick', async () => {
    const on = clock();
    await on.register('ble-location', {});
    await on.landed('ble-location', 1);
    await on.landed('ble-location', 2, 'ignored');
    await on.landed('ble-location', 3, 'refused');
    await on.ran('refine', 'ble-location', 1, { status: 'succeeded', finishedAt: minutes(4) });
    const long = await on.ran('train', 'ble-location', 2);
    await on.at(5);
    expect(await on.vitals.list()).toMatchObject([
      {
        pipeline: 'ble-location',
        registeredAt: minutes(0),
        lastTick: minutes(5),
        lastEvent: minutes(1),
        lastDataset: minutes(4),
        lastTraining: null,
      },
    ]);

    await on.at(600);
    expect(await on.vitals.watch()).toMatchObject({ open: [{ pipeline: 'ble-location', runId: long.runId }] });
    await on.runs.patch('ble-location', long.runId, { status: 'succeeded', finishedAt: minutes(601) });
    await on.at(602);

    expect(await on.vitals.list()).toMatchObject([{ lastTraining: minutes(601), lastEvent: minutes(1) }]);
    expect(await on.vitals.watch()).toMatchObject({ open: [] });
  });

  test('reads each arrival about once, however many there were before', async () => {
    const on = clock();
    await on.register('ble-location', {});
    for (let n = 0; n < 1300; n += 1) await on.landed('ble-location', n / 100);
    await on.at(20);
    expect(on.reads.arrivals).toBe(3);

    await on.at(21);
    await on.at(22);

    expect(on.reads.arrivals).toBe(5);
  });

  test('goes on in the next minute where there was more than it reads, and says nothing of silence before', async () => {
    const on = clock();
    await on.register('busy', {});
    await on.register('quiet', { schedule: Schedule.parse({ absent: '1h' }) });
    // Twenty pages of five hundred are read in a tick; the newest come first.
    const arrival = { what: 'file', verdict: 'accepted' } as const;
    const busy = Array.from({ length: 10_100 }, (_, n) => ({
      ...arrival,
      at: minutes(62 + n / 1000),
      entryId: `e-${n}`,
      pipeline: 'busy',
    }));
    const all = [{ ...arrival, at: minutes(61), entryId: 'e-quiet', pipeline: 'quiet' }, ...busy].reverse();
    on.deps.ledger.arrivals = async (limit, after) => {
      const from = Number(after ?? 0);
      return { items: all.slice(from, from + limit), next: from + limit < all.length ? String(from + limit) : null };
    };

    await on.at(80);
    expect(on.taken).toEqual([]);
    expect(await on.vitals.watch()).toMatchObject({ events: { gap: { top: minutes(78) } } });

    await on.at(81);
    expect(on.taken).toEqual([]);
    expect(await on.vitals.list()).toMatchObject([
      { pipeline: 'busy' },
      { pipeline: 'quiet', lastEvent: minutes(61), lastTick: minutes(81) },
    ]);

    await on.at(122);
    expect(on.taken).toMatchObject([{ kind: 'absent', subject: 'quiet', id: `absent/${minutes(61)}` }]);
  });

  test('of one pipeline that fails comes again, and the others are not kept waiting', async () => {
    const on = clock();
    await on.register('one', cron('0 * * * *'));
    await on.register('two', cron('0 * * * *'));
    on.refuse((signal) => (signal.subject === 'one' ? new TransientError('engine-unavailable', 'Durable is away') : null));

    await expect(on.at(60)).rejects.toMatchObject({ code: 'tick-incomplete', message: expect.stringContaining('one') as string });
    expect(on.logged.join()).toContain('Durable is away');
    expect(on.taken.map(({ subject }) => subject)).toEqual(['two']);

    on.refuse(() => null);
    await on.at(61);
    expect(on.taken.map(({ subject, time }) => `${subject} ${time}`)).toEqual([`two ${minutes(60)}`, `one ${minutes(60)}`]);
  });

  test('raises times of the calendar even while the past cannot be read, and nothing that rests on it', async () => {
    const on = clock();
    await on.register('one', { ...cron('0 * * * *', { absent: '30m' }), freshness: Freshness.parse({ by: '00:30' }) });
    on.deps.ledger.arrivals = () => Promise.reject(new RejectedError('record-unreadable', 'half a row'));

    await expect(on.at(60)).rejects.toMatchObject({ code: 'tick-incomplete' });
    expect(on.taken.map(({ kind }) => kind)).toEqual(['schedule']);

    on.deps.ledger.arrivals = (limit, after) => on.ledger.arrivals(limit, after);
    await on.at(61);
    // The hour is raised again under the same id: the ledger knows it.
    expect(on.taken.map(({ kind }) => kind)).toEqual(['schedule', 'schedule', 'absent', 'freshness']);
    expect(on.taken[1]?.id).toBe(on.taken[0]?.id);
  });

  test('keeps an alert until the topic takes it, unless it never will', async () => {
    const on = clock();
    await on.register('one', { freshness: Freshness.parse({ by: '00:30' }) });
    await on.at(1);
    on.topicFails(new TransientError('topic-unavailable', 'away'));
    await expect(on.at(31)).rejects.toMatchObject({ code: 'tick-incomplete' });
    on.topicFails(null);
    await on.at(32);
    await on.at(33);
    expect(on.announced).toHaveLength(1);

    on.topicFails(new RejectedError('topic-forbidden', 'no role'));
    await on.at(31 + 24 * 60);
    on.topicFails(null);
    await on.at(32 + 24 * 60);
    expect(on.announced).toHaveLength(1);
    expect(on.logged.at(-1)).toContain('topic-forbidden');
  });

  test('shows the next time of a schedule, moved by its jitter', async () => {
    const on = clock();
    await on.register('one', cron('0 3 * * *', { jitter: '30m' }));
    await on.register('two', { schedule: Schedule.parse({ extract: { pipeline: 'ingest', cron: '15 1 * * *' } }) });
    await on.register('none', {});

    await on.at(1);

    const jitter = jitterSeconds('one', '30m') / 60;
    expect((await on.vitals.list()).map(({ nextSchedule }) => nextSchedule)).toEqual([null, minutes(180 + jitter), minutes(75)]);
  });

  test('moves a pipeline by its new rules when another version was registered', async () => {
    const on = clock();
    await on.register('one', cron('0 * * * *'));
    await on.at(59);
    await on.register('one', cron('30 * * * *'), 59);

    await on.at(61);
    await on.at(91);

    expect(on.taken.map(({ time }) => time)).toEqual([minutes(90)]);
    expect(await on.vitals.list()).toMatchObject([{ registeredAt: minutes(0) }]);
  });
});
