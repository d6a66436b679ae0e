// What every implementation of the port `RunStore` must do; run against memory and against tables.
import { expect, it } from 'vitest';
import type { Run } from '../../shared/contracts/runs.ts';
import type { RunStore } from '../../shared/ports/stores.ts';
import { digest, minute, runIdOf, runOf } from './samples.ts';

/** `make` gives an empty store. */
export function runStoreSuite(make: () => Promise<RunStore>): void {
  it('opens a run once: the stored one wins', async () => {
    const runs = await make();
    const run = runOf('train', 'k', { owner: 'first' });

    expect(await runs.open(run)).toEqual(run);
    expect(await runs.open({ ...run, owner: 'second', startedAt: minute(5) })).toEqual(run);

    expect((await runs.list({}, 10)).items).toEqual([run]);
  });

  it('has one winner of 20 concurrent openers', async () => {
    const runs = await make();
    const claims = Array.from({ length: 20 }, (_, n) => runOf('train', 'k', { owner: `owner-${n}`, startedAt: minute(n) }));

    const opened = await Promise.all(claims.map((claim) => runs.open(claim)));

    expect(new Set(opened.map((run) => run.owner)).size).toBe(1);
    expect((await runs.list({}, 100)).items).toEqual([opened[0]]);
  });

  it('refuses an id that does not name its run, and another key under the same id', async () => {
    const runs = await make();
    const run = runOf('train', 'k');
    await runs.open(run);

    await expect(runs.open({ ...run, attempt: 2 })).rejects.toMatchObject({ code: 'run-id-mismatch' });
    await expect(runs.open({ ...run, pipeline: 'other' })).rejects.toMatchObject({ code: 'run-id-mismatch' });
    await expect(runs.open({ ...run, story: 'refine' })).rejects.toMatchObject({ code: 'run-id-mismatch' });
    const twin = `${run.key.slice(0, 16)}${digest('other').slice(16)}`;
    await expect(runs.open({ ...run, key: twin })).rejects.toMatchObject({ code: 'key-collision' });
  });

  it('finds a run by its id alone', async () => {
    const runs = await make();
    const run = runOf('promote', 'k', { pipeline: 'a-b-c' });
    await runs.open(run);

    expect(await runs.find(run.runId)).toEqual(run);
    expect(await runs.get('a-b-c', run.runId)).toEqual(run);
    expect(await runs.get('other', run.runId)).toBeNull();
    for (const id of ['', 'x', "train-a'b-0123456789abcdef-a1", runIdOf('train', 'none', digest('k'))])
      expect(await runs.find(id)).toBeNull();
  });

  it('lists the attempts of a key, oldest first, and no others', async () => {
    const runs = await make();
    const attempts = [1, 2, 10].map((attempt) => runOf('train', 'k', { attempt }));
    for (const run of [...attempts.toReversed(), runOf('train', 'other'), runOf('train', 'k', { pipeline: 'other' })]) await runs.open(run);

    expect((await runs.attempts('ble-location', digest('k'))).map((run) => run.attempt)).toEqual([1, 2, 10]);
    expect(await runs.attempts('ble-location', digest('none'))).toEqual([]);
  });

  it('merges patches: jobs by name, next as a set, seconds by key, the rest replaced', async () => {
    const runs = await make();
    const run = runOf('train', 'k');
    await runs.open(run);
    const job = {
      stage: 'train',
      backend: 'kubeflow',
      jobName: 'j1',
      jobId: '1',
      adopted: false,
      queuedSeconds: null,
      executionSeconds: null,
    } as const;

    await runs.patch(run.pipeline, run.runId, { phase: 'training', jobs: [job], next: ['a'], seconds: { stage: 1 } });
    const done = { ...job, queuedSeconds: 2, executionSeconds: 3 };
    const patched = await runs.patch(run.pipeline, run.runId, {
      jobs: [done, { ...job, jobName: 'j2' }],
      next: ['b', 'a'],
      seconds: { train: 3 },
    });

    const expected: Run = {
      ...run,
      phase: 'training',
      jobs: [done, { ...job, jobName: 'j2' }],
      next: ['a', 'b'],
      seconds: { stage: 1, train: 3 },
    };
    expect(patched).toEqual(expected);
    expect(await runs.find(run.runId)).toEqual(expected);
  });

  it('keeps every one of 10 concurrent patches', async () => {
    const runs = await make();
    const run = runOf('train', 'k');
    await runs.open(run);

    await Promise.all(Array.from({ length: 10 }, (_, n) => runs.patch(run.pipeline, run.runId, { next: [`n${n}`] })));

    expect((await runs.find(run.runId))?.next.toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => `n${n}`));
  });

  it('changes a finished run no more, except for what follows it', async () => {
    const runs = await make();
    const run = runOf('train', 'k');
    await runs.open(run);
    const end = { status: 'failed', finishedAt: minute(9), failure: { code: 'gate-fail', message: 'top1 is 0.1' } } as const;
    await runs.patch(run.pipeline, run.runId, end);

    await expect(runs.patch(run.pipeline, run.runId, { status: 'succeeded' })).rejects.toMatchObject({ code: 'run-finished' });
    await expect(runs.patch(run.pipeline, run.runId, { phase: 'later' })).rejects.toMatchObject({ code: 'run-finished' });

    expect(await runs.patch(run.pipeline, run.runId, end)).toEqual({ ...run, ...end });
    expect(await runs.patch(run.pipeline, run.runId, { next: ['after'] })).toEqual({ ...run, ...end, next: ['after'] });
  });

  it('refuses to patch a run that is not there', async () => {
    const runs = await make();

    await expect(runs.patch('ble-location', runIdOf('train', 'ble-location', digest('k')), {})).rejects.toMatchObject({
      code: 'run-unknown',
    });
  });

  it('lists newest first, by pipeline and status, page by page', async () => {
    const runs = await make();
    const all = Array.from({ length: 9 }, (_, n) =>
      runOf('train', `k${n}`, {
        pipeline: n % 3 === 0 ? 'other' : 'ble-location',
        status: n % 2 ? 'failed' : 'succeeded',
        startedAt: minute(n * 500),
      }),
    );
    for (const run of all) await runs.open(run);
    const ids = (list: Run[]) => list.map((run) => run.runId);

    const first = await runs.list({ pipeline: 'ble-location' }, 4);
    const second = await runs.list({ pipeline: 'ble-location' }, 4, first.next ?? undefined);

    const expected = all.filter((run) => run.pipeline === 'ble-location').toReversed();
    expect([...ids(first.items), ...ids(second.items)]).toEqual(ids(expected));
    expect(second.next).toBeNull();
    expect(ids((await runs.list({ status: 'failed' }, 10)).items)).toEqual(ids(all.filter((run) => run.status === 'failed').toReversed()));
  });

  it('keeps a big record whole, letters outside the basic plane too', async () => {
    const runs = await make();
    const text = '𝔘ö\u0000"'.repeat(16_000);
    const run = runOf('train', 'k', { input: { text } });

    await runs.open(run);

    expect((await runs.find(run.runId))?.input['text']).toBe(text);
  });
}
