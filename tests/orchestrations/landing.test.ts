// What a landed file may turn out to be once it is read: the same content, another version, gone, unchanged gold.
import { describe, expect, test } from 'vitest';
import { RejectedError } from '../../shared/errors/errors.ts';
import { storyBench } from '../support/story-bench.ts';
import { LAKE } from '../support/story-host.ts';

const bench = storyBench();
const A = 'bronze/ble-location/a.csv';

describe('a landed file', () => {
  test('with content that landed before is a duplicate of that run', async () => {
    const { world, story } = await bench();
    const first = await story(A, 'same rows');

    const second = await story(A, 'same rows');

    expect(second.status.output).toMatchObject({ status: 'skipped', runId: first.refine?.runId });
    const entry = await world.ledger.find(second.entryId);
    expect(entry).toMatchObject({ verdict: { kind: 'duplicate', rule: 'same-content' }, runId: first.refine?.runId });
    expect(entry?.verdict.reason).toContain(`${first.refine?.runId} has this work already (succeeded)`);
    expect(world.engine.commits).toHaveLength(1);
    expect(await world.runsOf('train')).toHaveLength(1);
  });

  test('that was replaced before it was read is superseded, and the newer one goes its way', async () => {
    const { world, host, drop } = await bench();
    const old = await drop(A, 'old rows');
    const young = await drop(A, 'new rows');

    const ends = await Promise.all([host.finished(old.instanceId ?? ''), host.finished(young.instanceId ?? '')]);

    expect(ends.map(({ output }) => (output as { status: string }).status)).toEqual(['skipped', 'succeeded']);
    expect(await world.ledger.find(old.entryId)).toMatchObject({ verdict: { kind: 'superseded', rule: 'blob-changed' }, runId: null });
    expect(await world.runsOf('refine')).toHaveLength(1);
  });

  test('that was removed before it was read is superseded', async () => {
    const { world, host, drop } = await bench();
    const { entryId, instanceId } = await drop(A, 'rows');
    world.lake.remove(LAKE.container, A);

    await host.finished(instanceId ?? '');

    expect(await world.ledger.find(entryId)).toMatchObject({ verdict: { kind: 'superseded', rule: 'blob-gone' } });
    expect(await world.runsOf('refine')).toEqual([]);
  });

  test('that may not be read for another reason is refused by that rule, not called superseded', async () => {
    const { world, story } = await bench({
      around: (call, act) => {
        if (call.name !== 'fingerprint-file') return act();
        return Promise.resolve({ ok: false, rejection: { code: 'lake-refused', message: 'The lake refused the read' } });
      },
    });

    const { entryId, status } = await story(A, 'rows');

    expect(status.output).toMatchObject({ status: 'failed', failure: { code: 'lake-refused' } });
    expect(await world.ledger.find(entryId)).toMatchObject({ verdict: { kind: 'refused', rule: 'lake-refused' }, runId: null });
  });

  test('whose gold is the same under another name is not trained twice', async () => {
    const { world, story } = await bench();
    const first = await story(A, 'same rows');

    const second = await story('bronze/ble-location/b.csv', 'same rows');

    expect(second.refine?.runId).not.toBe(first.refine?.runId);
    expect(second.refine).toMatchObject({ status: 'succeeded', next: [first.train?.runId] });
    expect(await world.runsOf('train')).toHaveLength(1);
    expect(world.engine.commits).toHaveLength(2);
    expect(world.training.specs.size).toBe(2);
  });

  test('twice in a queue starts one story', async () => {
    const { world, host, announceFile } = await bench();
    const eTag = world.lake.put(LAKE.container, A, 'rows');
    const first = await announceFile(A, eTag, 1);

    const second = await announceFile(A, eTag, 1);
    await host.finished(first.instanceId ?? '');

    expect(second).toEqual(first);
    expect(await world.ledger.find(first.entryId)).toMatchObject({ deliveries: 2 });
    expect(world.callsOf('fingerprint-file')).toHaveLength(1);
  });

  test('that breaks a rule ends as a failed run that names it, and nothing is trained', async () => {
    const { world, story } = await bench({
      around: (call, act) => (call.name === 'refine-dataset' ? refusedBy('expectation-failed', 'rule cell-is-known: 3 rows') : act()),
    });

    const { refine, status, entryId } = await story(A, 'bad rows');

    expect(refine).toMatchObject({ status: 'failed', failure: { code: 'expectation-failed', message: 'rule cell-is-known: 3 rows' } });
    expect(status.output).toMatchObject({ status: 'failed', runId: refine?.runId });
    expect(await world.ledger.find(entryId)).toMatchObject({
      verdict: { kind: 'quarantined', rule: 'expectation-failed', evidence: { run: refine?.runId } },
      runId: refine?.runId,
    });
    expect(await world.runsOf('train')).toEqual([]);
    expect(world.announced.map(({ type }) => type)).toEqual(['run.started', 'run.failed']);
  });
});

function refusedBy(code: string, message: string): Promise<unknown> {
  const { code: kept } = new RejectedError(code, message);
  return Promise.resolve({ ok: false, rejection: { code: kept, message } });
}
