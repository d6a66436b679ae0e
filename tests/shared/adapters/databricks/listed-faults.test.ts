// Databricks and the list of faults that every place that trains must bear.
import { serve } from '../../../../local/cloud/kit/server.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { backendFaultsSuite } from '../../../contracts/backend-faults.suite.ts';
import { asWheels, startWorkspace } from './workspace.ts';

const overWheels = (backend: TrainingBackend): TrainingBackend => ({ ...backend, submit: (job) => backend.submit(asWheels(job)) });

backendFaultsSuite(
  async () => {
    const workspace = await startWorkspace();
    const { cloud } = workspace;
    // A name of the service's domain at which there is no workspace.
    const empty = await serve(() => new Response('<html>Unable to find worker</html>', { status: 404 }));
    const open = (more: Parameters<typeof workspace.backend>[0] = {}) => overWheels(workspace.backend(more));
    return {
      backend: open(),
      other: open(),
      forged: open({ getToken: async () => 'forged' }),
      withoutRole: open({ getToken: () => workspace.tokenOf('reader') }),
      elsewhere: open({ url: empty.url }),
      skewed: (ms) => open({ now: () => Date.now() + ms }),
      jobsNamed: (name) => workspace.jobsNamed(name),
      plan: ({ at, ...fault }) => cloud.faults.add({ match: at === 'create' ? { operation: 'submit' } : { path: '/api/*' }, ...fault }),
      calm: () => cloud.faults.clear(),
      hold: () => cloud.control.hold(),
      release: () => cloud.control.release(),
      cancelByPerson: async (jobId) => {
        const headers = { authorization: `Bearer ${await workspace.tokenOf('sluice')}`, 'content-type': 'application/json' };
        await fetch(`${workspace.url}/api/2.2/jobs/runs/cancel`, { method: 'POST', headers, body: `{"run_id":${jobId}}` });
      },
      vanish: (jobId) => workspace.removeRun(jobId),
      outOfMemory: (jobId) => cloud.control.kill(jobId),
      close: async () => {
        await workspace.close();
        await empty.close();
      },
    };
  },
  {
    forged: /service principal of an opaque token/,
    withoutRole: /reader does not have permission to create a run.*"oid-reader".*CAN MANAGE RUN/s,
    elsewhere: { code: 'workspace-unknown', message: /No Databricks workspace answers there: check DATABRICKS_URL/ },
  },
);
