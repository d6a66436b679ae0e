// Taking in what is no landed file, and what holds events back: commits of every layer, signals, hints, freezes, the breaker, replays.
import { beforeEach, describe, expect, test } from 'vitest';
import { dataLanded, type Deserialized } from '../../../functions/triggers/data-landed.ts';
import { createIntake, type Intake, type IntakeDeps } from '../../../functions/triggers/intake.ts';
import { createMemoryStore } from '../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import { type LedgerEntry, placeOfEvent, type SignalEvent, type StorageEvent } from '../../../shared/contracts/events.ts';
import { Schedule } from '../../../shared/contracts/pipeline.ts';
import { AdoptInput, LandInput, RetrainInput } from '../../../shared/contracts/stories.ts';
import { openBreaker } from '../../../shared/decisions/breaker.ts';
import { RejectedError, TransientError } from '../../../shared/errors/errors.ts';
import type { CommitFacts } from '../../../shared/ports/lake.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Stores } from '../../../shared/ports/stores.ts';
import { digest, runOf } from '../../contracts/samples.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const LAKE = { account: 'acct', container: 'lake' };
const quiet = { info: () => undefined, warn: () => undefined };
const log = (version: number): string => `_delta_log/${String(version).padStart(20, '0')}.json`;

let stores: Stores;
let deps: IntakeDeps;
let intake: Intake;
let commits: Map<string, Partial<CommitFacts> | Error>;
let started: { story: string; id: string; input: Record<string, unknown> }[];
let raised: { id: string; event: string }[];
let starter: Starter;
let serial = 0;

function event(path: string, more: Partial<StorageEvent> = {}): StorageEvent {
  serial += 1;
  const base = {
    source: '/storage',
    id: `e${serial}`,
    kind: 'created' as const,
    api: 'PutBlob',
    eTag: `0x${serial}`,
    sequencer: '0001',
    bytes: 5,
  };
  return { ...base, ...LAKE, path, time: NOW, ...more };
}
function signal(kind: SignalEvent['kind'], subject: string, more: Partial<SignalEvent> = {}): SignalEvent {
  serial += 1;
  return { source: '/timer', id: `s${serial}`, kind, subject, time: NOW, data: {}, ...more };
}
const take = (one: StorageEvent): Promise<LedgerEntry> => intake.takeEvent(one, starter, quiet);
const stored = async (one: StorageEvent | SignalEvent): Promise<LedgerEntry | undefined> =>
  (await stores.ledger.ofBlob(placeOfEvent(one))).at(-1);

beforeEach(async () => {
  stores = createMemoryStores();
  commits = new Map();
  started = [];
  raised = [];
  starter = {
    start: async (story, id, input) => {
      if (started.some((one) => one.id === id)) return 'exists';
      started.push({ story, id, input });
      return 'started';
    },
    raise: async (id, name) => (raised.push({ id, event: name }), 'sent'),
  };
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'test', NOW);
  const mirror = { ...version, name: 'mirror', digest: digest('mirror'), spec: { ...version.spec, pipeline: 'mirror' } };
  mirror.spec.sources = [{ ...mirror.spec.sources[0]!, name: 'table', path: 'shared/facts/', format: 'delta' }];
  await stores.pipelines.put(mirror, bundle, 'test', NOW);
  deps = {
    ...stores,
    lake: LAKE,
    readCommit: async (_container, path) => {
      const says = commits.get(path) ?? {};
      if (says instanceof Error) throw says;
      return { version: 0, operation: 'WRITE', appIds: [], chain: [], runId: null, changesData: true, ...says };
    },
    policy: { pollFirstSeconds: 1, pollMaxSeconds: 2, signedUrlSeconds: 900 },
    now: () => new Date(NOW),
  };
  intake = createIntake(deps);
});

describe('a commit of a Delta table', () => {
  const { version } = exampleVersion();
  const silver = `silver/ble-location/${version.spec.tables.silver.name}/`;
  const gold = `gold/ble-location/${version.spec.tables.gold.name}/`;

  test.each([
    ['silver', silver],
    ['gold', gold],
  ])('by somebody else in %s starts the steps after it', async (layer, root) => {
    const entry = await take(event(root + log(7)));

    expect(entry).toMatchObject({
      pipeline: 'ble-location',
      verdict: { kind: 'accepted', rule: 'foreign-commit', evidence: { version: 7, root } },
    });
    expect(started).toHaveLength(1);
    expect(started[0]?.story).toBe('adopt');
    expect(AdoptInput.parse(started[0]?.input)).toMatchObject({ layer, source: null, root, version: 7 });
  });

  test('by somebody else in the table of a source is refined', async () => {
    const entry = await take(event(`shared/facts/${log(3)}`));

    expect(entry).toMatchObject({ pipeline: 'mirror', verdict: { kind: 'accepted', rule: 'foreign-commit' } });
    expect(AdoptInput.parse(started[0]?.input)).toMatchObject({ layer: 'source', source: 'table', root: 'shared/facts/', version: 3 });
  });

  test('of ours is ignored, and names the run: by the commit itself, or by the key of its transaction', async () => {
    const run = runOf('refine', 'k');
    await stores.runs.open(run);
    commits.set(silver + log(1), { appIds: ['sluice-x'], runId: 'refine-noted' });
    commits.set(gold + log(1), { appIds: [`sluice-${run.key}`] });

    expect(await take(event(silver + log(1)))).toMatchObject({
      verdict: { kind: 'ignored', rule: 'own-commit', evidence: { madeBy: 'refine-noted' } },
    });
    expect(await take(event(gold + log(1)))).toMatchObject({
      verdict: { kind: 'ignored', rule: 'own-commit', evidence: { madeBy: run.runId } },
    });
    expect(started).toEqual([]);
  });

  test('of ours in a table that another pipeline reads is a dataset of that one', async () => {
    commits.set(`shared/facts/${log(1)}`, {
      appIds: [`sluice-${digest('k')}`],
      runId: 'refine-other',
      chain: ['ble-location@refine-other'],
    });

    const entry = await take(event(`shared/facts/${log(1)}`));

    expect(entry).toMatchObject({ verdict: { kind: 'accepted' }, chain: ['ble-location@refine-other'] });
    expect(started[0]?.input).toMatchObject({ chain: ['ble-location@refine-other'] });
  });

  test('that the pipeline itself has caused is a loop', async () => {
    commits.set(`shared/facts/${log(2)}`, { chain: ['mirror@refine-1', 'ble-location@refine-2'] });

    const entry = await take(event(`shared/facts/${log(2)}`));

    expect(entry.verdict).toMatchObject({
      kind: 'loop',
      rule: 'chain-comes-back',
      evidence: { chain: 'mirror@refine-1 → ble-location@refine-2' },
    });
    expect(started).toEqual([]);
  });

  test('that changes no rows is ignored', async () => {
    commits.set(silver + log(4), { operation: 'OPTIMIZE', changesData: false });

    expect((await take(event(silver + log(4)))).verdict).toMatchObject({
      kind: 'ignored',
      rule: 'no-rows-changed',
      reason: expect.stringContaining('OPTIMIZE') as string,
    });
  });

  test.each([
    `${silver}part-0.parquet`,
    `${silver}_delta_log/00000000000000000010.checkpoint.parquet`,
    `${silver}_delta_log/00000000000000000010.crc`,
    `${silver}_delta_log/_last_checkpoint`,
    `${silver}_delta_log/00000000000000000001.json.tmp`,
    `${silver}_delta_log/0000000000000000001.json`,
    `${silver}_delta_log/99999999999999999999.json`,
    'shared/facts/day=1/part-0.parquet',
  ])('is not %s', async (path) => {
    expect((await take(event(path))).verdict).toMatchObject({ kind: 'ignored', rule: 'table-file' });
    expect(started).toEqual([]);
  });

  test('in the quarantine table leads to nothing', async () => {
    const root = `quarantine/ble-location/${version.spec.tables.silver.name}/`;

    expect((await take(event(root + log(1)))).verdict).toMatchObject({ kind: 'ignored', rule: 'quarantine-commit' });
  });

  test.each([
    [new RejectedError('commit-unreadable', 'half written'), 'refused', 'commit-unreadable'],
    [new RejectedError('blob-gone', 'cleaned up'), 'superseded', 'commit-gone'],
  ])('that cannot be read says so: %s', async (error, kind, rule) => {
    commits.set(silver + log(5), error);

    expect((await take(event(silver + log(5)))).verdict).toMatchObject({ kind, rule });
  });

  test.each([new TransientError('storage-unavailable', 'no answer'), new RejectedError('storage-denied', 'no right')])(
    'that may be read later gets no verdict yet: %s',
    async (error) => {
      commits.set(silver + log(5), error);
      const one = event(silver + log(5));

      await expect(take(one)).rejects.toBe(error);
      expect(await stored(one)).toBeUndefined();
    },
  );

  test('of another account, or with a clock in the future, is never read', async () => {
    commits.set(silver + log(6), new Error('it was read'));

    expect((await take(event(silver + log(6), { account: 'other' }))).verdict.rule).toBe('foreign-place');
    expect((await take(event(silver + log(6), { time: '2026-01-01T01:00:00.000Z' }))).verdict.rule).toBe('future-clock');
    expect((await take(event(silver + log(6), { kind: 'deleted', api: 'DeleteBlob' }))).verdict.rule).toBe('not-a-landing');
  });

  test('twice in the queue starts one story, and another event of it is a duplicate', async () => {
    const one = event(silver + log(8));
    await take(one);
    await take(one);
    const twin = await take({ ...one, id: 'twin' });

    expect(started).toHaveLength(1);
    expect(twin.verdict).toMatchObject({ kind: 'duplicate', rule: 'same-etag' });
    expect((await stores.ledger.ofBlob(placeOfEvent(one))).map(({ deliveries }) => deliveries).sort()).toEqual([1, 2]);
  });
});

describe('a signal', () => {
  test.each(['schedule', 'no-training', 'absent', 'http', 'monitor'] as const)('%s trains on the gold that is there', async (kind) => {
    const { entry, effect } = await intake.takeSignal(signal(kind, 'ble-location', { data: { score: 0.7 } }), starter, quiet);

    expect(entry).toMatchObject({
      pipeline: 'ble-location',
      foundBy: 'timer',
      verdict: { kind: 'accepted', rule: 'signal', evidence: { score: 0.7 } },
    });
    expect(effect).toEqual({ kind: 'train', pipeline: 'ble-location' });
    expect(started).toMatchObject([{ story: 'retrain', id: entry.instanceId }]);
    expect(RetrainInput.parse(started[0]?.input)).toMatchObject({
      entryId: entry.entryId,
      unchanged: 'skip',
      signal: { kind, subject: 'ble-location' },
    });
  });

  test('again only counts, and starts what a crash left unstarted', async () => {
    const one = signal('schedule', 'ble-location');
    const dying: Starter = { ...starter, start: () => Promise.reject(new Error('killed here')) };
    await expect(intake.takeSignal(one, dying, quiet)).rejects.toThrow('killed here');

    await intake.takeSignal(one, starter, quiet);
    await intake.takeSignal(one, starter, quiet);

    expect(await stored(one)).toMatchObject({ deliveries: 3, verdict: { kind: 'accepted' } });
    expect(started).toHaveLength(1);
  });

  test('of code names its pipeline beside the repository', async () => {
    const push = { data: { commit: 'abc123', pipeline: 'ble-location' } };

    expect((await intake.takeSignal(signal('code', 'github.com/x/y', push), starter, quiet)).entry).toMatchObject({
      pipeline: 'ble-location',
      verdict: { kind: 'accepted' },
    });
    expect((await intake.takeSignal(signal('code', 'github.com/x/y'), starter, quiet)).entry.verdict).toMatchObject({
      kind: 'ignored',
      rule: 'no-such-pipeline',
    });
  });

  test('of freshness is announced and starts nothing', async () => {
    const { entry, effect } = await intake.takeSignal(signal('freshness', 'ble-location', { data: { by: '06:00' } }), starter, quiet);

    expect(entry.verdict).toMatchObject({ kind: 'accepted', rule: 'freshness-missed', reason: expect.stringContaining('06:00') as string });
    expect(effect).toEqual({ kind: 'nothing' });
    expect(started).toEqual([]);
  });

  test('whose time brings data in starts the data pipeline that the file names, once', async () => {
    const { version, bundle } = exampleVersion();
    const schedule = Schedule.parse({ extract: { pipeline: 'nightly-copy', parameters: { table: 'a' }, deadline: '3h' } });
    await stores.pipelines.put({ ...version, digest: digest('extracting'), spec: { ...version.spec, schedule } }, bundle, 'test', NOW);
    const one = signal('schedule', 'ble-location', { data: { extract: 'nightly-copy' } });

    expect(await intake.takeSignal(one, starter, quiet)).toMatchObject({
      entry: { verdict: { rule: 'extract-due' } },
      effect: { kind: 'extract' },
    });
    expect(await intake.takeSignal(one, starter, quiet)).toMatchObject({ entry: { deliveries: 2 }, effect: { kind: 'extract' } });

    expect(started).toMatchObject([
      {
        story: 'extract',
        input: { dataPipeline: 'nightly-copy', parameters: { table: 'a' }, deadline: '3h', contractDigest: digest('extracting') },
      },
    ]);
    expect(started[0]?.id).toMatch(/^extract-ble-location-[0-9a-f]{16}-a1$/);
    expect((await stored(one))?.instanceId).toBe(started[0]?.id);
  });

  test('that asks for a data pipeline which the file does not name is ignored', async () => {
    const one = signal('http', 'ble-location', { data: { extract: 'erase-all' } });

    const { entry, effect } = await intake.takeSignal(one, starter, quiet);

    expect(entry).toMatchObject({ verdict: { kind: 'ignored', rule: 'no-extraction' }, instanceId: null });
    expect(entry.verdict.reason).toContain('schedule.extract of ble-location names none');
    expect(effect).toEqual({ kind: 'nothing' });
    expect(started).toEqual([]);
  });

  test('of an unknown pipeline is ignored, and one that carries the pipeline in its chain is a loop', async () => {
    expect((await intake.takeSignal(signal('http', 'nobody'), starter, quiet)).entry.verdict).toMatchObject({
      kind: 'ignored',
      rule: 'no-such-pipeline',
    });
    const circle = signal('monitor', 'ble-location', { data: { chain: 'ble-location@train-1' } });
    expect((await intake.takeSignal(circle, starter, quiet)).entry.verdict.kind).toBe('loop');
    expect(started).toEqual([]);
  });
});

describe('a hint about a job', () => {
  test.each(['', '-publish'])('wakes whoever waits for it (job name + "%s"), and names the run', async (ending) => {
    const run = runOf('train', 'k');
    await stores.runs.open(run);

    const { entry } = await intake.takeSignal(signal('job', `${run.runId}${ending}`, { data: { status: 'Completed' } }), starter, quiet);

    expect(entry).toMatchObject({ verdict: { kind: 'accepted', rule: 'job-hint' }, runId: run.runId, pipeline: run.pipeline });
    expect(raised).toEqual([{ id: ending === '' ? `${run.runId}-train` : `${run.runId}${ending}`, event: 'job-hint' }]);
  });

  test('of a run that has ended, or of nobody, is ignored', async () => {
    const run = runOf('train', 'k');
    await stores.runs.open(run);
    await stores.runs.patch(run.pipeline, run.runId, { status: 'succeeded', finishedAt: NOW });

    expect((await intake.takeSignal(signal('job', run.runId), starter, quiet)).entry.verdict).toMatchObject({
      kind: 'ignored',
      rule: 'job-over',
    });
    expect((await intake.takeSignal(signal('job', 'somebody-elses-job'), starter, quiet)).entry.verdict.rule).toBe('job-unknown');
    expect(raised).toEqual([]);
  });
});

describe('an event that is held back', () => {
  const file = 'bronze/ble-location/a.csv';

  test('by a freeze is refused with who and why, and taken when it is replayed afterwards', async () => {
    await stores.freezes.set({ pipeline: null, kind: 'maintenance', by: 'ada', reason: 'new storage', since: NOW, until: null });
    const one = event(file);
    const held = await take(one);
    expect(held).toMatchObject({ instanceId: null, verdict: { kind: 'refused', rule: 'maintenance', evidence: { by: 'ada' } } });
    expect((await stores.ledger.look(placeOfEvent(one), held.entryId)).head).toBeNull();

    expect((await intake.replay(held.entryId, starter, quiet)).verdict.rule).toBe('maintenance');
    await stores.freezes.end(null);
    intake = createIntake(deps);
    const taken = await intake.replay(held.entryId, starter, quiet);

    expect(taken).toMatchObject({ verdict: { kind: 'accepted', rule: 'complete-file' }, foundBy: 'replay', deliveries: 1 });
    expect(started).toMatchObject([{ story: 'land', id: taken.instanceId }]);
    expect(LandInput.safeParse(started[0]?.input).success).toBe(true);
    expect((await stores.ledger.look(placeOfEvent(one), held.entryId)).head).toMatchObject({ eTag: one.eTag });
    await expect(intake.replay(held.entryId, starter, quiet)).rejects.toMatchObject({ code: 'replay-not-held' });
  });

  test('by the open breaker is over budget with its counts, and a signal too', async () => {
    const reason = '3 datasets within an hour';
    await stores.breakers.update('ble-location', () => ({
      breaker: { ...openBreaker(null, 'ble-location', { cause: 'budget', reason, count: 3, limit: 3 }, NOW) },
      answer: null,
    }));

    expect((await take(event(file))).verdict).toMatchObject({
      kind: 'over-budget',
      rule: 'breaker-open',
      evidence: { count: 3, limit: 3, openedAt: NOW },
    });
    expect((await intake.takeSignal(signal('http', 'ble-location'), starter, quiet)).entry.verdict.kind).toBe('over-budget');
    expect((await take(event(`shared/facts/${log(1)}`))).verdict.kind).toBe('accepted');
    expect(started.map(({ story }) => story)).toEqual(['adopt']);
  });

  test('because no pipeline was there is taken by the one that was registered since', async () => {
    const held = await take(event('bronze/later/a.csv'));
    expect(held).toMatchObject({ pipeline: null, verdict: { kind: 'ignored', rule: 'no-pipeline' } });
    const { version, bundle } = exampleVersion();
    const later = { ...version, name: 'later', digest: digest('later'), spec: { ...version.spec, pipeline: 'later' } };
    later.spec.sources = [{ ...later.spec.sources[0]!, path: 'bronze/later/' }];
    await stores.pipelines.put(later, bundle, 'test', NOW);

    expect(await intake.replay(held.entryId, starter, quiet)).toMatchObject({ pipeline: 'later', verdict: { kind: 'accepted' } });
    expect(started).toMatchObject([{ story: 'land', input: { pipeline: 'later' } }]);
  });

  test('stays what it is when it was never there', async () => {
    await expect(intake.replay('e-nobody', starter, quiet)).rejects.toMatchObject({ code: 'entry-unknown' });
  });
});

describe('one message', () => {
  const through = (message: Deserialized) =>
    dataLanded({ ...deps, store: createMemoryStore(), deserialize: async () => message, intake })('{}', starter, quiet);

  test('may hold files, signals and what nothing is made of; each gets its row', async () => {
    const other = { source: '/x', id: 'o1', type: 'Microsoft.Storage.BlobTierChanged', subject: 's' };
    const message = { events: [event('bronze/ble-location/a.csv'), signal('monitor', 'ble-location')], others: [other], problems: [] };
    await through(message);
    await through(message);

    const { items } = await stores.ledger.recent(10);
    expect(items.map(({ verdict, deliveries }) => `${verdict.kind} ${verdict.rule} ${deliveries}`).sort()).toEqual([
      'accepted complete-file 2',
      'accepted signal 2',
      'ignored unknown-type 2',
    ]);
    expect(started.map(({ story }) => story)).toEqual(['land', 'retrain']);
  });

  test('carries the causal chain of each event into its row', async () => {
    await through({
      events: [event('bronze/ble-location/a.csv'), event('bronze/ble-location/b.csv')],
      chains: [[], ['ble-location@x']],
      problems: [],
    });

    expect((await stores.ledger.recent(10)).items.map(({ verdict }) => verdict.kind).sort()).toEqual(['accepted', 'loop']);
  });

  test('that is huge is kept in part, and the row says so', async () => {
    const store = createMemoryStore();
    const trigger = dataLanded({ ...deps, store, deserialize: async () => ({ events: [], problems: ['odd'] }), intake });
    await trigger(`{"a":"${'x'.repeat(3 * 1024 * 1024)}"}`, starter, quiet);

    const [entry] = (await stores.ledger.recent(1)).items;
    expect(entry?.verdict).toMatchObject({ kind: 'malformed', evidence: { kept: 1024 * 1024 } });
    expect((await store.read(`malformed/${entry?.rawSha256}`, 2 ** 21))?.byteLength).toBe(1024 * 1024);
  });

  test.each([[undefined], [null], [true], [Symbol('x')], [{ toJSON: () => undefined }]])(
    'of %j is malformed, not a crash',
    async (message) => {
      const trigger = dataLanded({
        ...deps,
        store: createMemoryStore(),
        deserialize: async () => ({ events: [], problems: ['odd'] }),
        intake,
      });
      await trigger(message, starter, quiet);

      expect((await stores.ledger.recent(1)).items[0]?.verdict.kind).toBe('malformed');
    },
  );
});

test('an event that was late after all brings the sequencer that a listing could not know', async () => {
  const found = event('bronze/ble-location/a.csv', { sequencer: '', source: '/reconciler' });
  await intake.takeEvent(found, starter, quiet, { foundBy: 'reconciler', chain: [] });
  const real = event('bronze/ble-location/a.csv', { eTag: found.eTag, sequencer: '0009' });
  expect((await take(real)).verdict.rule).toBe('same-etag');

  const { head } = await stores.ledger.look(placeOfEvent(real), 'e-any');
  expect(head).toMatchObject({ eTag: found.eTag, sequencer: '0009' });
  expect((await take(event('bronze/ble-location/a.csv', { sequencer: '0008' }))).verdict.kind).toBe('stale');
  expect((await stores.ledger.recent(10)).items.map(({ foundBy }) => foundBy)).toContain('reconciler');
});

test('a burst of events reads what is registered once', async () => {
  let lists = 0;
  const counting = createIntake({ ...deps, pipelines: { ...stores.pipelines, list: async () => ((lists += 1), stores.pipelines.list()) } });

  await Promise.all(Array.from({ length: 50 }, (_, n) => counting.takeEvent(event(`bronze/ble-location/${n}.csv`), starter, quiet)));

  expect(lists).toBe(1);
  expect(started).toHaveLength(50);
});

test('a pipeline that was registered a moment ago is found, whatever was read before', async () => {
  await take(event('bronze/ble-location/a.csv'));
  const { version, bundle } = exampleVersion();
  const fresh = { ...version, name: 'fresh', digest: digest('fresh'), spec: { ...version.spec, pipeline: 'fresh' } };
  fresh.spec.sources = [{ ...fresh.spec.sources[0]!, path: 'bronze/fresh/' }];
  await stores.pipelines.put(fresh, bundle, 'test', NOW);

  expect(await take(event('bronze/fresh/a.csv'))).toMatchObject({ pipeline: 'fresh', verdict: { kind: 'accepted' } });
});
