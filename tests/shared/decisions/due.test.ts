// Times that have come: daylight saving both ways, outages, jitter, and reminders that neither repeat nor fall silent.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Schedule } from '../../../shared/contracts/pipeline/schedule.ts';
import { cronDue, cronNext, dueSignals, freshnessOf, jitterSeconds, type Vitals } from '../../../shared/decisions/due.ts';

const ZONE = 'Europe/Berlin';
const vitals = (change: Partial<Vitals> = {}): Vitals => ({
  pipeline: 'churn',
  registeredAt: '2026-01-01T00:00:00.000Z',
  lastTick: '2026-06-01T11:59:00.000Z',
  lastEvent: '2026-06-01T11:00:00.000Z',
  lastDataset: '2026-06-01T11:00:00.000Z',
  lastTraining: '2026-06-01T11:00:00.000Z',
  ...change,
});
const NOW = '2026-06-01T12:00:00.000Z';

describe('a cron expression', () => {
  test('is due in the minute that it names, in its zone, once', () => {
    expect(cronDue('0 14 * * *', ZONE, '2026-06-01T11:59:00.000Z', NOW)).toBe(NOW);
    expect(cronDue('0 14 * * *', ZONE, NOW, '2026-06-01T12:01:00.000Z')).toBeNull();
    expect(cronDue('0 14 * * *', 'UTC', '2026-06-01T11:59:00.000Z', NOW)).toBeNull();
  });

  test('of a local time that the day lacks comes after the gap', () => {
    expect(cronNext('30 2 * * *', ZONE, '2026-03-28T12:00:00.000Z')).toBe('2026-03-29T01:30:00.000Z');
    expect(cronDue('30 2 * * *', ZONE, '2026-03-29T00:59:00.000Z', '2026-03-29T01:30:00.000Z')).toBe('2026-03-29T01:30:00.000Z');
  });

  test('of a local time that the day has twice comes once', () => {
    expect(cronDue('30 2 * * *', ZONE, '2026-10-25T00:29:00.000Z', '2026-10-25T00:30:00.000Z')).toBe('2026-10-25T00:30:00.000Z');
    expect(cronDue('30 2 * * *', ZONE, '2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z')).toBeNull();
  });

  test('missed during an outage comes once, as the newest', () => {
    expect(cronDue('0 * * * *', 'UTC', '2026-06-01T06:00:30.000Z', NOW)).toBe(NOW);
    expect(cronDue('0 3 * * *', 'UTC', '2026-05-01T00:00:00.000Z', NOW)).toBe('2026-06-01T03:00:00.000Z');
  });

  test('older than a week is no news', () => {
    expect(cronDue('0 0 1 5 *', 'UTC', '2026-04-01T00:00:00.000Z', NOW)).toBeNull();
  });

  test('that never comes has no next time', () => expect(cronNext('0 0 31 2 *', 'UTC', NOW)).toBeNull());

  test('ticked every five minutes over the night that lacks an hour comes exactly once a day, whatever the zone', () => {
    const zones = ['UTC', ZONE, 'America/St_Johns', 'Asia/Tokyo', 'Australia/Lord_Howe'];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), (zone, hour, minute) => {
        const expression = `${minute} ${hour} * * *`;
        const found: string[] = [];
        let last = '2026-03-27T00:00:00.000Z';
        for (let at = Date.parse(last); at < Date.parse('2026-03-31T00:00:00.000Z'); at += 300_000) {
          const now = new Date(at).toISOString();
          const due = cronDue(expression, zone, last, now);
          if (due !== null) found.push(due);
          last = now;
        }
        expect(new Set(found).size).toBe(found.length);
        // Four days of UTC, ticked to five minutes before their end, hold three full days of any zone and touch five at most.
        const days = found.map((at) => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(new Date(at)));
        expect(new Set(days).size).toBe(found.length);
        expect([3, 4, 5]).toContain(found.length);
      }),
      { numRuns: 10 },
    );
  });
});

describe('a tick', () => {
  test('raises a schedule once: the same tick again has the same ids', () => {
    const rules = { schedule: Schedule.parse({ cron: '0 14 * * *', zone: ZONE }) };
    const signals = dueSignals(vitals(), rules, NOW);

    expect(signals).toMatchObject([{ kind: 'schedule', id: `schedule/${NOW}`, subject: 'churn', time: NOW }]);
    expect(dueSignals(vitals(), rules, '2026-06-01T12:00:30.000Z').map(({ id }) => id)).toEqual(signals.map(({ id }) => id));
    expect(dueSignals(vitals({ lastTick: NOW }), rules, '2026-06-01T12:01:00.000Z')).toEqual([]);
  });

  test('moves a schedule by the pipeline’s own jitter, never beyond it', () => {
    const jitter = jitterSeconds('churn', '30m');
    const rules = { schedule: Schedule.parse({ cron: '0 12 * * *', jitter: '30m' }) };
    const at = new Date(Date.parse(NOW) + jitter * 1000);

    expect(jitter).toBeGreaterThan(0);
    expect(jitter).toBeLessThanOrEqual(1800);
    expect(dueSignals(vitals({ lastTick: NOW }), rules, new Date(at.getTime() - 1000).toISOString())).toEqual([]);
    expect(dueSignals(vitals({ lastTick: NOW }), rules, at.toISOString())).toMatchObject([
      { id: `schedule/${NOW}`, time: at.toISOString() },
    ]);
    expect(new Set(['a', 'b', 'c', 'd'].map((name) => jitterSeconds(name, '30m'))).size).toBeGreaterThan(1);
  });

  test('reminds of a training that is missing once for each period, also where there was none yet', () => {
    const rules = { schedule: Schedule.parse({ noTrainingFor: '7d' }) };
    const id = (lastTraining: string | null, now: string) => dueSignals(vitals({ lastTraining }), rules, now).map((signal) => signal.id);

    expect(id('2026-06-01T12:00:00.000Z', '2026-06-08T11:59:00.000Z')).toEqual([]);
    expect(id('2026-06-01T12:00:00.000Z', '2026-06-08T12:00:00.000Z')).toEqual(['no-training/2026-06-01T12:00:00.000Z/1']);
    expect(id('2026-06-01T12:00:00.000Z', '2026-06-14T12:00:00.000Z')).toEqual(['no-training/2026-06-01T12:00:00.000Z/1']);
    expect(id('2026-06-01T12:00:00.000Z', '2026-06-15T12:00:00.000Z')).toEqual(['no-training/2026-06-01T12:00:00.000Z/2']);
    expect(id(null, '2026-01-08T00:00:00.000Z')).toEqual(['no-training/2026-01-01T00:00:00.000Z/1']);
  });

  test('speaks of one absence once', () => {
    const rules = { schedule: Schedule.parse({ absent: '2h' }) };
    const raised = (now: string) => dueSignals(vitals({ lastEvent: '2026-06-01T10:00:00.000Z' }), rules, now).map(({ id }) => id);

    expect(raised('2026-06-01T11:59:59.000Z')).toEqual([]);
    expect(raised(NOW)).toEqual(['absent/2026-06-01T10:00:00.000Z']);
    expect(raised('2026-06-03T12:00:00.000Z')).toEqual(raised(NOW));
  });

  test('raises an alert at a freshness deadline without a dataset, and none where there is one', () => {
    const rules = { freshness: { by: '06:00', zone: ZONE, days: 'every-day' as const } };
    const tick = { lastTick: '2026-06-02T03:59:00.000Z' };
    const deadline = '2026-06-02T04:00:00.000Z';

    expect(dueSignals(vitals({ ...tick, lastDataset: '2026-06-01T03:30:00.000Z' }), rules, deadline)).toMatchObject([
      { kind: 'freshness', id: `freshness/${deadline}`, data: { by: '06:00', lastDataset: '2026-06-01T03:30:00.000Z' } },
    ]);
    expect(dueSignals(vitals({ ...tick, lastDataset: '2026-06-01T04:30:00.000Z' }), rules, deadline)).toEqual([]);
    expect(dueSignals(vitals({ ...tick, lastDataset: null }), rules, deadline)).toHaveLength(1);
  });

  test('does not ask for Saturday’s data where only weekdays count', () => {
    const rules = { by: '06:00', zone: 'UTC', days: 'weekdays' as const };

    expect(freshnessOf(rules, '2026-06-05T05:00:00.000Z', '2026-06-07T12:00:00.000Z')).toEqual({
      deadline: '2026-06-05T06:00:00.000Z',
      met: true,
    });
    expect(freshnessOf(rules, '2026-06-05T05:00:00.000Z', '2026-06-08T06:00:00.000Z')).toEqual({
      deadline: '2026-06-08T06:00:00.000Z',
      met: false,
    });
  });

  test('raises an extraction on its own schedule', () => {
    const rules = { schedule: Schedule.parse({ extract: { pipeline: 'erp-to-bronze', cron: '0 12 * * *' } }) };

    expect(dueSignals(vitals(), rules, NOW)).toMatchObject([{ id: `schedule/extract/${NOW}`, data: { extract: 'erp-to-bronze' } }]);
  });
});
