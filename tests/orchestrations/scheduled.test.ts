// Runs that no file started, from the tick of the clock to the end of the story: schedules, reminders, silence and deadlines.
import { describe, expect, test } from 'vitest';
import { everyMinute } from '../../functions/triggers/timers/every-minute.ts';
import { Freshness, type Pipeline, Schedule } from '../../shared/contracts/pipeline.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { PIPELINE, START } from '../support/story-host.ts';

const bench = storyBench();
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const scheduled = (schedule: Parameters<typeof Schedule.parse>[0], freshness?: Parameters<typeof Freshness.parse>[0]) => ({
  edit: (spec: Pipeline) => {
    spec.schedule = Schedule.parse(schedule);
    if (freshness !== undefined) spec.freshness = Freshness.parse(freshness);
  },
});

/** One tick of the clock, as the host would call it. */
function clockOf({ world, intake, starter }: Bench): () => Promise<void> {
  const tick = everyMinute({ ...world, intake, now: () => new Date(world.now()) });
  return () => tick(starter, log);
}

const signalsOf = async ({ world }: Bench) =>
  (await world.ledger.recent(100)).items.filter(({ event }) => event !== null && 'subject' in event);
const at = (hours: number, minutes = 0): Date => new Date(START.getTime() + (hours * 60 + minutes) * 60_000);

/** Lets all stories that signals started come to their end. */
async function finishAll(on: Bench): Promise<void> {
  for (const { instanceId } of await signalsOf(on)) if (instanceId !== null) await on.host.finished(instanceId);
}

describe('a scheduled time', () => {
  test('on gold that was trained on already says so and, by policy, trains nothing', async () => {
    const on = await bench(scheduled({ cron: '0 3 * * *' }));
    const tick = clockOf(on);
    const { train } = await on.story();
    await on.host.jumpTo(at(2, 59));
    await tick();
    expect(await signalsOf(on)).toEqual([]);

    await on.host.jumpTo(at(3));
    await tick();
    await finishAll(on);

    const [entry, ...others] = await signalsOf(on);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      foundBy: 'timer',
      event: { kind: 'schedule', time: at(3).toISOString() },
      verdict: { kind: 'duplicate', rule: 'unchanged-gold', evidence: { run: train?.runId } },
      runId: train?.runId,
    });
    expect(entry?.verdict.reason).toMatch(/^Gold is as it was \(.* version 0\): train-.* has this work already/);
    expect(await on.world.runsOf('train')).toHaveLength(1);
  });

  test('trains again on the same gold where the policy says so', async () => {
    const on = await bench(scheduled({ cron: '0 3 * * *', unchanged: 'train' }));
    const tick = clockOf(on);
    const { train } = await on.story();
    await on.host.jumpTo(at(3));

    await tick();
    await finishAll(on);

    const [entry] = await signalsOf(on);
    const trains = await on.world.runsOf('train');
    expect(trains.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
    expect(trains[1]?.runId).not.toBe(train?.runId);
    expect(entry).toMatchObject({ verdict: { kind: 'accepted', rule: 'signal' }, runId: trains[1]?.runId });
    expect(trains[1]?.cause).toEqual({ kind: 'event', ref: entry?.entryId });
  });

  test('raised by two ticks at once, and by one that did not come to its end, is one event and one training', async () => {
    const on = await bench(scheduled({ cron: '0 3 * * *', unchanged: 'train' }));
    await on.story();
    await on.host.jumpTo(at(3));
    const [one, other] = [clockOf(on), clockOf(on)];

    await Promise.all([one(), other()]);
    // The tick died before it moved its time on.
    await on.world.vitals.update(PIPELINE, (before) => ({ ...before!, lastTick: at(2, 59).toISOString() }));
    await one();
    await finishAll(on);

    expect(await signalsOf(on)).toHaveLength(1);
    expect(await on.world.runsOf('train')).toHaveLength(2);
    expect(on.world.callsOf('read-gold')).toHaveLength(1);
  });

  test('missed while nothing ticked comes once, as the newest', async () => {
    const on = await bench(scheduled({ cron: '0 * * * *' }));
    const tick = clockOf(on);
    await tick();
    await on.host.jumpTo(at(5, 30));

    await tick();
    await tick();
    await finishAll(on);

    const [entry, ...others] = await signalsOf(on);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      event: { time: at(5).toISOString() },
      verdict: { kind: 'ignored', rule: 'no-gold' },
    });
  });
});

describe('silence', () => {
  test('for as long as the schedule allows is raised once, and again after the next event', async () => {
    const on = await bench(scheduled({ absent: '6h' }));
    const tick = clockOf(on);
    await on.story();
    for (const hour of [5, 6.5, 7, 12, 20]) {
      await on.host.jumpTo(at(hour));
      await tick();
    }

    const [first, ...none] = await signalsOf(on);
    expect(none).toEqual([]);
    expect(first).toMatchObject({ event: { kind: 'absent' }, deliveries: 1 });

    await on.story('bronze/ble-location/b.csv', 'other rows');
    for (const hour of [21, 25, 27, 30]) {
      await on.host.jumpTo(at(hour));
      await tick();
    }
    expect((await signalsOf(on)).map(({ event }) => event?.time)).toEqual([at(27).toISOString(), at(6.5).toISOString()]);
  });

  test('of training is a reminder in every period', async () => {
    const on = await bench(scheduled({ noTrainingFor: '2d' }));
    const tick = clockOf(on);
    await on.story();
    for (const day of [1, 1.9, 2.1, 2.5, 3.9, 4.1, 5]) {
      await on.host.jumpTo(at(day * 24));
      await tick();
    }
    await finishAll(on);

    const reminders = await signalsOf(on);
    expect(reminders.map(({ event, verdict }) => [event?.time, verdict.rule])).toEqual([
      [at(4.1 * 24).toISOString(), 'unchanged-gold'],
      [at(2.1 * 24).toISOString(), 'unchanged-gold'],
    ]);
    expect(reminders.map(({ deliveries }) => deliveries)).toEqual([1, 1]);
  });
});

describe('freshness', () => {
  test('that was missed is announced, and the vitals say so until the next deadline is met', async () => {
    const on = await bench(scheduled({}, { by: '06:00' }));
    const tick = clockOf(on);
    await on.story();
    await on.host.jumpTo(at(6));
    await tick();
    expect(await signalsOf(on)).toEqual([]);
    expect(await on.world.vitals.list()).toMatchObject([{ freshness: { deadline: at(6).toISOString(), met: true } }]);

    await on.host.jumpTo(at(30));
    await tick();
    await tick();

    const [entry, ...others] = await signalsOf(on);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ verdict: { kind: 'accepted', rule: 'freshness-missed' }, instanceId: null });
    const late = on.world.announced.filter(({ type }) => type === 'dataset.late');
    expect(late).toEqual([
      {
        id: `${entry?.entryId}/dataset.late`,
        type: 'dataset.late',
        subject: `/pipelines/${PIPELINE}`,
        at: at(30).toISOString(),
        data: expect.objectContaining({ deadline: at(30).toISOString(), by: '06:00', zone: 'UTC' }) as unknown,
      },
    ]);
    expect(await on.world.vitals.list()).toMatchObject([{ freshness: { deadline: at(30).toISOString(), met: false } }]);

    await on.host.jumpTo(at(30, 5));
    await on.story('bronze/ble-location/b.csv', 'other rows');
    await on.host.jumpTo(at(54));
    await tick();
    expect(await on.world.vitals.list()).toMatchObject([{ freshness: { deadline: at(54).toISOString(), met: true } }]);
    expect(on.world.announced.filter(({ type }) => type === 'dataset.late')).toHaveLength(1);
  });
});
