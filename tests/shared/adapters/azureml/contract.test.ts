// The Azure ML adapter against the stand-in over real HTTP: the port's contract first.
import { describe } from 'vitest';
import { trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';
import { JobSpec } from '../../../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { localAzureMl } from './local-azureml.ts';

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The suite writes jobs by hand; defaults are filled in where a job enters the product. */
const parsing = (backend: TrainingBackend): TrainingBackend => ({ ...backend, submit: (job) => backend.submit(JobSpec.parse(job)) });

describe('Azure ML', () => {
  trainingBackendSuite(async () => {
    const local = await localAzureMl();
    return {
      backend: parsing(local.backend()),
      other: parsing(local.backend()),
      jobsNamed: local.jobsNamed,
      tick: () => pause(20),
      close: () => local.close(),
    };
  });
});
