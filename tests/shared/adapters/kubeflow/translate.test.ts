// Every KFP state has exactly one meaning, and the two times are measured, not guessed.
import { describe, expect, it } from 'vitest';
import { jobState } from '../../../../shared/adapters/kubeflow/translate.ts';
import { Run } from '../../../../shared/adapters/kubeflow/wire.ts';
import { isTerminal } from '../../../../shared/contracts/training.ts';

const run = (fields: Record<string, unknown>): Run => Run.parse({ run_id: 'r', ...fields });

describe('state of a run', () => {
  it.each([
    [{}, 'pending', /has not set a state/],
    [{ state: 'RUNTIME_STATE_UNSPECIFIED' }, 'pending', /has not set a state/],
    [{ state: 'PENDING' }, 'pending', null],
    [{ state: 'RUNNING' }, 'running', null],
    [{ state: 'CANCELING' }, 'running', /being cancelled/],
    [{ state: 'PAUSED' }, 'running', /paused/],
    [{ state: 'HIBERNATING' }, 'running', /unknown Kubeflow state "HIBERNATING"/],
    [{ state: 'SUCCEEDED' }, 'succeeded', null],
    [{ state: 'SKIPPED' }, 'failed', /nothing was executed/],
    [{ state: 'FAILED' }, 'failed', /no reason/],
    [{ state: 'CANCELED' }, 'cancelled', null],
  ] as const)('%j is %s', (fields, state, reason) => {
    const found = jobState(run(fields));

    expect(found.state).toBe(state);
    if (reason) expect(found.reason).toMatch(reason);
    else expect(found.reason).toBeNull();
  });

  it('is cancelled when it failed after a cancellation that the run itself remembers, and failed otherwise', () => {
    const asked = [{ state: 'RUNNING' }, { state: 'CANCELING' }, { state: 'FAILED' }];

    expect(jobState(run({ state: 'FAILED', state_history: asked })).state).toBe('cancelled');
    expect(jobState(run({ state: 'FAILED', state_history: [{ state: 'RUNNING' }] })).state).toBe('failed');
  });

  it('never takes the zero time of a live run for an end', () => {
    const found = jobState(run({ state: 'RUNNING', finished_at: '1970-01-01T00:00:00Z' }));

    expect(isTerminal(found.state)).toBe(false);
  });

  it("gives the failing step's own words, without the query of an address", () => {
    const found = jobState(
      run({
        state: 'FAILED',
        error: { message: 'run failed' },
        run_details: {
          task_details: [
            { display_name: 'root', state: 'FAILED', error: { message: 'child failed' } },
            { display_name: 'fetch-driver', state: 'SUCCEEDED' },
            { display_name: 'fetch', state: 'FAILED', error: { message: 'GET https://lake.example/a.csv?sig=SECRET answered 403' } },
          ],
        },
      }),
    );

    expect(found.reason).toBe('step fetch: GET https://lake.example/a.csv?<query removed> answered 403');
  });

  it('names the failed step when nobody gave words', () => {
    expect(jobState(run({ state: 'FAILED', run_details: { task_details: [{ display_name: 'train', state: 'FAILED' }] } })).reason).toBe(
      'step train failed',
    );
  });
});

describe('times of a run', () => {
  const tasks = [
    { display_name: 'root', start_time: '2026-11-22T10:00:01Z', end_time: '2026-11-22T10:01:00Z' },
    { display_name: 'fetch-driver', start_time: '2026-11-22T10:00:02Z', end_time: '2026-11-22T10:00:03Z' },
    { display_name: 'train', start_time: '2026-11-22T10:00:20Z', end_time: '2026-11-22T10:00:50.500Z' },
    { display_name: 'fetch', start_time: '2026-11-22T10:00:10Z', end_time: '2026-11-22T10:00:19Z' },
  ];
  const timed = (state: string, task_details: unknown[]) =>
    jobState(run({ state, created_at: '2026-11-22T10:00:00Z', run_details: { task_details } }));

  it('waiting ends at the first start of a step, working at the last end', () => {
    expect(timed('SUCCEEDED', tasks)).toMatchObject({ queuedSeconds: 10, executionSeconds: 40.5 });
  });

  it('working time is unknown while the job lives', () => {
    expect(timed('RUNNING', tasks)).toMatchObject({ queuedSeconds: 10, executionSeconds: null });
  });

  it('both are unknown before a step has started', () => {
    expect(timed('PENDING', [{ display_name: 'fetch', start_time: '1970-01-01T00:00:00Z' }])).toMatchObject({
      queuedSeconds: null,
      executionSeconds: null,
    });
  });
});
