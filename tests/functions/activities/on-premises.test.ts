// Steps of a pipeline whose rows stay on the premises: the job by its addresses, what it is told, and how its endpoint is checked.
import { InvocationContext } from '@azure/functions';
import { describe, expect, test } from 'vitest';
import type { Activity } from '../../../functions/activities/kit.ts';
import { runActivities } from '../../../functions/activities/runs.ts';
import { servingActivities } from '../../../functions/activities/serving.ts';
import { trainingActivities } from '../../../functions/activities/training.ts';
import { createMemoryStore } from '../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import type { PipelineVersion } from '../../../shared/contracts/pipeline.ts';
import type { Prediction } from '../../../shared/contracts/serving.ts';
import type { JobSpec } from '../../../shared/contracts/training.ts';
import type { ServingPlatform } from '../../../shared/ports/serving-platform.ts';
import type { TrainingBackend } from '../../../shared/ports/training-backend.ts';
import { digest, minute, runIdOf } from '../../contracts/samples.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';
import { reportOf } from '../../support/training-side.ts';

const RELEASED = 'location,b3001\nA01,-70\n';
const RUN = runIdOf('train', 'ble-location', digest('k'), 1);
const FILES = [{ path: 'site://ble/a.csv', sha256: digest('a'), bytes: 9 }];
const context = new InvocationContext({ logHandler: () => undefined });

function step(activities: Activity[], name: string) {
  const found = activities.find((one) => one.name === name);
  if (!found) throw new Error(`there is no activity ${name}`);
  return (input: unknown) => found.handler(input, context);
}

async function world(change: (version: PipelineVersion) => void = () => undefined) {
  const stores = createMemoryStores();
  const { version, bundle } = exampleVersion();
  version.spec.data = 'on-premises';
  change(version);
  await stores.pipelines.put(version, bundle, 'ada', minute(1));
  const store = createMemoryStore();
  const jobs: JobSpec[] = [];
  const asked: unknown[] = [];
  const backend = {
    submit: async (job: JobSpec) => (jobs.push(job), { jobId: 'j', adopted: false }),
    check: async (job: unknown) => (asked.push(job), { available: true }),
  } as unknown as TrainingBackend;
  const backends = { kubeflow: backend, azureml: backend };
  const activities = trainingActivities({ ...stores, store, backends, artifacts: undefined as never });
  const plan = { pipeline: version.name, contractDigest: version.digest };
  const gold = { table: 'training', version: 0, digest: digest('gold') };
  const submit = () =>
    step(activities, 'submit-training')({ ...plan, backend: 'kubeflow', runId: RUN, gold, specDigest: digest('s'), files: FILES });
  return { stores, store, version, activities, plan, jobs, asked, submit };
}

describe('the job', () => {
  test('has the addresses of the site as they are, and is told that no row may leave', async () => {
    const { submit, jobs } = await world();

    expect(await submit()).toMatchObject({ ok: true });

    expect(jobs[0]?.rowsStay).toBe(true);
    expect(jobs[0]?.inputs).toEqual({
      gold: [{ name: 'a.csv', storePath: 'site://ble/a.csv', sha256: digest('a'), bytes: 9, url: 'site://ble/a.csv' }],
    });
  });

  test('gets the declared source and the releasable rows by their digests, where a step reads them', async () => {
    const { submit, jobs, store, version } = await world((one) => {
      one.releasable = RELEASED;
      Object.assign(one.spec.train, {
        component: undefined,
        releasable: 'rows.csv',
        steps: [
          {
            name: 'refine',
            component: 'ble-train',
            inputs: { files: 'gold', source: 'source' },
            params: {},
            cpu: 1,
            memoryGiB: 1,
            keep: [],
          },
          {
            name: 'train',
            component: 'ble-train',
            inputs: { gold: 'refine', r: 'releasable' },
            params: {},
            cpu: 1,
            memoryGiB: 1,
            keep: [],
          },
        ],
      });
    });

    await submit();
    await submit();

    const [job, again] = jobs;
    const [source] = job?.inputs['source'] ?? [];
    const [rows] = job?.inputs['releasable'] ?? [];
    expect(rows).toMatchObject({ name: 'rows.csv', sha256: digest(RELEASED), bytes: RELEASED.length });
    expect(again?.inputs['releasable']?.[0]?.storePath).toBe(rows?.storePath);
    const told = JSON.parse(Buffer.from((await store.read(source?.storePath ?? '', 1e6)) ?? '').toString('utf8')) as unknown;
    expect(told).toMatchObject({ name: version.spec.sources[0]?.name, format: 'csv', columns: { b3001: 'integer' } });
    expect(Buffer.from((await store.read(rows?.storePath ?? '', 1e6)) ?? '').toString('utf8')).toBe(RELEASED);
  });

  test('is not made where the version came without the file that it declares', async () => {
    const { submit } = await world((one) => void (one.spec.train.releasable = 'rows.csv'));

    expect(await submit()).toMatchObject({ rejection: { code: 'releasable-missing' } });
  });

  test('is asked for at the site alone', async () => {
    const { activities, plan, asked } = await world((one) => void (one.spec.train.backend = ['azureml', 'kubeflow']));

    expect(await step(activities, 'check-backends')(plan)).toEqual({
      ok: true,
      value: {
        checks: [
          { backend: 'azureml', missing: 'the rows stay on the premises, and it is not beside them' },
          { backend: 'kubeflow', missing: null },
        ],
      },
    });
    expect(asked).toMatchObject([{ rowsStay: true }]);
  });

  test('belongs to a plan that says so', async () => {
    const { stores, plan } = await world();

    const answer = await step(runActivities({ ...stores, announcer: { publish: async () => undefined } }), 'read-plan')(plan);

    expect(answer).toMatchObject({ value: { rowsStay: true } });
  });
});

test('a report with rows that nobody declared is not believed', async () => {
  const { activities, store } = await world();
  const report = reportOf(RUN);
  await store.create(`runs/${RUN}/run-report.json`, Buffer.from(JSON.stringify(report)), 'application/json');

  const answer = await step(activities, 'read-report')({ runId: RUN, noGolden: true });

  expect(answer).toMatchObject({
    rejection: { code: 'golden-undeclared', message: expect.stringContaining('rows have left the site') as string },
  });
});

describe('an endpoint without golden rows', () => {
  async function checked(report: object, answers: Prediction[], rowsStay = true) {
    const store = createMemoryStore();
    const { golden: _golden, ...rest } = reportOf(RUN);
    await store.create(`runs/${RUN}/run-report.json`, Buffer.from(JSON.stringify({ ...rest, ...report })), 'application/json');
    const sent: unknown[] = [];
    const platform = { invoke: async (_place: unknown, rows: unknown) => (sent.push(rows), answers) } as unknown as ServingPlatform;
    const place = { region: 'eu-central-1', endpoint: 'e' };
    const answer = await step(
      servingActivities({ platform, store }),
      'check-parity',
    )({
      ...place,
      trainRunId: RUN,
      ...(rowsStay ? { rowsStay } : {}),
    });
    return { answer, sent };
  }
  const madeUp = { data: { exampleRow: [-100, -100] } };
  const one: Prediction = { label: 'A01', probability: 0.5 };

  test('is sent a made-up row, and the record says that nothing was compared', async () => {
    const { answer, sent } = await checked(madeUp, [one]);

    expect(sent).toEqual([[[-100, -100]]]);
    expect(answer).toEqual({
      ok: true,
      value: { rowsChecked: 0, rowsAgreeing: 0, worst: null, shapeOnly: 'no releasable rows: endpoint checked by shape only' },
    });
  });

  test.each([
    ['gives no answer', madeUp, [], true, 'shape-failed'],
    ['gives an answer without a label', madeUp, [{ label: '', probability: null }], true, 'shape-failed'],
    ['has no made-up row to be asked', {}, [one], true, 'golden-missing'],
    ['is of a pipeline whose rows may be compared', madeUp, [one], false, 'golden-missing'],
  ])('is refused when it %s', async (_what, report, answers, rowsStay, code) => {
    expect((await checked(report, answers, rowsStay)).answer).toMatchObject({ rejection: { code } });
  });
});
