// What every implementation of the port `VitalsStore` must do; run against memory and against tables.
import { expect, it } from 'vitest';
import type { PipelineVitals, Watch } from '../../shared/contracts/vitals.ts';
import type { VitalsStore } from '../../shared/ports/vitals.ts';
import { minute, runIdOf } from './samples.ts';

export const vitalsOf = (pipeline: string, more: Partial<PipelineVitals> = {}): PipelineVitals => ({
  pipeline,
  registeredAt: minute(0),
  lastTick: null,
  lastEvent: null,
  lastDataset: null,
  lastTraining: null,
  freshness: null,
  raised: [],
  nextSchedule: null,
  ...more,
});

export function vitalsSuite(make: () => Promise<VitalsStore>): void {
  it('knows no pipeline and no bookmark before something was written', async () => {
    const vitals = await make();

    expect(await vitals.list()).toEqual([]);
    expect([await vitals.watch(), await vitals.reconciling(), await vitals.retaining()]).toEqual([null, null, null]);
  });

  it('lists pipelines by name, as they were changed last', async () => {
    const vitals = await make();
    await vitals.update('wine', () => vitalsOf('wine'));
    await vitals.update('ble-location', () => vitalsOf('ble-location', { freshness: { deadline: minute(1), met: false } }));

    const after = await vitals.update('wine', (before) => ({ ...(before ?? vitalsOf('x')), lastTick: minute(2) }));

    expect(after).toEqual(vitalsOf('wine', { lastTick: minute(2) }));
    expect(await vitals.list()).toEqual([vitalsOf('ble-location', { freshness: { deadline: minute(1), met: false } }), after]);
  });

  it('loses no change of 12 writers at once', async () => {
    const vitals = await make();
    const later = (before: PipelineVitals | null) => {
      const known = before ?? vitalsOf('wine', { lastTick: minute(0) });
      return { ...known, lastTick: new Date(Date.parse(known.lastTick ?? '') + 60_000).toISOString() };
    };

    await Promise.all(Array.from({ length: 12 }, () => vitals.update('wine', later)));

    expect(await vitals.list()).toEqual([vitalsOf('wine', { lastTick: minute(12) })]);
  });

  it('leaves what a change gave back as it was', async () => {
    const vitals = await make();
    await vitals.update('wine', () => vitalsOf('wine'));

    expect(await vitals.update('wine', (before) => before ?? vitalsOf('other'))).toEqual(vitalsOf('wine'));
    expect(await vitals.list()).toEqual([vitalsOf('wine')]);
  });

  it('keeps the newest of each bookmark', async () => {
    const vitals = await make();
    const watch: Watch = {
      events: { until: minute(1), gap: { next: 'opaque', top: minute(3) } },
      runs: { until: null, gap: null },
      open: [{ pipeline: 'wine', runId: runIdOf('train', 'wine', 'a'.repeat(64)) }],
    };
    const pass = { startedAt: minute(0), listed: 3, found: 1, folder: 'bronze/wine/', continuation: 'ü%2' };
    await vitals.setWatch({ ...watch, open: [] });
    await vitals.setWatch(watch);
    await vitals.setReconciling({ pass, last: null });
    const removed = { startedAt: minute(0), tables: 3, files: 2, bytes: 9, failed: ['wine'] };
    const retaining = { pass: { ...removed, after: 'ble-location' }, last: { ...removed, finishedAt: minute(1) } };
    await vitals.setRetaining(retaining);

    expect(await vitals.watch()).toEqual(watch);
    expect(await vitals.reconciling()).toEqual({ pass, last: null });
    expect(await vitals.retaining()).toEqual(retaining);
    expect(await vitals.list()).toEqual([]);
  });
}
