// Azure ML and the list of faults that every place that trains must bear.
import { createArm } from '../../../../shared/clients/arm.ts';
import { backendFaultsSuite } from '../../../contracts/backend-faults.suite.ts';
import { localAzureMl, READER, SLUICE } from './local-azureml.ts';

backendFaultsSuite(
  async () => {
    const local = await localAzureMl({
      roles: [
        { objectId: SLUICE, role: 'AzureML Data Scientist' },
        { objectId: READER, role: 'Reader' },
      ],
    });
    const nobody = { getToken: async () => ({ token: 'forged', expiresOnTimestamp: Date.now() + 3_600_000 }) };
    const { subscriptionId } = local.arm();
    const forged = createArm({ credential: nobody, endpoint: local.url, subscriptionId, allowInsecureLoopback: true });
    const { cloud } = local;
    return {
      backend: local.backend(),
      other: local.backend(),
      forged: local.backend({ arm: forged }),
      withoutRole: local.backend({ arm: local.arm(READER) }),
      elsewhere: local.backend({ workspace: 'elsewhere' }),
      skewed: (ms) => {
        cloud.control.skewDate(-ms);
        return local.backend();
      },
      jobsNamed: (name) => local.jobsNamed(name),
      plan: ({ at, ...fault }) =>
        cloud.faults.add({ match: at === 'create' ? { operation: 'PutJob' } : { path: '/subscriptions/*' }, ...fault }),
      calm: () => {
        cloud.faults.clear();
        cloud.control.skewDate(0);
      },
      hold: () => cloud.control.hold(),
      release: () => cloud.control.release(),
      cancelByPerson: (jobId) => cloud.control.cancelByPerson(jobId),
      vanish: (jobId) => cloud.control.vanish(jobId),
      outOfMemory: (jobId) => cloud.control.killProcess(jobId),
      close: () => local.close(),
    };
  },
  {
    forged: /opaque token/,
    withoutRole: new RegExp(`object id ${READER}.*"AzureML Data Scientist"`),
    elsewhere: { code: 'workspace-unknown', message: /rg\/elsewhere.*Check subscription/s },
  },
);
