// Lost events are found: through the real intake over stores in memory, in pages and parts of any size, with commits of Delta tables,
// and with a tenth of all events gone.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createIntake, type Intake } from '../../../../functions/triggers/intake.ts';
import { reconciler } from '../../../../functions/triggers/timers/reconcile.ts';
import { createMemoryListing } from '../../../../shared/adapters/memory/listing.ts';
import { createMemoryStores } from '../../../../shared/adapters/memory/stores.ts';
import type { StorageEvent } from '../../../../shared/contracts/events.ts';
import type { Pipeline } from '../../../../shared/contracts/pipeline.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';
import type { Starter } from '../../../../shared/ports/starter.ts';
import { vitalsOf } from '../../../contracts/vitals.suite.ts';
import { exampleVersion } from '../../../support/example-pipeline.ts';

const LAKE = { account: 'lake', container: 'data' };
const FOLDER = 'bronze/ble-location/';
const START = Date.parse('2026-03-02T00:00:00.000Z');
const quiet = { info: () => undefined, warn: () => undefined };

/** A lake whose files are written with or without anybody being told; stories find out whether the version is still there. */
async function lake(edit: (spec: Pipeline) => void = () => undefined) {
  const stores = createMemoryStores();
  const listing = createMemoryListing(LAKE);
  const { version, bundle } = exampleVersion();
  edit(version.spec);
  await stores.pipelines.put(version, bundle, 'ada', new Date(START).toISOString());
  const eTags = new Map<string, string>();
  const started: string[] = [];
  const starter: Starter = {
    start: async (story, id, input) => {
      if (started.includes(id)) return 'exists';
      started.push(id);
      const { path, eTag, entryId } = input as { path: string; eTag: string; entryId: string };
      if (story === 'land' && eTags.get(path) !== eTag) {
        const verdict = { kind: 'superseded', rule: 'blob-changed', reason: 'replaced', evidence: {} } as const;
        await stores.ledger.amend({ ...LAKE, path }, entryId, { verdict, withdraw: true });
      }
      return 'started';
    },
    raise: async () => 'nobody',
  };
  const at = { now: START, writes: 0, pages: 0 };
  const now = () => new Date(at.now);
  const policy = { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 };
  const readCommit: Parameters<typeof createIntake>[0]['readCommit'] = async (_container, path) => ({
    version: Number(/([0-9]{20})\.json$/.exec(path)?.[1]),
    operation: 'WRITE',
    appIds: [],
    chain: [],
    runId: null,
    changesData: true,
  });
  const intake = createIntake({ ...stores, lake: LAKE, readCommit, policy, now });
  const counted: typeof listing = { ...listing, page: (request) => ((at.pages += 1), listing.page(request)) };
  const deps = { ...stores, listing: counted, intake: intake as Pick<Intake, 'takeEvent'>, now };
  const reconcile = reconciler(deps);

  /** Writes a file; gives the event that would be sent. */
  function write(path: string, bytes = 10): StorageEvent {
    at.writes += 1;
    const eTag = `0x${at.writes}`;
    const time = now().toISOString();
    eTags.set(path, eTag);
    listing.put(path, { eTag, bytes, lastModified: time });
    const sequencer = String(at.writes).padStart(16, '0');
    return { source: '/lake', id: `event-${at.writes}`, kind: 'created', api: 'PutBlob', ...LAKE, path, eTag, sequencer, bytes, time };
  }

  return {
    stores,
    deps,
    at,
    started,
    write,
    deliver: (event: StorageEvent) => intake.takeEvent(event, starter, quiet),
    reconcile: (limits: Parameters<typeof reconcile>[2] = { graceSeconds: 0 }) => reconcile(starter, quiet, limits),
    entries: async (path: string) => stores.ledger.ofBlob({ ...LAKE, path }),
    heads: async () => {
      const paths = [...eTags.keys()].sort();
      const known = await stores.ledger.known(paths.map((path) => ({ ...LAKE, path })));
      return paths.map((path, index) => [path, known[index]?.head?.eTag, eTags.get(path)]);
    },
  };
}

describe('a file whose event was lost', () => {
  test('is found, judged and started; its late event is a duplicate that brings the sequencer', async () => {
    const on = await lake();
    const event = on.write(`${FOLDER}a.csv`);

    const report = await on.reconcile();

    const [found] = await on.entries(event.path);
    expect(found).toMatchObject({ foundBy: 'reconciler', pipeline: 'ble-location', verdict: { kind: 'accepted' } });
    expect(report).toEqual({ complete: true, listed: 1, found: [found?.entryId], lost: 1 });
    expect(on.started).toHaveLength(1);

    expect((await on.deliver(event)).verdict).toMatchObject({ kind: 'duplicate', rule: 'same-etag' });
    expect(on.started).toHaveLength(1);
    expect((await on.stores.ledger.known([event]))[0]?.head).toMatchObject({ sequencer: event.sequencer });
  });

  test('is found once by two passes at once, and not again by later ones', async () => {
    const on = await lake();
    for (let n = 0; n < 20; n += 1) on.write(`${FOLDER}${n}.csv`);

    await Promise.all([on.reconcile(), on.reconcile({ graceSeconds: 0, fresh: true })]);
    const later = await on.reconcile();

    expect(later).toMatchObject({ listed: 20, lost: 0 });
    expect(on.started).toHaveLength(20);
    expect((await on.stores.ledger.recent(100)).items).toHaveLength(20);
  });

  test('and was replaced since is a duplicate when its event comes last of all: its story was told', async () => {
    const on = await lake();
    const first = on.write(`${FOLDER}a.csv`);
    await on.reconcile();
    on.at.now += 1000;
    on.write(`${FOLDER}a.csv`);
    await on.reconcile();

    const late = await on.deliver(first);

    expect(late).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-etag' }, instanceId: null });
    expect(late.verdict.evidence['known']).toBe((await on.entries(first.path))[0]?.entryId);
    expect(on.started).toHaveLength(2);
    expect(await on.heads()).toEqual([[first.path, '0x2', '0x2']]);
  });

  test('is not missed while its event may be on its way', async () => {
    const on = await lake();
    on.write(`${FOLDER}a.csv`);
    on.at.now += 299_000;
    expect(await on.reconcile({})).toMatchObject({ listed: 0, lost: 0 });

    on.at.now += 2_000;
    expect(await on.reconcile({})).toMatchObject({ listed: 1, lost: 1 });
  });

  test('that nothing is made of gets its verdict once', async () => {
    const on = await lake();
    for (const name of ['_tmp.csv', 'empty.csv']) on.write(FOLDER + name, name === 'empty.csv' ? 0 : 10);
    await on.reconcile();

    expect(await on.reconcile()).toMatchObject({ listed: 2, lost: 0 });
    expect((await on.stores.ledger.recent(10)).items.map(({ verdict }) => verdict.rule).sort()).toEqual(['empty-file', 'temporary-name']);
    expect(on.started).toEqual([]);
  });
});

describe('a pass', () => {
  test('goes on in the next tick where it stopped, and begins anew when it is done', async () => {
    const on = await lake();
    for (let n = 0; n < 10; n += 1) on.write(`${FOLDER}${n}.csv`);
    const part = { graceSeconds: 0, pages: 1, pageSize: 4 };

    const parts = [await on.reconcile(part), await on.reconcile(part), await on.reconcile(part)];
    expect(parts.map(({ listed, complete }) => [listed, complete])).toEqual([
      [4, false],
      [4, false],
      [2, false],
    ]);
    expect(await on.stores.vitals.reconciling()).toMatchObject({ pass: { listed: 10, found: 10 }, last: null });

    // Two logs of tables are left.
    await on.reconcile(part);
    expect((await on.reconcile(part)).complete).toBe(true);
    const startedAt = new Date(START).toISOString();
    expect(await on.stores.vitals.reconciling()).toEqual({ pass: null, last: { startedAt, listed: 10, found: 10, finishedAt: startedAt } });
    expect((await on.reconcile(part)).listed).toBe(4);
  });

  test('begins no page when its time is over', async () => {
    const on = await lake();
    for (let n = 0; n < 10; n += 1) on.write(`${FOLDER}${n}.csv`);
    const { listing } = on.deps;
    on.deps.listing = { ...listing, page: async (request) => ((on.at.now += 1000), listing.page(request)) };

    const { listed, complete } = await on.reconcile({ graceSeconds: 0, pageSize: 2, ms: 2500 });

    expect([listed, complete]).toEqual([6, false]);
  });

  test('that somebody asks for begins at the beginning and leaves the bookmark alone', async () => {
    const on = await lake();
    for (let n = 0; n < 10; n += 1) on.write(`${FOLDER}${n}.csv`);
    await on.reconcile({ graceSeconds: 0, pages: 2, pageSize: 4 });
    const bookmark = await on.stores.vitals.reconciling();
    on.write(`${FOLDER}0.csv`);

    const report = await on.reconcile({ fresh: true, graceSeconds: 0 });

    expect(report).toMatchObject({ complete: true, listed: 10, lost: 3 });
    expect(await on.stores.vitals.reconciling()).toEqual(bookmark);
  });

  test('of which the intake fails is done again from that page', async () => {
    const on = await lake();
    for (let n = 0; n < 6; n += 1) on.write(`${FOLDER}${n}.csv`);
    const { intake } = on.deps;
    on.deps.intake = {
      takeEvent: (event, ...rest) =>
        event.path.endsWith('4.csv') ? Promise.reject(new TransientError('engine-unavailable', 'away')) : intake.takeEvent(event, ...rest),
    };
    await expect(on.reconcile({ graceSeconds: 0, pageSize: 3 })).rejects.toMatchObject({ code: 'engine-unavailable' });
    expect(await on.stores.vitals.reconciling()).toMatchObject({ pass: { listed: 3, folder: FOLDER } });

    on.deps.intake = intake;
    expect(await on.reconcile({ graceSeconds: 0, pageSize: 3 })).toMatchObject({ complete: true, lost: 1 });
    expect(on.started).toHaveLength(6);
  });

  test('whose place storage has forgotten begins the folder again', async () => {
    const on = await lake();
    for (let n = 0; n < 5; n += 1) on.write(`${FOLDER}${n}.csv`);
    await on.reconcile({ graceSeconds: 0, pages: 1, pageSize: 2 });
    const { listing } = on.deps;
    on.deps.listing = {
      ...listing,
      page: (request) =>
        request.continuation?.endsWith('1.csv') ? Promise.reject(new RejectedError('listing-expired', 'old')) : listing.page(request),
    };

    expect(await on.reconcile({ graceSeconds: 0, pageSize: 5 })).toMatchObject({ complete: true, listed: 5, lost: 3 });
  });

  test('goes on with the next folder when its own is no landing folder any more', async () => {
    const on = await lake();
    await on.stores.vitals.setReconciling({
      pass: { startedAt: new Date(START).toISOString(), listed: 1, found: 0, folder: 'bronze/a/', continuation: 'after bronze/a/x' },
      last: null,
    });
    on.write(`${FOLDER}a.csv`);

    expect(await on.reconcile()).toMatchObject({ complete: true, lost: 1 });
  });
});

describe('commits of Delta tables', () => {
  const log = (root: string, version: number) => `${root}_delta_log/${String(version).padStart(20, '0')}.json`;

  test('somebody else made are found in gold and silver; other files of the log are none', async () => {
    const on = await lake();
    const { silver, gold } = exampleVersion().version.spec.tables;
    const roots = [`silver/ble-location/${silver.name}/`, `gold/ble-location/${gold.name}/`];
    for (const root of roots) {
      on.write(log(root, 3));
      on.write(`${root}_delta_log/00000000000000000003.checkpoint.parquet`);
      on.write(`${root}_delta_log/_last_checkpoint`);
      on.write(`${root}part-0.parquet`);
    }

    expect(await on.reconcile()).toMatchObject({ listed: 2, lost: 2 });

    expect(on.started.every((id) => id.startsWith('adopt-ble-location-'))).toBe(true);
    expect(on.started).toHaveLength(2);
    expect(await on.reconcile()).toMatchObject({ listed: 2, lost: 0 });
  });

  test('made before the pipeline was registered are history, not lost events', async () => {
    const on = await lake((spec) => {
      spec.sources = spec.sources.map((source) => ({ ...source, format: 'delta' }));
    });
    on.write(log(FOLDER, 0));
    on.at.now += 60_000;
    await on.stores.vitals.update('ble-location', () => vitalsOf('ble-location', { registeredAt: new Date(START + 30_000).toISOString() }));
    on.write(log(FOLDER, 1));

    expect(await on.reconcile()).toMatchObject({ listed: 1, lost: 1 });
    expect(await on.entries(log(FOLDER, 1))).toMatchObject([{ verdict: { rule: 'foreign-commit' } }]);
  });
});

describe('with events lost, doubled and turned round', () => {
  test('every file ends at its newest version, in pages of any size, whatever comes late', async () => {
    const step = fc.record({
      file: fc.integer({ min: 0, max: 5 }),
      /** One event in ten is lost; others come after so many steps, some twice. */
      lost: fc.integer({ min: 0, max: 9 }),
      delay: fc.integer({ min: 0, max: 6 }),
      twice: fc.boolean(),
      reconcile: fc.boolean(),
    });
    const plan = fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 25 }), pageSize: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(plan, async ({ steps, pageSize }) => {
        const on = await lake();
        const due: { at: number; event: StorageEvent }[] = [];
        const deliverUntil = async (time: number) => {
          for (const { event } of due.filter(({ at }) => at === time)) await on.deliver(event);
        };
        for (const [time, { file, lost, delay, twice, reconcile }] of steps.entries()) {
          on.at.now += 1000;
          const event = on.write(`${FOLDER}${file}.csv`);
          if (lost > 0) due.push({ at: time + delay, event });
          if (lost > 0 && twice) due.push({ at: time + delay + 1, event });
          await deliverUntil(time);
          if (reconcile) await on.reconcile({ graceSeconds: 0, pages: 1, pageSize });
        }
        for (let time = steps.length; time < steps.length + 8; time += 1) await deliverUntil(time);

        for (let pass = 0; pass < 2; pass += 1) while (!(await on.reconcile({ graceSeconds: 0, pages: 2, pageSize })).complete);

        for (const [path, head, there] of await on.heads()) expect(`${path} ${head}`).toBe(`${path} ${there}`);
        expect(await on.reconcile()).toMatchObject({ lost: 0 });
      }),
      { numRuns: 250 },
    );
  });
});
