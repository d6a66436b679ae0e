// Datasets of many files: when they are closed, who goes on with them, and what every event of them is told.
import { describe, expect, test } from 'vitest';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Pipeline } from '../../shared/contracts/pipeline.ts';
import type { WindowState } from '../../shared/contracts/windows.ts';
import { collectorId } from '../../shared/decisions/dataset-keys.ts';
import { type Bench, storyBench } from '../support/story-bench.ts';
import { LAKE, PIPELINE } from '../support/story-host.ts';

const bench = storyBench();
const FOLDER = 'bronze/ble-location/';
const SOURCE = 'readings';
const KEY = `${PIPELINE}.${SOURCE}`;
/** What comes after refining is not looked at here: every training fails at once. */
const training = { outcome: () => ({ state: 'failed' as const, reason: 'not looked at' }) };
const completing = (complete: string, more: Partial<Pipeline> = {}) => ({
  training,
  edit: (spec: Pipeline) => {
    spec.sources = spec.sources.map((source) => ({ ...source, name: SOURCE }));
    Object.assign(spec, { complete, ...more });
  },
});

/** Drops files one after the other and waits until everything that needs no time has happened. */
async function dropAll({ drop, host }: Bench, ...names: string[]) {
  const dropped = [];
  for (const name of names) {
    dropped.push(await drop(FOLDER + name, `rows of ${name}`));
    await host.settle();
  }
  return dropped;
}

async function entries({ world }: Bench, dropped: readonly { entryId: string }[]): Promise<LedgerEntry[]> {
  const found = await Promise.all(dropped.map(({ entryId }) => world.ledger.find(entryId)));
  return found.filter((entry) => entry !== null);
}

const kinds = (list: readonly LedgerEntry[]): string[] => list.map(({ verdict }) => `${verdict.kind} ${verdict.rule}`);
const finishAll = async ({ host }: Bench, dropped: readonly { instanceId: string | null }[]) =>
  Promise.all(dropped.map(({ instanceId }) => host.finished(instanceId ?? '')));

describe('files N', () => {
  test('waits for the last file, which goes on with all of them', async () => {
    const at = await bench(completing('files 3'));
    const first = await dropAll(at, 'a.csv', 'b.csv');

    expect(kinds(await entries(at, first))).toEqual(['incomplete waiting', 'incomplete waiting']);
    expect((await entries(at, first)).map(({ verdict }) => verdict.reason)).toEqual([
      `Collected into ${KEY}.1: 1 of 3 files`,
      `Collected into ${KEY}.1: 2 of 3 files`,
    ]);
    expect(await at.world.runsOf('refine')).toEqual([]);

    const last = await dropAll(at, 'c.csv');
    await finishAll(at, [...first, ...last]);

    const [refine, ...others] = await at.world.runsOf('refine');
    expect(others).toEqual([]);
    expect(refine).toMatchObject({ status: 'succeeded', input: { windows: [{ source: SOURCE, from: 1, to: 1 }] } });
    expect(refine?.input).not.toHaveProperty('files');
    expect(at.world.engine.given.map(({ paths }) => paths)).toEqual([['a.csv', 'b.csv', 'c.csv'].map((name) => FOLDER + name)]);
    const all = await entries(at, [...first, ...last]);
    expect(kinds(all)).toEqual(Array(3).fill('accepted dataset-closed'));
    expect(all.map(({ runId, window }) => [runId, window])).toEqual(Array(3).fill([refine?.runId, `${KEY}.1`]));
    expect(all[0]?.verdict.reason).toBe('The dataset is complete: 3 of 3 files');
    expect((await at.world.ledger.ofRun(refine?.runId ?? '')).map(({ entryId }) => entryId).sort()).toEqual(
      [...first, ...last].map(({ entryId }) => entryId).sort(),
    );
  });

  test('counts a file that is written again once, and takes its newest version', async () => {
    const at = await bench(completing('files 2'));
    const [old] = await dropAll(at, 'a.csv');
    const again = await at.drop(`${FOLDER}a.csv`, 'corrected rows');
    await at.host.settle();
    expect(await at.world.runsOf('refine')).toEqual([]);

    const last = await dropAll(at, 'b.csv');
    await finishAll(at, [old!, again, ...last]);

    expect(kinds(await entries(at, [old!, again, ...last]))).toEqual([
      'superseded newer-in-window',
      'accepted dataset-closed',
      'accepted dataset-closed',
    ]);
    expect(await at.world.ledger.find(old!.entryId)).toMatchObject({ runId: null, verdict: { evidence: { by: again.entryId } } });
    expect(at.world.engine.given).toHaveLength(1);
  });

  test('begins the next dataset with the file after it', async () => {
    const at = await bench(completing('files 2'));

    const dropped = await dropAll(at, 'a.csv', 'b.csv');
    await finishAll(at, dropped);
    const next = await dropAll(at, 'c.csv', 'd.csv');
    await finishAll(at, next);

    expect(at.world.engine.given.map(({ paths }) => paths.map((path) => path.slice(FOLDER.length)))).toEqual([
      ['a.csv', 'b.csv'],
      ['c.csv', 'd.csv'],
    ]);
    expect((await entries(at, next)).map(({ window }) => window)).toEqual([`${KEY}.2`, `${KEY}.2`]);
    expect(await at.world.runsOf('refine')).toHaveLength(2);
  });

  test('of which the same content came before is a duplicate of that run', async () => {
    const at = await bench(completing('files 2'));
    await finishAll(at, await dropAll(at, 'a.csv', 'b.csv'));

    const again = await dropAll(at, 'a.csv', 'b.csv');
    await finishAll(at, again);

    const [run] = await at.world.runsOf('refine');
    expect(kinds(await entries(at, again))).toEqual(['duplicate same-content', 'duplicate same-content']);
    expect((await entries(at, again)).map(({ runId }) => runId)).toEqual([run?.runId, run?.runId]);
    expect(at.world.engine.commits).toHaveLength(1);
  });

  test('that break a rule together are quarantined together', async () => {
    const at = await bench({
      ...completing('files 2'),
      around: async (call, act) =>
        call.name === 'refine-dataset' ? { ok: false, rejection: { code: 'too-few-rows', message: '0 rows are left' } } : act(),
    });

    const dropped = await dropAll(at, 'a.csv', 'b.csv');
    await finishAll(at, dropped);

    expect(kinds(await entries(at, dropped))).toEqual(['quarantined too-few-rows', 'quarantined too-few-rows']);
  });

  test('waits until the row of every counted file is written', async () => {
    let failures = 0;
    const at = await bench({
      ...completing('files 2'),
      around: async (call, act) => {
        const { member } = call.input as { member?: { row: { path: string } } };
        // The first file's row is written a while after the second file was counted.
        if (call.name === 'amend-verdict' && member?.row.path.endsWith('a.csv') && (failures += 1) <= 3) throw new Error('tables are busy');
        return act();
      },
    });

    const dropped = await dropAll(at, 'a.csv', 'b.csv');
    expect(at.world.engine.given).toEqual([]);
    await finishAll(at, dropped);

    expect(at.world.callsOf('tally-window').length).toBeGreaterThan(1);
    expect(at.world.engine.given[0]?.paths).toEqual([`${FOLDER}a.csv`, `${FOLDER}b.csv`]);
    expect(kinds(await entries(at, dropped))).toEqual(Array(2).fill('accepted dataset-closed'));
  });

  test('whose row never comes is closed with what is there, and the next one is not held up', async () => {
    const at = await bench({
      ...completing('files 2'),
      around: async (call, act) => {
        const { member } = call.input as { member?: { row: { path: string } } };
        if (call.name === 'amend-verdict' && member?.row.path.endsWith('lost.csv')) throw new Error('tables are broken for this one');
        return act();
      },
    });

    const [lost, ...dropped] = await dropAll(at, 'lost.csv', 'a.csv', 'b.csv');
    await finishAll(at, [...dropped, lost!]);

    expect(at.world.engine.given[0]?.paths).toEqual([`${FOLDER}a.csv`, `${FOLDER}b.csv`]);
    expect(kinds(await entries(at, dropped))).toEqual(Array(2).fill('accepted dataset-closed'));
  });
});

describe('a dataset that a time closes', () => {
  test('quiet: every file moves the time, and all of them go together', async () => {
    const at = await bench(completing('quiet 30s'));
    const [first] = await dropAll(at, 'a.csv');
    await at.host.advance(20_000);
    const second = await at.drop(`${FOLDER}b.csv`, 'rows of b');
    await at.host.advance(20_000);

    expect(await at.world.runsOf('refine')).toEqual([]);
    expect((await entries(at, [second]))[0]?.verdict.reason).toContain('quiet until 2026-01-01T00:00:50');

    const { output } = await at.host.finished(first!.instanceId ?? '');
    expect(output).toMatchObject({ status: 'succeeded' });
    expect(at.world.engine.given.map(({ paths }) => paths)).toEqual([[`${FOLDER}a.csv`, `${FOLDER}b.csv`]]);
    expect((await entries(at, [first!]))[0]?.verdict.reason).toBe('The dataset is complete: 2 files, then quiet for 30s');
  });

  test('quiet: stays open for hours without a history that grows', async () => {
    const at = await bench(completing('quiet 30s'));
    const [first] = await dropAll(at, 'f0.csv');
    for (let n = 1; n < 40; n += 1) {
      await at.host.advance(25_000);
      await at.drop(`${FOLDER}f${n}.csv`, `rows of ${n}`);
    }
    expect(await at.historyLength(collectorId(PIPELINE, `${KEY}.1`))).toBeLessThan(200);
    const { output } = await at.host.finished(first!.instanceId ?? '');

    expect(output).toMatchObject({ status: 'succeeded' });
    expect(at.world.engine.given[0]?.paths).toHaveLength(40);
  });

  test('cron: closes at its time in its zone with what has come by then', async () => {
    const at = await bench(completing('cron 30 1 * * * Europe/Berlin'));
    const dropped = await dropAll(at, 'a.csv', 'b.csv');

    expect((await entries(at, dropped))[1]?.verdict.reason).toContain('closes at 2026-01-01T00:30:00.000Z');
    await at.host.finished(dropped[0]!.instanceId ?? '');

    const [refine] = await at.world.runsOf('refine');
    expect(Date.parse(refine?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse('2026-01-01T00:30:00.000Z'));
    expect(at.world.engine.given[0]?.paths).toHaveLength(2);
  });

  test.each([
    ['patch', ['late late-patch'], 2],
    ['next', ['incomplete waiting'], 1],
    ['refuse', ['late late-refused'], 1],
  ] as const)('late, policy %s', async (then, expected, refined) => {
    const at = await bench(completing('quiet 30s', { lateness: { allowed: '1h', then } }));
    const [first] = await dropAll(at, 'a.csv');
    await at.host.finished(first!.instanceId ?? '');
    const eTag = at.world.lake.put(LAKE.container, `${FOLDER}late.csv`, 'late rows');

    const late = await at.announceFile(`${FOLDER}late.csv`, eTag, 99, { time: '2026-01-01T00:00:10.000Z' });
    await at.host.advance(1000);

    const [entry] = await entries(at, [late]);
    expect(kinds([entry!])).toEqual(expected);
    expect(entry?.verdict.evidence).toMatchObject({ closedWindow: 1, closedAt: '2026-01-01T00:00:30.000Z' });
    await at.host.finished(late.instanceId ?? '');
    expect((await at.world.runsOf('refine')).length).toBe(then === 'next' ? 2 : refined);
    if (then === 'next') expect(kinds(await entries(at, [late]))).toEqual(['late late-next']);
    if (then === 'patch') expect((await entries(at, [late]))[0]?.runId).not.toBeNull();
  });

  test('late: beyond what is allowed it is told so, and without a policy it belongs to the next dataset', async () => {
    const strict = await bench(completing('quiet 30s', { lateness: { allowed: '10s', then: 'next' } }));
    const [first] = await dropAll(strict, 'a.csv');
    await strict.host.finished(first!.instanceId ?? '');
    await strict.host.advance(60_000);
    const eTag = strict.world.lake.put(LAKE.container, `${FOLDER}late.csv`, 'late rows');
    const late = await strict.announceFile(`${FOLDER}late.csv`, eTag, 99, { time: '2026-01-01T00:00:10.000Z' });
    await strict.host.finished(late.instanceId ?? '');
    expect(kinds(await entries(strict, [late]))).toEqual(['late too-late']);

    const easy = await bench(completing('quiet 30s'));
    const [one] = await dropAll(easy, 'a.csv');
    await easy.host.finished(one!.instanceId ?? '');
    const other = easy.world.lake.put(LAKE.container, `${FOLDER}late.csv`, 'late rows');
    const next = await easy.announceFile(`${FOLDER}late.csv`, other, 99, { time: '2026-01-01T00:00:10.000Z' });
    await easy.host.finished(next.instanceId ?? '');
    expect(kinds(await entries(easy, [next]))).toEqual(['accepted dataset-closed']);
  });
});

describe('partitions', () => {
  test('waits for a file below each, and names those that are missing', async () => {
    const at = await bench(completing('partitions north,south,region=eu'));
    const dropped = await dropAll(at, 'north/a.csv', 'north/b.csv', 'elsewhere/x.csv');

    expect((await entries(at, dropped))[2]?.verdict.reason).toContain('partitions south, region=eu');
    const rest = await dropAll(at, 'south/a.csv', 'region=eu/a.csv');
    await finishAll(at, [...dropped, ...rest]);

    expect(at.world.engine.given.map(({ paths }) => paths.length)).toEqual([5]);
    expect((await entries(at, rest))[1]?.verdict.reason).toContain('all 3 partitions');
  });
});

describe('manifest', () => {
  const manifest = (...files: string[]) => JSON.stringify({ files: files.map((path) => ({ path })) });

  test.each([['the manifest last'], ['the manifest first']])('lists the members: %s', async (order) => {
    const at = await bench(completing('manifest _files.json'));
    const list = () => at.drop(`${FOLDER}_files.json`, manifest('a.csv', 'b.csv'));
    const first = order === 'the manifest first' ? [await list()] : [];
    const files = await dropAll(at, 'a.csv');
    const half = (await entries(at, files))[0]?.verdict.reason;
    const more = await dropAll(at, 'b.csv');
    const last = first.length > 0 ? [] : [await list()];
    await finishAll(at, [...first, ...files, ...more, ...last]);

    expect(half).toContain(first.length > 0 ? '' : 'manifest _files.json');
    expect(at.world.engine.given.map(({ paths }) => paths)).toEqual([[`${FOLDER}a.csv`, `${FOLDER}b.csv`]]);
    expect(kinds(await entries(at, [...first, ...files, ...more, ...last]))).toEqual(Array(3).fill('accepted dataset-closed'));
  });

  test('names what it lists and what did not come', async () => {
    const at = await bench(completing('manifest _files.json'));
    await dropAll(at, 'a.csv');
    const list = await at.drop(`${FOLDER}_files.json`, 'a.csv\nb.csv\n');
    await at.host.settle();
    const stranger = await dropAll(at, 'x.csv');
    await at.host.settle();

    const [said] = await entries(at, stranger);
    expect(said?.verdict.reason).toContain(`1 of 2 files of manifest _files.json: ${FOLDER}b.csv missing`);
    expect(kinds(await entries(at, [list]))).toEqual(['incomplete waiting']);
  });

  test('leaves what it does not list to the next dataset, which has it', async () => {
    const at = await bench(completing('manifest _files.json'));
    const early = await dropAll(at, 'tomorrow.csv', 'a.csv');
    const first = await at.drop(`${FOLDER}_files.json`, 'a.csv');
    await finishAll(at, [...early, first]);

    expect(kinds(await entries(at, early))).toEqual(['incomplete not-listed', 'accepted dataset-closed']);
    expect((await entries(at, early))[0]?.window).toBe(`${KEY}.2`);

    const second = await at.drop(`${FOLDER}_files.json`, 'tomorrow.csv\nb.csv');
    const rest = await dropAll(at, 'b.csv');
    await finishAll(at, [second, ...rest]);

    expect(at.world.engine.given.map(({ paths }) => paths.map((path) => path.slice(FOLDER.length)))).toEqual([
      ['a.csv'],
      ['b.csv', 'tomorrow.csv'],
    ]);
    expect(kinds(await entries(at, early))).toEqual(['accepted dataset-closed', 'accepted dataset-closed']);
  });

  test('that lists nothing usable is quarantined, and another one may follow', async () => {
    const at = await bench(completing('manifest _files.json'));
    const bad = await at.drop(`${FOLDER}_files.json`, '../../etc/passwd');
    const files = await dropAll(at, 'a.csv');
    await finishAll(at, [bad, ...files]);
    expect(kinds(await entries(at, [bad]))).toEqual(['quarantined manifest-invalid']);

    const good = await at.drop(`${FOLDER}_files.json`, 'a.csv');
    await finishAll(at, [good]);

    expect(at.world.engine.given).toHaveLength(1);
  });
});

describe('several sources', () => {
  const two = (complete: string, maxLag?: string) => ({
    training,
    edit: (spec: Pipeline) => {
      const [source] = spec.sources;
      spec.sources = [
        { ...source!, name: 'readings', path: 'bronze/readings/' },
        { ...source!, name: 'cells', path: 'bronze/cells/', complete: 'files 1', ...(maxLag === undefined ? {} : { maxLag }) },
      ];
      spec.complete = complete;
    },
  });
  const drop = async (at: Bench, path: string) => {
    const dropped = await at.drop(path, `rows of ${path}`);
    await at.host.settle();
    return dropped;
  };

  test('make one dataset; one that is missing is named, and nothing of the other is lost', async () => {
    const at = await bench(two('files 2'));
    const readings = [await drop(at, 'bronze/readings/1.csv'), await drop(at, 'bronze/readings/2.csv')];
    const more = [await drop(at, 'bronze/readings/3.csv'), await drop(at, 'bronze/readings/4.csv')];

    expect(kinds(await entries(at, [...readings, ...more]))).toEqual(Array(4).fill('incomplete waiting-for-source'));
    expect((await entries(at, readings))[0]?.verdict.reason).toContain('cells has no complete dataset yet');

    const cells = await drop(at, 'bronze/cells/c.csv');
    await finishAll(at, [...readings, ...more, cells]);

    expect(at.world.engine.given.map(({ paths }) => paths)).toEqual([
      ['bronze/cells/c.csv', ...['1', '2', '3', '4'].map((n) => `bronze/readings/${n}.csv`)],
    ]);
    expect(kinds(await entries(at, [...readings, ...more, cells]))).toEqual(Array(5).fill('accepted dataset-closed'));
    const [run] = await at.world.runsOf('refine');
    expect(run?.input).toMatchObject({
      windows: [
        { source: 'readings', from: 1, to: 2 },
        { source: 'cells', from: 1, to: 1 },
      ],
    });
  });

  test('use a dataset again while it is young enough, and wait for a new one then', async () => {
    const at = await bench(two('files 1', '1h'));
    const cells = await drop(at, 'bronze/cells/c.csv');
    const first = await drop(at, 'bronze/readings/1.csv');
    await finishAll(at, [cells, first]);
    const second = await drop(at, 'bronze/readings/2.csv');
    await finishAll(at, [second]);
    expect(at.world.engine.given.map(({ paths }) => paths)).toEqual([
      ['bronze/cells/c.csv', 'bronze/readings/1.csv'],
      ['bronze/cells/c.csv', 'bronze/readings/2.csv'],
    ]);
    expect((await entries(at, [cells]))[0]?.runId).toBe((await at.world.runsOf('refine'))[0]?.runId);

    await at.host.advance(2 * 3_600_000);
    const third = await drop(at, 'bronze/readings/3.csv');
    await finishAll(at, [third]);
    expect((await entries(at, [third]))[0]?.verdict).toMatchObject({ rule: 'waiting-for-source', evidence: { waitingFor: 'cells' } });

    const fresh = await drop(at, 'bronze/cells/d.csv');
    await finishAll(at, [fresh]);
    expect(at.world.engine.given.at(-1)?.paths).toEqual(['bronze/cells/d.csv', 'bronze/readings/3.csv']);
    expect(kinds(await entries(at, [third]))).toEqual(['accepted dataset-closed']);
  });
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'files that land at the same moment are each in exactly one dataset, or in the open window (seed %i)',
  async (seed) => {
    const at = await bench({ ...completing('files 3'), seed });
    const dropped = [];
    for (let n = 0; n < 8; n += 1) dropped.push(await at.drop(`${FOLDER}f${n}.csv`, `rows of ${n}`));

    await finishAll(at, dropped);

    const taken = at.world.engine.given.flatMap(({ paths }) => paths);
    expect(new Set(taken).size).toBe(taken.length);
    for (const { paths } of at.world.engine.given) expect(paths.length).toBeGreaterThanOrEqual(3);
    const { count } = (await at.host.entity('window', KEY)) as WindowState;
    expect(taken.length + count).toBe(8);
    expect(count).toBeLessThan(3);
    const runs = await at.world.runsOf('refine');
    const said = await entries(at, dropped);
    expect(said.filter(({ runId }) => runId !== null)).toHaveLength(taken.length);
    expect(runs.every(({ status }) => status === 'succeeded')).toBe(true);
    expect(kinds(said.filter(({ runId }) => runId === null))).toEqual(Array(count).fill('incomplete waiting'));
  },
);

test('two thousand files that land at once are one dataset with all of them', { timeout: 60_000 }, async () => {
  const FILES = 2000;
  const at = await bench({ ...completing(`files ${FILES}`), checkDeterminism: false });
  const dropped: { instanceId: string | null; entryId: string }[] = [];
  for (let n = 0; n < FILES; n += 1) dropped.push(await at.drop(`${FOLDER}f${n}.csv`, `rows of ${n}`));

  await finishAll(at, dropped);

  expect(at.world.engine.given.map(({ paths }) => paths.length)).toEqual([FILES]);
  expect(await at.world.runsOf('refine')).toHaveLength(1);
  const all = await entries(at, dropped);
  expect(new Set(kinds(all))).toEqual(new Set(['accepted dataset-closed']));
  expect(new Set(all.map(({ runId }) => runId)).size).toBe(1);
  const state = (await at.host.entity('window', KEY)) as WindowState;
  expect(state).toMatchObject({ number: 2, count: 0, closed: { number: 1 }, settled: 1 });
});
