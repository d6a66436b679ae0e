// The Azure ML adapter against the stand-in over real HTTP: the port's contract first.
import { describe } from 'vitest';
import { trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';
import { localAzureMl } from './local-azureml.ts';

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Azure ML', () => {
  trainingBackendSuite(async () => {
    const local = await localAzureMl();
    return {
      backend: local.backend(),
      other: local.backend(),
      jobsNamed: (name) => local.jobsNamed(name),
      tick: () => pause(20),
      close: () => local.close(),
    };
  });
});
