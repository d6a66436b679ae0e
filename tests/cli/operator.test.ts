// The operator's commands over the real handlers: what people read, what machines read, and the exit codes.
import { describe, expect, test } from 'vitest';
import { createLake } from '../../shared/adapters/lake/lake.ts';
import { charge } from '../../shared/decisions/breaker.ts';
import { entryOf, headOf, memberOf, minute, placeOf, runOf, versionOf } from '../contracts/samples.ts';
import { addMember, windowIdOf } from '../../shared/decisions/window.ts';
import { HEADER, makeRig, pipelineOf, rowsOf } from '../shared/adapters/lake/rig.ts';
import { servedApi } from './served-api.ts';

const place = placeOf('bronze/ble-location/day1.csv');
const json = (out: string) => JSON.parse(out) as Record<string, unknown>;

async function registered() {
  const served = await servedApi();
  const { version, bundle } = versionOf('ble-location', 'v');
  await served.deps.pipelines.put(version, bundle, 'ada', minute(0));
  return served;
}

test.each(['../day.csv', 'a//b.csv', './day.csv', '', '..'])(
  'a file is not landed under the name "%s", which would be another path',
  async (name) => {
    const { sluice } = await registered();

    const { code, err } = await sluice('drop', 'package.json', '--pipeline', 'ble-location', '--as', name);

    expect([code, err]).toEqual([2, expect.stringContaining(`"${name}" is no name for a file in the lake`)]);
  },
);

describe('why', () => {
  test('a run that kept rows aside leads to their case', async () => {
    const { deps, sluice } = await registered();
    const commit = { table: 't', path: 'silver/x/t/', version: 0, rows: 3, addedRows: 3, digest: 'a'.repeat(64) };
    const refined = {
      silver: { ...commit, layer: 'silver' as const },
      gold: { ...commit, layer: 'gold' as const },
      readRows: 5,
      quarantinedRows: 2,
      findings: [],
    };
    const run = runOf('refine', 'r', { status: 'succeeded' });
    await deps.runs.open({ ...run, refined });

    const { out } = await sluice('why', run.runId);

    expect(out).toContain(
      `            It kept rows aside.\n            → sluice quarantine show q-${run.pipeline}-${run.key.slice(0, 16)}\n`,
    );
  });

  test('an event that repeats another, and one that is of no known type', async () => {
    const { deps, sluice } = await registered();
    const first = entryOf(place, 'first');
    const elsewhere = placeOf('bronze/ble-location/day2.csv');
    const again = entryOf(elsewhere, 'again', {
      verdict: { kind: 'duplicate', rule: 'same-etag', reason: 'r', evidence: { known: first.entryId } },
    });
    await deps.ledger.record(place, first, null, null);
    await deps.ledger.record(elsewhere, again, null, null);
    const verdict = { kind: 'ignored' as const, rule: 'unknown-type', reason: 'r', evidence: { type: 'Some.Other' } };
    await deps.ledger.record(null, entryOf(place, 'odd', { event: null, pipeline: null, verdict }), null, null);

    expect((await sluice('why', again.entryId)).out).toContain(`└ is repeated by ${again.entryId}\n`);
    expect((await sluice('events')).out).toMatch(/unknown-type +- +event of type Some\.Other\n/);
  });

  test('of nothing is wrong use', async () => {
    const { sluice, asked } = await registered();

    expect((await sluice('why', ' ')).code).toBe(2);
    expect(asked).toEqual([]);
  });

  test('reads from the beginning, whatever was asked for', async () => {
    const { deps, sluice } = await registered();
    const [refine, train] = [runOf('refine', 'r', { startedAt: minute(1) }), runOf('train', 't', { startedAt: minute(2) })];
    await deps.runs.open(train);
    await deps.runs.open({ ...refine, next: [train.runId] });
    await deps.runs.open({ ...train, cause: { kind: 'run', ref: refine.runId } });

    const { out } = await sluice('why', train.runId);

    expect(out.indexOf(`  run       ${refine.status}  ${refine.runId}`)).toBeLessThan(
      out.indexOf(`▸ run       ${train.status}  ${train.runId}`),
    );
  });

  test('an event that a freeze holds: verdict, evidence, what to do, and the freeze', async () => {
    const { deps, sluice } = await registered();
    await deps.freezes.set({ pipeline: 'ble-location', kind: 'frozen', by: 'ola', reason: 'audit', since: minute(0), until: null });
    const held = entryOf(place, 'held', {
      deliveries: 3,
      foundBy: 'reconciler',
      chain: ['other@refine-other-0123456789abcdef-a1'],
      verdict: {
        kind: 'refused',
        rule: 'frozen',
        reason: 'ola froze ble-location: audit',
        evidence: { by: 'ola', pipeline: 'ble-location' },
      },
    });
    await deps.ledger.record(place, held, null, null);

    const { code, out } = await sluice('why', place.path);

    expect(code).toBe(0);
    expect(out).toBe(
      [
        '▸ event     refused  bronze/ble-location/day1.csv  2026-11-20T22:00:00Z',
        '            frozen: ola froze ble-location: audit',
        `            ${held.entryId}, received 2026-11-20T22:00:00Z, found by the reconciler, delivered 3 times`,
        '              by        ola',
        '              pipeline  ble-location',
        '            came of other@refine-other-0123456789abcdef-a1',
        '            It was kept, and nothing was started for it.',
        '            → sluice pipelines unfreeze ble-location --reason TEXT',
        `            → sluice replay ${held.entryId} --reason TEXT`,
        '  frozen         ble-location, by ola until somebody ends it: audit',
        '',
      ].join('\n'),
    );
  });

  test('a file that waits: its dataset, and for what', async () => {
    const { deps, entities, sluice } = await registered();
    const { version, bundle } = versionOf('ble-location', 'v2');
    version.spec.complete = 'files 3';
    await deps.pipelines.put(version, bundle, 'ada', minute(0));
    const waiting = entryOf(place, 'one', { verdict: { kind: 'incomplete', rule: 'waiting', reason: '1 of 3 files', evidence: {} } });
    await deps.ledger.record(place, waiting, headOf(waiting), null);
    const window = windowIdOf('ble-location', 'readings', 1);
    await deps.ledger.amend(place, waiting.entryId, { member: { window, row: memberOf(waiting, 1) } });
    const add = { entryId: waiting.entryId, path: place.path, sha256: waiting.entryId, eventTime: minute(0), mark: null, expects: null };
    entities.windows.set('ble-location.readings', addMember(null, { ...add, now: minute(1), lateness: null }).state);

    const { out } = await sluice('why', waiting.entryId);

    expect(out).toContain('            dataset ble-location.readings.1 (files 3): open, 1 file, opened 2026-11-20T22:01:00Z\n');
    expect(out).toContain('              waiting: 1 of 3 files\n');
    expect(out).toContain('            → Bring what is missing, or wait for the time that is named\n');
  });

  test('a run that failed: the code, and how to try again', async () => {
    const { deps, sluice } = await registered();
    const failed = runOf('refine', 'r', { status: 'failed', failure: { code: 'disk-full', message: 'no space' } });
    await deps.runs.open(failed);

    const { out } = await sluice('why', failed.runId);

    expect(out).toContain('disk-full: no space\n');
    expect(out).toContain(`            → sluice runs retry ${failed.runId} --reason TEXT\n`);
  });

  test('nothing: exit code 4', async () => {
    const { sluice } = await registered();

    const { code, out } = await sluice('why', 'no/such.csv', '--json');

    expect([code, json(out)['error']]).toMatchObject([4, { code: 'subject-unknown' }]);
  });
});

describe('replay', () => {
  test('says what it was and what it is now', async () => {
    const { deps, sluice } = await registered();
    const at = placeOf('bronze/x/day1.csv');
    const held = entryOf(at, 'held', { verdict: { kind: 'refused', rule: 'frozen', reason: 'frozen', evidence: {} } });
    await deps.ledger.record(at, held, null, null);

    const first = await sluice('replay', held.entryId, '--reason', 'audit is over');
    const again = await sluice('replay', held.entryId, '--reason', 'once more', '--json');

    expect(first.code).toBe(0);
    expect(first.out.split('\n')[0]).toBe('bronze/x/day1.csv: refused (frozen) → accepted (complete-file)');
    expect([again.code, json(again.out)['error']]).toMatchObject([1, { code: 'replay-not-held' }]);
  });

  test('of an event that is held once more fails and says where to look', async () => {
    const { deps, sluice } = await registered();
    const at = placeOf('bronze/x/day1.csv');
    const held = entryOf(at, 'held', { verdict: { kind: 'refused', rule: 'frozen', reason: 'frozen', evidence: {} } });
    await deps.ledger.record(at, held, null, null);
    await sluice('pipelines', 'freeze', '--all', '--reason', 'audit');

    const { code, out } = await sluice('replay', held.entryId, '--reason', 'too early');

    expect(code).toBe(1);
    expect(out).toContain('refused (frozen) → refused (frozen)\n');
    expect(out).toContain(`  what to do: sluice why ${held.entryId}\n`);
  });

  test('says once what is wrong with what was typed', async () => {
    const { sluice } = await registered();

    expect((await sluice('replay', 'x', '--reason', 'why not')).err).toBe(
      'error  In the path: id: expected e- and 32 hex characters, as `events` and `why` show them\n',
    );
    expect(await sluice('signal', 'monitor', '--pipeline', 'ble-location', '--monitor', 'm', '--value', 'high')).toMatchObject({
      code: 2,
      err: 'error  --value high is no number\n',
    });
  });
});

test('status says which data is late and what comes next, to people and to machines', async () => {
  const { deps, sluice } = await registered();
  const never = { lastTick: null, lastEvent: null, lastTraining: null, raised: [] };
  const late = { freshness: { deadline: minute(60), met: false }, lastDataset: minute(1), nextSchedule: minute(120) };
  await deps.vitals.update('ble-location', () => ({ pipeline: 'ble-location', registeredAt: minute(0), ...never, ...late }));

  const people = await sluice('status');
  const machines = await sluice('status', '--json');

  expect(people.out).toMatch(/ble-location .* - +2026-11-20T22:01:00Z +- +late 2026-11-20T23:00:00Z +2026-11-21T00:00:00Z\n/);
  expect(json(machines.out)).toMatchObject({ pipelines: [{ name: 'ble-location', updatedBy: 'ada', ...late, lastEvent: null }] });
});

describe('pipelines', () => {
  test('freeze, status, unfreeze: seen in between', async () => {
    const { sluice } = await registered();

    const frozen = await sluice('pipelines', 'freeze', 'ble-location', '--reason', 'audit', '--until', '2099-01-01T06:00Z');
    const status = await sluice('status');
    const ended = await sluice('pipelines', 'unfreeze', 'ble-location', '--reason', 'done');
    const nothing = await sluice('pipelines', 'unfreeze', '--all', '--reason', 'done');

    expect(frozen.out).toMatch(/^Frozen: ble-location, until 2099-01-01T06:00:00Z\n/);
    expect(status.out).toContain('  frozen         ble-location, by ola until 2099-01-01T06:00:00Z: audit\n');
    expect(ended.out).toContain('No longer frozen: ble-location');
    expect(nothing.out).toContain('Nothing had frozen all pipelines');
  });

  test.each([
    ['neither a name nor --all', ['pipelines', 'freeze', '--reason', 'x']],
    ['both', ['pipelines', 'freeze', 'ble-location', '--all', '--reason', 'x']],
    ['a time that is none', ['pipelines', 'freeze', '--all', '--reason', 'x', '--until', 'tomorrow-ish']],
    ['no reason', ['pipelines', 'freeze', '--all']],
  ])('%s is wrong use', async (_, words) => {
    const { sluice, asked } = await registered();

    expect((await sluice(...words)).code).toBe(2);
    expect(asked).toEqual([]);
  });

  test('a duration is from now on', async () => {
    const { deps, sluice } = await registered();
    const before = Date.now();

    // The stores' clock is fixed, in the past of this one: only the instant that was sent is looked at.
    const { code } = await sluice('pipelines', 'freeze', '--all', '--reason', 'x', '--until', '1000d');

    const [freeze] = await deps.freezes.list();
    expect(code).toBe(0);
    expect(Date.parse(freeze?.until ?? '') - before).toBeGreaterThanOrEqual(1000 * 86_400_000);
  });

  test('an open breaker is listed and closed', async () => {
    const { deps, sluice } = await registered();
    const limits = { datasetsPerHour: 1, trainingsPerDay: 1 };
    for (const key of ['a', 'b'])
      await deps.breakers.update('ble-location', (before) =>
        charge(before, 'ble-location', { kind: 'dataset', key }, limits, minute(1000)),
      );

    const listed = await sluice('pipelines', 'breaker');
    const status = await sluice('status', '--json');
    const closed = await sluice('pipelines', 'close-breaker', 'ble-location', '--reason', 'mended');
    const again = await sluice('pipelines', 'close-breaker', 'ble-location', '--reason', 'mended', '--json');

    expect(listed.out).toMatch(/ble-location +open +1 +0 +2026-11-21T14:40:00Z +one dataset within an hour is the limit/);
    expect(json(status.out)).toMatchObject({ holds: { breakers: [{ pipeline: 'ble-location' }] } });
    expect(status.err).toContain('  breaker open   ble-location, since 2026-11-21T14:40:00Z');
    expect(closed.out).toContain('The breaker of ble-location is closed');
    expect([again.code, json(again.out)['error']]).toMatchObject([1, { code: 'breaker-not-open' }]);
  });
});

test('reconcile says what was compared and found', async () => {
  const { sluice, started } = await servedApi({ now: () => new Date(minute(1001)) });

  const none = await sluice('reconcile', '--reason', 'nothing ran');
  const odd = await sluice('reconcile', '--reason', 'x', '--grace', 'long');

  expect(none).toMatchObject({ code: 0, out: '0 files compared with the ledger, no event was lost\n' });
  expect(odd.code).toBe(2);
  expect(started).toEqual([]);
});

describe('signal', () => {
  test('sends one event for one id', async () => {
    const { deps, sluice, started } = await registered();
    const words = ['signal', 'code', '--pipeline', 'ble-location', '--id', 'push-7', '--repository', 'git/train', '--commit', 'abcdef0'];

    const first = await sluice(...words);
    await sluice(...words);

    expect(first).toMatchObject({ code: 0, out: expect.stringContaining('accepted (signal)') as string });
    expect(started).toHaveLength(1);
    expect((await deps.ledger.recent(5)).items).toMatchObject([{ deliveries: 2, event: { subject: 'git/train' } }]);
  });

  test('takes numbers of a monitor; a signal that starts nothing has exit code 1', async () => {
    const { deps, sluice } = await registered();
    await deps.freezes.set({ pipeline: null, kind: 'frozen', by: 'ola', reason: 'audit', since: minute(0), until: null });

    const { code } = await sluice('signal', 'monitor', '--pipeline', 'ble-location', '--monitor', 'drift', '--value', '0.3');

    expect(code).toBe(1);
    expect((await deps.ledger.recent(5)).items).toMatchObject([
      { event: { data: { monitor: 'drift', value: 0.3 } }, verdict: { rule: 'frozen' } },
    ]);
  });

  test.each([
    ['an unknown kind', ['schedule'], 'is no kind of event'],
    ['a push without a commit', ['code', '--repository', 'r'], 'needs --commit'],
    ['what belongs to another kind', ['http', '--commit', 'abc'], 'says nothing of http'],
  ])('%s is wrong use', async (_, words, message) => {
    const { sluice } = await registered();

    const { code, err } = await sluice('signal', ...words, '--pipeline', 'p');

    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('plan', () => {
  test('prints verdict, dataset, rows, gates and targets, and says that nothing was changed', async () => {
    const rig = await makeRig();
    const served = await servedApi({
      engine: rig.engine,
      store: rig.store,
      lake: { account: 'lake', container: rig.name },
      files: createLake(rig.service, { container: rig.name }),
    });
    await served.deps.pipelines.put(pipelineOf({ source: { badRows: 'quarantine' } }), { file: '', sql: {}, images: {} }, 'ada', minute(0));
    await rig.land('scratch/day.csv', `${HEADER}${rowsOf(3)}x,bad,2024-01-01,1\n`);

    const { code, out } = await served.sluice('plan', '--path', 'scratch/day.csv', '--pipeline', 'p');
    const wrong = await served.sluice('plan', '--path', 'scratch/day.csv', '--pipeline', 'p', '--as', '_day.csv');
    const neither = await served.sluice('plan', '--pipeline', 'p');

    expect(code).toBe(0);
    expect(out).toContain('bronze/p/day.csv of p, 139 bytes\n  verdict        accepted  complete-file\n');
    expect(out).toContain('  dataset        of its own: complete, every file is a dataset of its own\n');
    expect(out).toContain('  refine         4 rows read, 1 into quarantine (this file)\n');
    expect(out).toMatch(/ {2}silver rows +append +v0 +0 +3 +3\n/);
    expect(out).toMatch(/ {2}5 +type:id +x,bad,2024-01-01,1 +column "id" holds "x"/);
    expect(out).toContain('  gates          m >= 0\n  promotion      dev by hand, approval none, all-at-once: sagemaker eu-central-1/e\n');
    expect(out).toMatch(/Nothing was changed by this look\.\n$/);
    expect(wrong).toMatchObject({ code: 1, out: expect.stringContaining('temporary-name') as string });
    expect(wrong.out).toContain('\n  Nothing would be started.\n');
    expect(wrong.out).not.toContain('gates');
    await served.sluice('pipelines', 'freeze', 'p', '--reason', 'audit');
    const frozen = await served.sluice('plan', '--path', 'scratch/day.csv', '--pipeline', 'p');
    expect(frozen).toMatchObject({ code: 1, out: expect.stringContaining('refused  frozen') as string });
    expect(frozen.out).toMatch(/Nothing would be started now; once that is over:\n {2}train .*\n {2}gates {10}m >= 0\n/);
    expect(neither.code).toBe(2);
  });

  test('sends a file of this machine as it is', async () => {
    const rig = await makeRig();
    const served = await servedApi({ engine: rig.engine, store: rig.store, lake: { account: 'lake', container: rig.name } });
    await served.deps.pipelines.put(pipelineOf(), { file: '', sql: {}, images: {} }, 'ada', minute(0));

    const { code, out } = await served.sluice('plan', '--file', 'package.json', '--pipeline', 'p', '--json');

    expect(code).toBe(1);
    expect(json(out)).toMatchObject({
      path: 'bronze/p/package.json',
      verdict: { kind: 'quarantined' },
      refine: { preview: { refused: {} } },
    });
  });
});
