// What starts without a landed file: somebody else's commits, signals, manifests of the premises; and work that the breaker refuses.
import { describe, expect, test } from 'vitest';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Pipeline } from '../../shared/contracts/pipeline.ts';
import type { CommitFacts } from '../../shared/ports/lake.ts';
import { closeBreaker } from '../../shared/decisions/breaker.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { LAKE, PIPELINE } from '../support/story-host.ts';

const bench = storyBench();
const FILE = 'bronze/ble-location/a.csv';
const log = (version: number): string => `_delta_log/${String(version).padStart(20, '0')}.json`;

/** A commit appears in the lake, and its event comes. */
async function commit(at: Bench, root: string, version: number, says: Partial<CommitFacts> = {}) {
  return at.drop(root + log(version), JSON.stringify(says));
}
const entryOf = (at: Bench, { entryId }: { entryId: string }): Promise<LedgerEntry | null> => at.world.ledger.find(entryId);
const tables = ({ world }: Bench) => {
  const { silver, gold } = world.version.spec.tables;
  return { silver: `silver/${PIPELINE}/${silver.name}/`, gold: `gold/${PIPELINE}/${gold.name}/` };
};

describe('a commit by somebody else', () => {
  test('in silver makes gold anew and trains on it', async () => {
    const at = await bench();
    await at.story(FILE, 'rows');
    const foreign = await commit(at, tables(at).silver, 5);

    expect((await at.host.finished(foreign.instanceId ?? '')).output).toMatchObject({ status: 'succeeded' });

    const run = (await at.world.runsOf('refine')).at(-1);
    expect(run).toMatchObject({ status: 'succeeded', cause: { kind: 'event', ref: foreign.entryId }, input: { silver: { version: 5 } } });
    expect(at.world.engine.given.at(-1)).toMatchObject({ silver: 5, chain: [`${PIPELINE}@${run?.runId}`] });
    expect(await entryOf(at, foreign)).toMatchObject({ verdict: { kind: 'accepted', rule: 'foreign-commit' }, runId: run?.runId });
    expect(await at.world.runsOf('train')).toHaveLength(2);
  });

  test('on gold is trained on, and the same gold again is not', async () => {
    const at = await bench();
    await at.story(FILE, 'rows');
    const foreign = at.world.engine.foreignGold(at.world.version, 'foreign rows');
    const first = await commit(at, tables(at).gold, foreign.version);
    await at.host.finished(first.instanceId ?? '');
    const train = (await at.world.runsOf('train')).at(-1);

    expect(train).toMatchObject({
      status: 'succeeded',
      cause: { kind: 'event', ref: first.entryId },
      input: { gold: { digest: foreign.digest } },
    });
    expect(await entryOf(at, first)).toMatchObject({ verdict: { kind: 'accepted', rule: 'foreign-commit' }, runId: train?.runId });
    expect(await at.world.runsOf('refine')).toHaveLength(1);

    const same = at.world.engine.foreignGold(at.world.version, 'foreign rows');
    const second = await commit(at, tables(at).gold, same.version);
    await at.host.finished(second.instanceId ?? '');
    expect(await entryOf(at, second)).toMatchObject({ verdict: { kind: 'duplicate', rule: 'unchanged-gold' }, runId: train?.runId });
  });

  test('on gold that is gone when it is looked at is superseded', async () => {
    const at = await bench();

    const gone = await commit(at, tables(at).gold, 9);
    await at.host.finished(gone.instanceId ?? '');

    expect(await entryOf(at, gone)).toMatchObject({ verdict: { kind: 'superseded', rule: 'commit-gone' }, runId: null });
  });

  test('in the table of a source is a dataset of its own, once', async () => {
    const at = await bench({
      edit: (spec) => {
        spec.sources = [{ ...spec.sources[0]!, name: 'facts', path: 'shared/facts/', format: 'delta' }];
      },
    });
    const first = await commit(at, 'shared/facts/', 2, { operation: 'MERGE' });
    await at.host.finished(first.instanceId ?? '');

    const [run] = await at.world.runsOf('refine');
    expect(at.world.engine.given[0]).toMatchObject({ paths: [], commit: { source: 'facts', path: 'shared/facts/', version: 2 } });
    expect(await entryOf(at, first)).toMatchObject({
      verdict: { kind: 'accepted' },
      runId: run?.runId,
      sha256: expect.any(String) as string,
    });

    const removed = await commit(at, 'shared/facts/', 3);
    at.world.lake.remove(LAKE.container, `shared/facts/${log(3)}`);
    await at.host.finished(removed.instanceId ?? '');
    expect(await entryOf(at, removed)).toMatchObject({ verdict: { kind: 'superseded', rule: 'blob-gone' } });
  });

  test('of ours starts nothing', async () => {
    const at = await bench();
    const { refine } = await at.story(FILE, 'rows');

    const own = await commit(at, tables(at).silver, 1, { appIds: [`sluice-${refine?.key}`] });

    expect(own.instanceId).toBeNull();
    expect((await entryOf(at, own))?.verdict).toMatchObject({ kind: 'ignored', rule: 'own-commit', evidence: { madeBy: refine?.runId } });
  });
});

describe('a signal', () => {
  test('before there is gold is ignored', async () => {
    const at = await bench();

    const early = await at.signal({ kind: 'schedule', subject: PIPELINE });
    await at.host.finished(early.instanceId ?? '');

    expect(await entryOf(at, early)).toMatchObject({ verdict: { kind: 'ignored', rule: 'no-gold' }, runId: null });
  });

  test('on gold that was trained on says so, and names that run', async () => {
    const at = await bench();
    const { train } = await at.story(FILE, 'rows');

    const due = await at.signal({ kind: 'schedule', subject: PIPELINE });
    await at.host.finished(due.instanceId ?? '');

    expect(await entryOf(at, due)).toMatchObject({ verdict: { kind: 'duplicate', rule: 'unchanged-gold' }, runId: train?.runId });
    expect(await at.world.runsOf('train')).toHaveLength(1);
  });

  test('trains once more where the pipeline says so, once for each signal', async () => {
    const at = await bench({ edit: (spec) => Object.assign(spec, { schedule: { zone: 'UTC', unchanged: 'train' } }) });
    await at.story(FILE, 'rows');

    for (const id of ['one', 'one', 'two']) {
      const due = await at.signal({ kind: 'schedule', subject: PIPELINE, id });
      await at.host.finished(due.instanceId ?? '');
      expect((await entryOf(at, due))?.verdict).toMatchObject({ kind: 'accepted', rule: 'signal' });
    }

    const trains = await at.world.runsOf('train');
    expect(trains.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(new Set(trains.map(({ trained }) => trained?.goldDigest)).size).toBe(1);
  });

  test('trains on gold that nobody has trained on yet', async () => {
    const at = await bench();
    await at.story(FILE, 'rows');
    at.world.engine.foreignGold(at.world.version, 'rows that no event told of');

    const due = await at.signal({ kind: 'monitor', subject: PIPELINE, data: { metric: 'psi', value: 0.4 } });
    await at.host.finished(due.instanceId ?? '');

    const train = (await at.world.runsOf('train')).at(-1);
    expect(train).toMatchObject({ status: 'succeeded', cause: { kind: 'event', ref: due.entryId } });
    expect(await entryOf(at, due)).toMatchObject({ verdict: { kind: 'accepted' }, runId: train?.runId });
  });

  test('about the job of a run wakes it before its next poll', async () => {
    const at = await bench({ policy: { pollFirstSeconds: 600, pollMaxSeconds: 600 } });
    const { instanceId } = await at.drop(FILE, 'rows');
    await at.host.settle();
    const [train] = await at.world.runsOf('train');
    const looks = at.world.callsOf('read-job').length;

    const hint = await at.signal({ kind: 'job', subject: train?.runId ?? '' });
    await at.host.settle();

    expect(await entryOf(at, hint)).toMatchObject({ verdict: { kind: 'accepted', rule: 'job-hint' }, runId: train?.runId });
    expect(at.world.callsOf('read-job').length).toBe(looks + 1);
    await at.host.finished(instanceId ?? '');
  });
});

describe('data that stays on the premises', () => {
  const premises = { edit: (spec: Pipeline) => void (spec.data = 'on-premises') };
  const manifest = (...names: string[]) =>
    JSON.stringify({
      dataset: 'day 1',
      files: names.map((name) => ({ uri: `https://minio.plant/data/${name}`, bytes: 9, sha256: name.padEnd(64, '0') })),
    });

  test('is refined by its manifest: the files are named, the rows never come', async () => {
    const at = await bench(premises);

    const landed = await at.drop(FILE, manifest('a1', 'b2'));
    await at.host.finished(landed.instanceId ?? '');

    const [run] = await at.world.runsOf('refine');
    expect(run?.input).toMatchObject({ manifest: { path: FILE } });
    expect(run?.input).not.toHaveProperty('files');
    expect(at.world.engine.given).toMatchObject([{ paths: [], remote: ['https://minio.plant/data/a1', 'https://minio.plant/data/b2'] }]);
    expect(await entryOf(at, landed)).toMatchObject({ verdict: { kind: 'accepted' }, runId: run?.runId });
  });

  test('is the same dataset under another manifest', async () => {
    const at = await bench(premises);
    const first = await at.drop(FILE, manifest('a1', 'b2'));
    await at.host.finished(first.instanceId ?? '');

    const second = await at.drop('bronze/ble-location/again.json', `${manifest('b2', 'a1')}\n`);
    await at.host.finished(second.instanceId ?? '');

    expect((await entryOf(at, second))?.verdict).toMatchObject({ kind: 'duplicate', rule: 'same-content' });
  });

  test('is collected manifest by manifest where the rule says so', async () => {
    const at = await bench({ edit: (spec) => (premises.edit(spec), void (spec.complete = 'files 2')) });
    const dropped = [await at.drop(FILE, manifest('a1')), await at.drop('bronze/ble-location/b.json', manifest('b2'))];
    for (const { instanceId } of dropped) await at.host.finished(instanceId ?? '');

    expect(at.world.engine.given.map(({ remote }) => [...remote].sort())).toEqual([
      ['https://minio.plant/data/a1', 'https://minio.plant/data/b2'],
    ]);
  });

  test.each([
    ['no JSON', 'location,date\n1,2\n'],
    ['no files', '{"dataset":"x","files":[]}'],
    ['a credential in an address', manifest('a1').replace('https://', 'https://user:secret@')],
    ['a signature in an address', manifest('a1?sig=abc')],
    ['a climbing address', manifest('../../a1')],
    ['a file twice', manifest('a1', 'a1')],
  ])('is quarantined when the manifest has %s', async (_name, content) => {
    const at = await bench(premises);

    const landed = await at.drop(FILE, content);
    await at.host.finished(landed.instanceId ?? '');

    const entry = await entryOf(at, landed);
    expect(entry?.verdict).toMatchObject({ kind: 'quarantined', rule: 'manifest-invalid' });
    expect(entry?.verdict.reason).not.toContain('secret');
    expect(await at.world.runsOf('refine')).toEqual([]);
  });
});

describe('the breaker', () => {
  const limited = (limits: Partial<NonNullable<Pipeline['limits']>>) => ({
    edit: (spec: Pipeline) => void (spec.limits = { datasetsPerHour: 100, trainingsPerDay: 100, ...limits }),
  });

  test('opens at the dataset beyond the limit; what it held is taken once a person has closed it', async () => {
    const at = await bench(limited({ datasetsPerHour: 2 }));
    const dropped = [];
    for (const n of [1, 2, 3]) {
      const one = await at.drop(`bronze/ble-location/${n}.csv`, `rows of ${n}`);
      await at.host.finished(one.instanceId ?? '');
      dropped.push(one);
    }
    await at.host.advance(1000);
    const refused = await at.drop('bronze/ble-location/4.csv', 'rows of 4');

    expect((await Promise.all(dropped.map((one) => entryOf(at, one)))).map((entry) => entry?.verdict.kind)).toEqual([
      'accepted',
      'accepted',
      'over-budget',
    ]);
    expect(await entryOf(at, refused)).toMatchObject({
      instanceId: null,
      verdict: { kind: 'over-budget', evidence: { count: 2, limit: 2 } },
    });
    expect(await at.world.breakers.list()).toMatchObject([{ pipeline: PIPELINE, state: 'open', opened: { cause: 'datasets-per-hour' } }]);
    expect(await at.world.runsOf('refine')).toHaveLength(2);

    await at.world.breakers.update(PIPELINE, (breaker) => ({
      breaker: closeBreaker(breaker, 'ada', 'wanted', new Date(at.world.now()).toISOString()),
      answer: null,
    }));
    await at.host.advance(1000);
    const again = await at.replay(refused.entryId);
    await at.host.finished(again.instanceId ?? '');

    expect(await entryOf(at, refused)).toMatchObject({ foundBy: 'replay', verdict: { kind: 'accepted' } });
    expect(await at.world.runsOf('refine')).toHaveLength(3);

    const first = await at.replay(dropped[2]?.entryId ?? '');
    expect(first.instanceId).toMatch(/-a2$/);
    await at.host.finished(first.instanceId ?? '');
    expect(await entryOf(at, dropped[2]!)).toMatchObject({ verdict: { kind: 'accepted' }, foundBy: 'replay' });
    expect(await at.world.runsOf('refine')).toHaveLength(4);
  });

  test('that refuses a training leaves what was refined, and the run says why it was not trained', async () => {
    const at = await bench(limited({ trainingsPerDay: 1 }));
    await at.story(FILE, 'rows');

    const { refine } = await at.story('bronze/ble-location/b.csv', 'other rows');

    expect(refine).toMatchObject({
      status: 'succeeded',
      next: [],
      warnings: [expect.stringContaining('one training within a day is the limit')],
    });
    expect(await at.world.runsOf('train')).toHaveLength(1);
  });

  test('counts a dataset that landed before as none', async () => {
    const at = await bench(limited({ datasetsPerHour: 1 }));
    await at.story(FILE, 'rows');

    const again = await at.story(FILE, 'rows');

    expect(await at.world.ledger.find(again.entryId)).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-content' } });
    expect((await at.world.breakers.get(PIPELINE))?.state).toBe('closed');
  });
});
