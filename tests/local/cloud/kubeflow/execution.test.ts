// Pipelines that really run: order, parameters, artifacts, failures, retry, termination, restart.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createShiftedClock } from '../../../../local/cloud/kit/clock.ts';
import { serve, type CloudServer } from '../../../../local/cloud/kit/server.ts';
import { createKubeflowCloud, type KubeflowCloud } from '../../../../local/cloud/kubeflow/kubeflow-cloud.ts';
import type { KubeflowOptions } from '../../../../local/cloud/kubeflow/options.ts';
import { createClient, type Body, type Client, type RunView, type TaskView } from './client.ts';
import { pipeline, program, single, type TestSpec } from './sample-pipeline.ts';

let dataDir: string;
let cloud: KubeflowCloud;
let server: CloudServer;
let client: Client;

async function start(options: Partial<KubeflowOptions> = {}): Promise<void> {
  cloud = createKubeflowCloud({
    dataDir,
    images: { 'registry.local/step': { programs: { node: process.execPath } } },
    graceMs: 1_000,
    ...options,
  });
  server = await serve((request) => cloud.fetch(request));
  client = createClient(server.url);
}

async function stop(): Promise<void> {
  await server.close();
  await cloud.close();
}

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'kubeflow-'));
  await start();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await stop();
});

function taskOf(run: RunView | Body, name: string): TaskView {
  const task = run.run_details?.task_details.find(({ display_name }) => display_name === name);
  if (!task) throw new Error(`the run has no task ${name}`);
  return task;
}

/** What the stand-in wrote down about a run. */
interface StoredRun {
  state: string;
  tasks: {
    displayName: string;
    state: string;
    outputs: { parameters: object; artifacts: Record<string, { uri: string; metadata: object }[]> };
  }[];
}
const stored = (runId: string): StoredRun => JSON.parse(readFileSync(`${dataDir}/runs/${runId}/run.json`, 'utf8')) as StoredRun;
const alive = (pid: number): boolean => {
  try {
    // A process that has ended but was not yet collected by its parent still has an entry.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('a pipeline runs its steps in order with their parameters and artifacts', async () => {
  vi.stubEnv('SECRET_OF_THE_PARENT', 'must-not-be-inherited');
  const created = await client.run(pipeline(), { n: 21 }, { run_id: '0b9d1c1e-0000-5000-8000-000000000001' });

  const run = await client.until(created.run_id, 'SUCCEEDED', 'FAILED');

  expect(created).toMatchObject({ run_id: '0b9d1c1e-0000-5000-8000-000000000001', state: 'PENDING', finished_at: '1970-01-01T00:00:00Z' });
  expect(run.error).toBeUndefined();
  expect(run.state_history.map(({ state }) => state)).toEqual(['PENDING', 'RUNNING', 'SUCCEEDED']);
  expect(run.finished_at).not.toMatch(/^1970/);
  const tasks = run.run_details?.task_details ?? [];
  expect(tasks.map(({ state }) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  const [prep, join] = [taskOf(run, 'prep'), taskOf(run, 'join')];
  for (const branch of tasks.filter(({ display_name }) => display_name === 'branch')) {
    expect(Date.parse(branch.start_time)).toBeGreaterThanOrEqual(Date.parse(prep.end_time));
    expect(Date.parse(join.start_time)).toBeGreaterThanOrEqual(Date.parse(branch.end_time));
  }
  const outputs = stored(run.run_id).tasks.find(({ displayName }) => displayName === 'join')?.outputs;
  expect(outputs?.parameters).toEqual({ text: 'left(rows:21)+right(rows:21)=42' });
  expect(outputs?.artifacts['metrics']?.[0]).toMatchObject({
    metadata: { AUC: 0.98 },
    uri: expect.stringContaining(`/sample/${run.run_id}/join/`) as string,
  });
  expect(outputs?.artifacts['metrics']?.[0]?.uri).toMatch(/^minio:\/\/mlpipeline\/v2\/artifacts\//);
  expect(await client.log(run.run_id, prep.pod_name)).toBe('preparing 21\n');
  expect(await client.log(run.run_id, join.pod_name)).toBe(`${run.run_id} ${join.pod_name} 1 hello-$(KFP_MISSING) undefined\n`);
});

test('branches run side by side', async () => {
  const meet = `const fs = require('fs'); const [mine, other] = process.argv.slice(1);
    fs.writeFileSync(mine, ''); const wait = () => fs.existsSync(other) ? process.exit(0) : setTimeout(wait, 10); wait();`;
  const [a, b] = [join(dataDir, 'a'), join(dataDir, 'b')];
  const spec = single('0');
  spec.components = { 'comp-a': { executorLabel: 'exec-a' }, 'comp-b': { executorLabel: 'exec-b' } };
  spec.deploymentSpec = { executors: { 'exec-a': program(meet, [a, b]), 'exec-b': program(meet, [b, a]) } };
  spec.root = { dag: { tasks: { a: { componentRef: { name: 'comp-a' } }, b: { componentRef: { name: 'comp-b' } } } } };

  const { run_id } = await client.run(spec);

  expect(await client.until(run_id, 'SUCCEEDED', 'FAILED')).toMatchObject({ state: 'SUCCEEDED' });
});

describe('a step that fails', () => {
  test('fails the run with its exit code and last words; what waits for it is skipped', async () => {
    const spec = pipeline();
    spec.deploymentSpec.executors['exec-prep']!.container.command[2] = `console.error('no column beacon_9'); process.exit(3)`;
    const { run_id } = await client.run(spec, { n: 1 });

    const run = await client.until(run_id, 'FAILED', 'SUCCEEDED');

    expect(run).toMatchObject({ state: 'FAILED', error: { code: 2, message: 'Error (exit code 3): no column beacon_9' } });
    expect(taskOf(run, 'prep')).toMatchObject({ state: 'FAILED', error: { message: 'Error (exit code 3): no column beacon_9' } });
    expect(taskOf(run, 'join').state).toBe('SKIPPED');
  });

  test.each([
    ['leaves out an output', `0`, /failed to read output parameter twice \(NUMBER_INTEGER\)/],
    [
      'writes something else than a number',
      `require('fs').writeFileSync(process.argv[2], 'NaN')`,
      /output parameter twice .*"NaN" is not a number/,
    ],
    ['is killed by its own signal', `process.kill(process.pid, 'SIGKILL')`, /Error \(signal SIGKILL\)/],
  ])('because it %s', async (_, script, message) => {
    const spec = pipeline();
    spec.deploymentSpec.executors['exec-prep']!.container.command[2] = script;
    const { run_id } = await client.run(spec, { n: 1 });

    expect((await client.until(run_id, 'FAILED', 'SUCCEEDED')).error?.message).toMatch(message);
  });

  test.each([
    ['a tag', 'registry.local/step:latest', /^ErrImagePull: .*not named by digest/],
    [
      'an image that is not mapped',
      `registry.local/other@sha256:${'b'.repeat(64)}`,
      /^ErrImagePull: image "registry.local\/other" is not known here\. Known: registry\.local\/step/,
    ],
    ['a name that objects inherit', `constructor@sha256:${'b'.repeat(64)}`, /^ErrImagePull/],
  ])('because its image is %s', async (_, image, message) => {
    const { run_id } = await client.run(single('0', {}, { image }));

    expect((await client.until(run_id, 'FAILED', 'SUCCEEDED')).error?.message).toMatch(message);
  });

  test('because its program does not exist', async () => {
    const { run_id } = await client.run(single('0', {}, { command: ['/no/such/program'] }));

    expect((await client.until(run_id, 'FAILED', 'SUCCEEDED')).error?.message).toMatch(/exit code 127.*\/no\/such\/program/);
  });

  describe('because of what its pod was to be', () => {
    const withPod = (settings: object, script = '0') => ({
      pipeline_spec: {
        pipeline_spec: single(script),
        platform_spec: { platforms: { kubernetes: { deploymentSpec: { executors: { 'exec-only': settings } } } } },
      },
    });
    const secret = { secretName: 's', keyToEnv: [{ secretKey: 'k', envVar: 'K' }] };

    test.each<[string, object, string, RegExp]>([
      ['a secret that is not there', { secretAsEnv: [secret] }, '0', /^CreateContainerConfigError: secret not found/],
      ['a deadline that it passes', { activeDeadlineSeconds: 1 }, 'setInterval(() => {}, 1000)', /^DeadlineExceeded: .*\(1 s\)/],
    ])('%s', async (_, settings, script, message) => {
      const { body } = await client.call('POST', '/runs', { display_name: 'pod', ...withPod(settings, script) });

      expect((await client.until(body.run_id ?? '', 'FAILED', 'SUCCEEDED')).error?.message).toMatch(message);
    });

    test('but not because of an optional secret or a node selector', async () => {
      const settings = { secretAsEnv: [{ ...secret, optional: true }], nodeSelector: { labels: { intelvm: 'sgx' } } };
      const { body } = await client.call('POST', '/runs', { display_name: 'pod', ...withPod(settings) });

      expect((await client.until(body.run_id ?? '', 'FAILED', 'SUCCEEDED')).state).toBe('SUCCEEDED');
    });
  });

  test('is repeated as its retry policy says', async () => {
    const script = `const fs = require('fs'); const f = '${join(dataDir, 'count')}';
      const n = (fs.existsSync(f) ? Number(fs.readFileSync(f)) : 0) + 1; fs.writeFileSync(f, String(n)); console.log('attempt', n); process.exit(n < 3 ? 1 : 0)`;
    const { run_id } = await client.run(single(script, { retryPolicy: { maxRetryCount: 2, backoffDuration: '0s' } }));

    const run = await client.until(run_id, 'SUCCEEDED', 'FAILED');
    const task = taskOf(run, 'only');

    expect(run.state).toBe('SUCCEEDED');
    expect(task.executor_detail?.failed_main_jobs).toHaveLength(2);
    expect(await client.log(run_id, task.pod_name)).toBe('attempt 1\nattempt 2\nattempt 3\n');
  });

  test('and its run can be retried: what succeeded does not run again', async () => {
    const flag = join(dataDir, 'mended');
    const spec = pipeline();
    spec.deploymentSpec.executors['exec-join']!.container.command[2] = `process.exit(require('fs').existsSync('${flag}') ? 1 - 1 : 5)`;
    spec.components['comp-join']!['outputDefinitions'] = {};
    const { run_id } = await client.run(spec, { n: 2 });
    const failed = await client.until(run_id, 'FAILED', 'SUCCEEDED');
    expect((await client.call('POST', `/runs/${run_id}:archive`)).status).toBe(200);
    writeFileSync(flag, '');

    expect(await client.call('POST', `/runs/${run_id}:retry`)).toEqual({ status: 200, body: {} });
    const run = await client.until(run_id, 'SUCCEEDED');

    expect(taskOf(run, 'prep')).toEqual(taskOf(failed, 'prep'));
    expect(run.state_history.map(({ state }) => state)).toEqual(['PENDING', 'RUNNING', 'FAILED', 'PENDING', 'RUNNING', 'SUCCEEDED']);
    expect((await client.call('POST', `/runs/${run_id}:retry`)).status).toBe(400);
  });
});

describe('conditions and nested graphs', () => {
  function nested(threshold: number): TestSpec {
    const spec = pipeline();
    const inner = spec.root;
    spec.components['comp-inner'] = {
      ...inner,
      outputDefinitions: { parameters: { text: { parameterType: 'STRING' } } },
      dag: {
        ...inner.dag,
        outputs: { parameters: { text: { valueFromParameter: { producerSubtask: 'join', outputParameterKey: 'text' } } } },
      },
    };
    spec.components['comp-say'] = {
      executorLabel: 'exec-say',
      inputDefinitions: { parameters: { text: { parameterType: 'STRING' }, n: { parameterType: 'NUMBER_INTEGER' } } },
    };
    spec.deploymentSpec.executors['exec-say'] = program(`console.log(process.argv[1])`, ["said {{$.inputs.parameters['text']}}"]);
    spec.root = {
      inputDefinitions: { parameters: { n: { parameterType: 'NUMBER_INTEGER' } } },
      dag: {
        tasks: {
          inner: { componentRef: { name: 'comp-inner' }, inputs: { parameters: { n: { componentInputParameter: 'n' } } } },
          say: {
            componentRef: { name: 'comp-say' },
            inputs: {
              parameters: {
                text: { taskOutputParameter: { producerTask: 'inner', outputParameterKey: 'text' } },
                n: { componentInputParameter: 'n' },
              },
            },
            triggerPolicy: { condition: `inputs.parameter_values['n'] >= ${threshold} && inputs.parameter_values['text'] != ''` },
          },
        },
      },
    };
    return spec;
  }

  test('a nested graph hands its output on, and a true condition lets the task run', async () => {
    const { run_id } = await client.run(nested(4), { n: 4 });

    const run = await client.until(run_id, 'SUCCEEDED', 'FAILED');

    expect(await client.log(run_id, taskOf(run, 'say').pod_name)).toBe('said left(rows:4)+right(rows:4)=8\n');
    expect(taskOf(run, 'join').parent_task_id).toBe(taskOf(run, 'inner').task_id);
  });

  test('a false condition skips the task and the run succeeds', async () => {
    const { run_id } = await client.run(nested(5), { n: 4 });

    const run = await client.until(run_id, 'SUCCEEDED', 'FAILED');

    expect(run.state).toBe('SUCCEEDED');
    expect(taskOf(run, 'say').state).toBe('SKIPPED');
  });

  test('an exit handler runs after a failure and knows of it', async () => {
    const spec = single('process.exit(1)');
    spec.components['comp-exit'] = {
      executorLabel: 'exec-exit',
      inputDefinitions: { parameters: { status: { parameterType: 'TASK_FINAL_STATUS', isOptional: true } } },
    };
    spec.deploymentSpec.executors['exec-exit'] = program(`console.log(JSON.parse(process.argv[1]).state)`, [
      "{{$.inputs.parameters['status']}}",
    ]);
    spec.root.dag.tasks['last'] = {
      componentRef: { name: 'comp-exit' },
      dependentTasks: ['only'],
      triggerPolicy: { strategy: 'ALL_UPSTREAM_TASKS_COMPLETED' },
      inputs: { parameters: { status: { taskFinalStatus: { producerTask: 'only' } } } },
    };
    const { run_id } = await client.run(spec);

    const run = await client.until(run_id, 'FAILED', 'SUCCEEDED');

    expect(run.state).toBe('FAILED');
    expect(await client.log(run_id, taskOf(run, 'last').pod_name)).toBe('FAILED\n');
  });
});

describe('a run that is stopped', () => {
  const sleeper = (file: string) =>
    `require('fs').writeFileSync('${file}', String(process.pid)); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`;

  async function pidIn(file: string): Promise<number> {
    await vi.waitFor(() => expect(readFileSync(file, 'utf8')).toMatch(/^\d+$/), { timeout: 10_000 });
    return Number(readFileSync(file, 'utf8'));
  }

  test('is CANCELING at once, loses its processes, and ends as FAILED', async () => {
    const file = join(dataDir, 'pid');
    const { run_id } = await client.run(single(sleeper(file)));
    const pid = await pidIn(file);

    expect(await client.call('POST', `/runs/${run_id}:terminate`)).toEqual({ status: 200, body: {} });
    expect((await client.call('GET', `/runs/${run_id}`)).body).toMatchObject({ state: 'CANCELING', finished_at: '1970-01-01T00:00:00Z' });
    const run = await client.until(run_id, 'FAILED', 'CANCELED');

    expect(run).toMatchObject({ state: 'FAILED', error: { message: 'workflow shutdown with strategy: Terminate' } });
    expect(alive(pid)).toBe(false);
    expect((await client.call('POST', `/runs/${run_id}:terminate`)).status).toBe(400);
  });

  test('while it is PENDING starts no step', async () => {
    await stop();
    const clock = createShiftedClock();
    await start({ pendingMs: 3_600_000, clock });
    const file = join(dataDir, 'pid');
    const { run_id } = await client.run(single(sleeper(file)));
    expect((await client.call('GET', `/runs/${run_id}`)).body.state).toBe('PENDING');

    await client.call('POST', `/runs/${run_id}:terminate`);
    const run = await client.until(run_id, 'FAILED');

    expect(taskOf(run, 'only').state).toBe('SKIPPED');
    expect(() => readFileSync(file)).toThrow();
  });

  test('waits in PENDING on the clock of the stand-in', async () => {
    await stop();
    const clock = createShiftedClock();
    await start({ pendingMs: 3_600_000, clock });
    const { run_id } = await client.run(single('0'));

    clock.advance(3_600_000);

    expect((await client.until(run_id, 'SUCCEEDED')).state).toBe('SUCCEEDED');
  });

  test('by the end of the stand-in is FAILED after its restart, and no process is left', async () => {
    const file = join(dataDir, 'pid');
    const { run_id } = await client.run(single(sleeper(file)));
    const pid = await pidIn(file);
    await stop();
    expect(alive(pid)).toBe(false);

    await start();
    const { body } = await client.call('GET', `/runs/${run_id}`);

    expect(body).toMatchObject({
      state: 'FAILED',
      error: { message: expect.stringContaining('the stand-in ended while the run was in flight') as string },
    });
    expect(taskOf(body, 'only').state).toBe('FAILED');
  });

  test('and deleted is gone with everything it had', async () => {
    const file = join(dataDir, 'pid');
    const { run_id } = await client.run(single(sleeper(file)));
    const pid = await pidIn(file);

    expect((await client.call('DELETE', `/runs/${run_id}`)).status).toBe(200);

    expect((await client.call('GET', `/runs/${run_id}`)).status).toBe(404);
    expect(alive(pid)).toBe(false);
    expect(() => readFileSync(`${dataDir}/runs/${run_id}/run.json`)).toThrow();
  });
});

test('a run that was in flight when the stand-in was killed is FAILED with a reason', async () => {
  const { run_id } = await client.run(single('0'));
  await client.until(run_id, 'SUCCEEDED');
  await stop();
  const run = stored(run_id);
  run.state = 'RUNNING';
  for (const task of run.tasks) task.state = 'RUNNING';
  writeFileSync(`${dataDir}/runs/${run_id}/run.json`, JSON.stringify(run));

  await start();

  expect((await client.call('GET', `/runs/${run_id}`)).body).toMatchObject({
    state: 'FAILED',
    error: { message: expect.stringContaining('in flight') as string },
  });
});
