// The SageMaker adapter against the stand-in: the port's contract with endpoints that are real processes.
import { afterAll, beforeAll, describe } from 'vitest';
import { servingPlatformSuite } from '../../../contracts/serving-platform.suite.ts';
import { type LocalAws, REGION, startLocalAws } from '../../clients/local-aws.ts';
import { startSagemaker } from './local-sagemaker.ts';

let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws();
});
afterAll(() => aws.close());

describe('SageMaker', () => {
  servingPlatformSuite(async () => {
    const { platform, request, close } = await startSagemaker(aws);
    return {
      platform,
      region: REGION,
      healthy: (label, change) => request({ label }, change),
      broken: (label) => request({ label, ping: 500 }),
      tick: () => new Promise((resolve) => setTimeout(resolve, 25)),
      close,
    };
  });
});
