// The memory platform behaves as every platform must; its clock is moved by hand.
import { describe, expect, it } from 'vitest';
import { createMemoryServing } from '../../../../shared/adapters/memory/serving-platform.ts';
import type { ServingRequest } from '../../../../shared/contracts/serving.ts';
import { digestOf } from '../../../../shared/decisions/digest.ts';
import { ENDPOINT, servingPlatformSuite } from '../../../contracts/serving-platform.suite.ts';

const labelOf = (request: ServingRequest) => request.tags['label'] ?? '';

async function requestFor(label: string, change: Partial<ServingRequest['target']> = {}): Promise<ServingRequest> {
  const modelDigest = digestOf(label);
  return {
    target: {
      name: 'main',
      platform: 'sagemaker',
      endpoint: ENDPOINT,
      region: 'eu-central-1',
      roleArn: 'arn:aws:iam::123456789012:role/serve',
      bucket: 'models',
      component: 'serve',
      instanceType: 'ml.m5.large',
      instanceCount: 1,
      healthyWithin: '30m',
      ...change,
    },
    image: `registry.test/serve@sha256:${'1'.repeat(64)}`,
    modelDigest,
    artifactUri: `s3://models/models/${modelDigest}/model.tar.gz`,
    tags: { label },
  };
}

describe('memory', () => {
  servingPlatformSuite(async () => {
    let now = 0;
    const { platform } = createMemoryServing({
      now: () => now,
      unhealthy: (request) => (labelOf(request) === 'bad' ? 'ping answered 500' : null),
      predict: (request, rows) => rows.map(() => ({ label: labelOf(request), probability: 0.5 })),
    });
    return {
      platform,
      region: 'eu-central-1',
      healthy: requestFor,
      broken: requestFor,
      tick: async () => {
        now += 500;
      },
      close: async () => undefined,
    };
  });

  it('knows the objects that it was given, and signs an upload of exactly one content', async () => {
    const { artifacts, putObject } = createMemoryServing({ now: () => 0 });
    const place = { region: 'eu-central-1', bucket: 'models', key: 'models/x/model.tar.gz' };
    const content = { sha256: 'a'.repeat(64), bytes: 7 };

    expect(await artifacts.head(place)).toBeNull();
    const { headers } = await artifacts.presignPut({ ...place, ...content, expiresSeconds: 900 });
    putObject(place, content);

    expect(headers).toMatchObject({ 'x-amz-meta-sha256': content.sha256, 'content-length': '7' });
    expect(await artifacts.head(place)).toEqual(content);
  });
});
