// How a model goes to its bucket: by the pod's own identity where the backend has one in that region, by one pre-signed PUT otherwise.
import { InvocationContext } from '@azure/functions';
import { expect, test } from 'vitest';
import { trainingActivities } from '../../../functions/activities/training.ts';
import { createMemoryStore } from '../../../shared/adapters/memory/store.ts';
import { createMemoryStores } from '../../../shared/adapters/memory/stores.ts';
import type { JobSpec } from '../../../shared/contracts/training.ts';
import type { ArtifactStore } from '../../../shared/ports/serving-platform.ts';
import { digest, minute, runIdOf } from '../../contracts/samples.ts';
import { exampleVersion } from '../../support/example-pipeline.ts';

async function published(region: string): Promise<{ parameters: JobSpec['parameters']; signed: number; answer: unknown }> {
  const stores = createMemoryStores();
  const store = createMemoryStore();
  const { version, bundle } = exampleVersion();
  await stores.pipelines.put(version, bundle, 'ada', minute(1));
  await store.create('runs/r/model.tar.gz', Buffer.from('archive'), 'application/gzip');
  const jobs: JobSpec[] = [];
  let signed = 0;
  const backend = { submit: async (job: JobSpec) => (jobs.push(job), { jobId: 'j-1', adopted: false }) };
  const artifacts: ArtifactStore = {
    head: async () => null,
    presignPut: async () => ((signed += 1), { url: 'https://bucket/key?X-Amz-Signature=1', headers: { 'x-amz-meta-sha256': 'x' } }),
  };
  const activities = trainingActivities({
    ...{ ...stores, store, artifacts, awsRegions: { kubeflow: 'eu-central-1' } },
    backends: { kubeflow: backend as never },
  });
  const answer = await activities
    .find(({ name }) => name === 'submit-publication')
    ?.handler(
      {
        ...{ backend: 'kubeflow', runId: runIdOf('promote', version.name, digest('p')), pipeline: version.name },
        ...{ contractDigest: version.digest, modelDigest: digest('m'), region, bucket: 'models', signedUrlSeconds: 900 },
        archive: { storePath: 'runs/r/model.tar.gz', sha256: digest('a'), bytes: 7 },
      },
      new InvocationContext({ logHandler: () => undefined }),
    );
  return { parameters: jobs[0]?.parameters ?? {}, signed, answer };
}

test('nothing is signed where the pod has an identity of its own', async () => {
  const { parameters, signed, answer } = await published('eu-central-1');
  const place = `s3://models/models/${digest('m')}/model.tar.gz`;

  expect(answer).toMatchObject({ ok: true, value: { artifactUri: place, job: { jobId: 'j-1' } } });
  expect([signed, parameters['upload'], parameters['headers']]).toEqual([0, place, '{}']);
});

test('to a bucket of another region the model goes by one signed address', async () => {
  const { parameters, signed } = await published('us-east-1');

  expect([signed, parameters['upload']]).toEqual([1, 'https://bucket/key?X-Amz-Signature=1']);
});
