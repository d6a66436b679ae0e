// Where a training goes: the first backend of the list that lacks nothing, or a failure that names what each one lacks.
import { expect, test } from 'vitest';
import { TransientError } from '../../shared/errors/errors.ts';
import { trainingBench, type TrainingWorldOptions } from '../support/training-world.ts';

const bench = trainingBench();
const listed = (backend: ('kubeflow' | 'azureml' | 'databricks' | 'local')[]): Pick<TrainingWorldOptions, 'edit'> => ({
  edit: (spec) => {
    spec.train.backend = backend;
  },
});
const noNodes = { check: () => ({ available: false as const, missing: '2 nodes with intelvm=sgx are wanted, 0 are Ready' }) };

test('the first that can takes the job; the record says what those before it lacked', async () => {
  const { world, train } = await bench({
    ...listed(['databricks', 'kubeflow', 'azureml', 'local']),
    backends: { kubeflow: noNodes, azureml: {}, local: {} },
  });

  const run = await train();

  expect(run).toMatchObject({
    status: 'succeeded',
    jobs: [{ backend: 'azureml' }],
    choice: {
      chosen: 'azureml',
      passedOver: [
        { backend: 'databricks', missing: 'this deployment has no settings for it' },
        { backend: 'kubeflow', missing: '2 nodes with intelvm=sgx are wanted, 0 are Ready' },
      ],
    },
  });
  expect(world.backends['azureml']?.specs.size).toBe(1);
  expect(world.backends['local']?.specs.size).toBe(0);
  expect(await world.models.list('ble-location', 1)).toMatchObject([{ backend: 'azureml' }]);
});

test('where none can, the failure names the reason of each, and nothing was staged or made', async () => {
  const { world, train } = await bench({ ...listed(['kubeflow', 'azureml']), backends: { kubeflow: noNodes } });

  const run = await train();

  expect(run).toMatchObject({ status: 'failed', failure: { code: 'no-backend' } });
  expect(run.failure?.message).toBe(
    'No backend of this pipeline can train now. kubeflow: 2 nodes with intelvm=sgx are wanted, 0 are Ready; azureml: this deployment has no settings for it',
  );
  expect(world.callsOf('stage-training-data')).toEqual([]);
});

test('by residency, only a backend that keeps the data where it must stay is asked', async () => {
  const asked: string[] = [];
  const asking = (name: string) => ({ check: () => (asked.push(name), { available: true as const }) });
  const { train } = await bench({
    edit: (spec) => {
      Object.assign(spec.train, { backend: ['azureml', 'databricks', 'kubeflow'], choose: 'residency', residency: 'plant-3' });
    },
    backends: { azureml: asking('azureml'), databricks: asking('databricks'), kubeflow: asking('kubeflow') },
    ports: { residency: { azureml: ['eu', 'us'], kubeflow: ['plant-3'] } },
  });

  const run = await train();

  expect(asked).toEqual(['kubeflow']);
  expect(run.choice).toEqual({
    chosen: 'kubeflow',
    passedOver: [
      { backend: 'azureml', missing: 'the data must stay in "plant-3", and it keeps data in eu, us' },
      { backend: 'databricks', missing: 'the data must stay in "plant-3", and its settings name no place' },
    ],
  });
});

test('a backend that gives no answer is passed over where another can train', async () => {
  const silent = {
    check: () => {
      throw new TransientError('backend-unreachable', 'connection refused');
    },
  };
  const { world, train } = await bench({ ...listed(['kubeflow', 'azureml']), backends: { kubeflow: silent, azureml: {} } });

  const run = await train();

  expect(run.choice).toEqual({
    chosen: 'azureml',
    passedOver: [{ backend: 'kubeflow', missing: 'it gave no answer: connection refused' }],
  });
  expect(world.callsOf('check-backends')).toHaveLength(1);
});

test('where no other can, its outage is waited for', async () => {
  let silent = 3;
  const { world, train } = await bench({
    ...listed(['kubeflow', 'azureml']),
    backends: {
      kubeflow: {
        check: () => {
          if ((silent -= 1) >= 0) throw new TransientError('backend-unreachable', 'connection refused');
          return { available: true };
        },
      },
    },
  });

  expect(await train()).toMatchObject({ status: 'succeeded', choice: { chosen: 'kubeflow' } });
  expect(world.callsOf('check-backends')).toHaveLength(4);
});

test('a graph of steps goes out whole: inputs, parameters by step, kept files, a report of every step', async () => {
  const { world, train } = await bench({
    edit: (spec) => {
      const { component: _component, ...rest } = spec.train;
      const resources = { cpu: 2, memoryGiB: 4 };
      spec.train = {
        ...rest,
        params: { seed: 7 },
        steps: [
          { name: 'split', component: 'ble-train', inputs: { gold: 'gold' }, params: { share: 0.25 }, keep: ['rows.csv'], ...resources },
          {
            name: 'fit',
            component: 'ble-train',
            inputs: { rows: 'split', raw: 'gold' },
            params: { seed: 9 },
            keep: [],
            cpu: 1,
            memoryGiB: 2,
          },
        ],
      };
    },
  });

  const { runId, status } = await train();

  const [job] = [...world.training.specs.values()];
  expect(status).toBe('succeeded');
  expect(job).toMatchObject({
    name: runId,
    parameters: { params_split: '{"seed":7,"share":0.25}', params_fit: '{"seed":9}' },
    steps: [
      {
        name: 'split',
        cpu: 2,
        component: 'ble-train',
        args: [
          '--input',
          { input: 'gold', prefix: 'gold=' },
          '--params-json',
          { parameter: 'params_split' },
          '--out',
          { output: 'result' },
        ],
      },
      {
        name: 'fit',
        args: [
          '--input',
          { from: 'split', output: 'result', prefix: 'rows=' },
          '--input',
          { input: 'gold', prefix: 'raw=' },
          '--params-json',
          { parameter: 'params_fit' },
          '--out',
          { output: 'result' },
        ],
      },
    ],
    inputs: { gold: [{ name: 'part-0.csv', url: expect.stringMatching(/^http/) as string }] },
    lineage: { runId, goldTable: 'training', goldVersion: 1 },
  });
  expect(job?.exports.map(({ step, storePath, optional }) => `${step} ${storePath.replace(runId, 'RUN')}${optional ? '?' : ''}`)).toEqual([
    'split runs/RUN/files/split/rows.csv?',
    'split runs/RUN/steps/split/run-report.json?',
    'fit runs/RUN/steps/fit/run-report.json?',
    'fit runs/RUN/model.tar.gz',
    'fit runs/RUN/run-report.json',
  ]);
});
