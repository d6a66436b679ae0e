// The Azure ML adapter against the stand-in over real HTTP: the port's contract first, with the store in a real storage service.
import { randomBytes } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import { describe, inject } from 'vitest';
import { createStore } from '../../../../shared/adapters/lake/store.ts';
import { trainingBackendSuite } from '../../../contracts/training-backend.suite.ts';
import { localAzureMl } from './local-azureml.ts';

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Azure ML', () => {
  trainingBackendSuite(async () => {
    const service = BlobServiceClient.fromConnectionString(inject('storage'));
    const container = service.getContainerClient(`contract${randomBytes(6).toString('hex')}`);
    await container.create();
    const stored = { accountName: 'devstoreaccount1', container: container.containerName, connectionString: inject('storage') };
    const local = await localAzureMl({
      workspaces: [{ name: 'ws', computes: [{ name: 'cpu', type: 'AmlCompute' }], datastores: [{ name: 'sluice', ...stored }] }],
    });
    return {
      backend: local.backend(),
      other: local.backend(),
      store: createStore(service, container.containerName),
      jobsNamed: (name) => local.jobsNamed(name),
      tick: () => pause(10),
      vanish: async (jobId) => local.cloud.control.vanish(jobId),
      close: async () => {
        await local.close();
        await container.deleteIfExists();
      },
    };
  });
});
