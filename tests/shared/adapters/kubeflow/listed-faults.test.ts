// Kubeflow and the list of faults that every place that trains must bear.
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';
import { createKubeflowBackend, type KubeflowOptions } from '../../../../shared/adapters/kubeflow/backend.ts';
import { backendFaultsSuite } from '../../../contracts/backend-faults.suite.ts';
import { openSite } from './site-rig.ts';

const AUDIENCE = 'pipelines.kubeflow.org';
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

backendFaultsSuite(
  async () => {
    const machine = { name: 'worker-1' };
    const site = openSite({
      nodes: [machine],
      cluster: {
        serviceAccounts: [
          { namespace: 'ml', name: 'sluice' },
          { namespace: 'ml', name: 'stranger' },
        ],
      },
      backend: { pollSettings: { intervalMs: 5, totalMs: 100 } },
    });
    const { cluster, kubeflowCloud: cloud, clock } = site;
    const mint = async (name: string) => (await cluster.tokens.mint({ namespace: 'ml', name }, [AUDIENCE], 600)).token;
    const withToken = (getToken: () => Promise<string>, more: Partial<KubeflowOptions> = {}): TrainingBackend =>
      createKubeflowBackend({
        baseUrl: 'https://kubeflow.test',
        namespace: 'ml',
        experiment: 'sluice',
        getToken,
        fetch: (input, init) => cloud.fetch(new Request(input, init)),
        now: () => clock.now(),
        sleep: pause,
        ...more,
      });
    const asSluice = async (path: string, method: string) =>
      cloud.fetch(
        new Request(`https://kubeflow.test/apis/v2beta1${path}`, { method, headers: { authorization: `Bearer ${await mint('sluice')}` } }),
      );
    const admit = (ready: boolean): void => {
      cluster.nodes.set(machine.name, { ...machine, ready });
      cluster.changed();
    };
    return {
      backend: site.backend,
      other: site.another({}),
      forged: withToken(async () => 'forged'),
      withoutRole: withToken(() => mint('stranger')),
      elsewhere: withToken(() => mint('sluice'), { namespace: 'elsewhere' }),
      skewed: (ms) => site.another({ now: () => clock.now() + ms }),
      jobsNamed: async (name) => {
        const { runs = [] } = (await (await asSluice('/runs?page_size=200&namespace=ml', 'GET')).json()) as {
          runs?: { run_id: string; display_name: string }[];
        };
        return runs.filter((run) => run.display_name === name).map((run) => run.run_id);
      },
      plan: ({ at, ...fault }) =>
        cloud.faults.add({ match: at === 'create' ? { operation: 'CreateRun' } : { path: '/apis/v2beta1/*' }, ...fault }),
      calm: () => cloud.faults.clear(),
      hold: () => admit(false),
      release: () => admit(true),
      cancelByPerson: async (jobId) => void (await asSluice(`/runs/${jobId}:terminate`, 'POST')),
      vanish: async (jobId) => void (await asSluice(`/runs/${jobId}`, 'DELETE')),
      outOfMemory: () => cluster.trouble('oom-kill', { 'sluice/step': 'dig' }).length > 0,
      close: () => site.close(),
    };
  },
  {
    forged: /opaque token.*pipelines\.kubeflow\.org/s,
    withoutRole: /"system:serviceaccount:ml:stranger".*kubeflow-pipelines-edit.*"ml"/s,
    // To KFP a namespace that is not there is one in which nobody has a role.
    elsewhere: { code: 'backend-forbidden', message: /kubeflow-pipelines-edit.*"elsewhere"/s },
  },
);
