// A Databricks workspace for tests: the stand-in with a tenant, volumes, wheels of a step that runs scripts, and backends over real HTTP.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDatabricksCloud, DATABRICKS_AUDIENCE, type DatabricksCloud } from '../../../../local/cloud/databricks/databricks-cloud.ts';
import type { DatabricksOptions as CloudOptions } from '../../../../local/cloud/databricks/model.ts';
import { createEntraCloud } from '../../../../local/cloud/entra/entra-cloud.ts';
import { freePort } from '../../../../local/cloud/kit/process.ts';
import { type CloudServer, serve } from '../../../../local/cloud/kit/server.ts';
import { createDatabricksBackend, type DatabricksOptions } from '../../../../shared/adapters/databricks/backend.ts';
import { JobSpec } from '../../../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../../../shared/ports/training-backend.ts';

export const PYTHON = process.env['SLUICE_PYTHON'] ?? '/usr/bin/python3';
const STEP = `import subprocess, sys
ended = subprocess.run([${JSON.stringify(process.execPath)}, '-e', *sys.argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print(ended.stdout, end='', flush=True)
sys.exit(ended.returncode)
`;
const CLIENTS = {
  sluice: { clientId: 'c-sluice', objectId: 'oid-sluice', name: 'sluice', secret: 'secret-of-sluice' },
  reader: { clientId: 'c-reader', objectId: 'oid-reader', name: 'reader', secret: 'secret-of-reader' },
  stranger: { clientId: 'c-stranger', objectId: 'oid-stranger', name: 'stranger', secret: 'secret-of-stranger' },
};

export interface Workspace {
  cloud: DatabricksCloud;
  url: string;
  folder: string;
  backend(more?: Partial<DatabricksOptions>): TrainingBackend;
  tokenOf(client: keyof typeof CLIENTS): Promise<string>;
  jobsNamed(name: string): Promise<string[]>;
  /** A person takes a run away: it is ended first, because the service deletes no run that is active. */
  removeRun(runId: string): Promise<void>;
  close(): Promise<void>;
}

/** The steps of the shared suite name a program and an image; here they are the wheel of a component that runs their script. */
export function asWheels(job: JobSpec): JobSpec {
  const steps = job.steps.map((step) => ({ ...step, component: 'suite', args: [step.command[2] ?? '', ...step.args] }));
  return JobSpec.parse({ ...job, steps });
}

/** `store`: the container behind the volume of the store, instead of a folder. */
export async function startWorkspace({
  store,
  ...more
}: Partial<CloudOptions> & { store?: { connectionString: string; container: string } } = {}): Promise<Workspace> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-databricks-'));
  const servers: CloudServer[] = [];
  const port = await freePort();
  const entra = await createEntraCloud({
    tenant: 'contoso',
    dataDir: join(folder, 'entra'),
    baseUrl: `http://127.0.0.1:${port}`,
    clients: Object.values(CLIENTS),
    apis: [{ uri: DATABRICKS_AUDIENCE, tokenVersion: 1 }],
  });
  servers.push(await serve((request) => entra.fetch(request), { port }));
  wheel ??= makeWheel();
  cpSync(await wheel, join(folder, 'wheels'), { recursive: true });
  const cloud = createDatabricksCloud({
    dataDir: join(folder, 'databricks'),
    issuer: entra.issuerV1,
    jwksUri: entra.jwksUri,
    principals: [CLIENTS.sluice, { ...CLIENTS.reader, mayRun: false }],
    volumes: [
      { path: '/Volumes/sluice/platform/wheels', folder: join(folder, 'wheels') },
      { path: '/Volumes/sluice/platform/store', ...(store ?? { folder: join(folder, 'store') }) },
    ],
    clusters: [
      { id: 'cluster-1', state: 'RUNNING' },
      { id: 'cluster-broken', state: 'ERROR' },
    ],
    secrets: { 'sluice/client-secret': 'VALUE-OF-THE-SECRET' },
    python: PYTHON,
    graceMs: 100,
    ...more,
  });
  const server = await serve((request) => cloud.fetch(request));
  servers.push(server);

  const tokens = new Map<string, Promise<string>>();
  /** One token for each, as a credential keeps it. */
  function tokenOf(client: keyof typeof CLIENTS): Promise<string> {
    const known = tokens.get(client) ?? newToken(client);
    tokens.set(client, known);
    return known;
  }
  async function newToken(client: keyof typeof CLIENTS): Promise<string> {
    const { clientId, secret } = CLIENTS[client];
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret, scope: `${DATABRICKS_AUDIENCE}/.default` };
    const answer = await fetch(`http://127.0.0.1:${port}/contoso/oauth2/v2.0/token`, { method: 'POST', body: new URLSearchParams(form) });
    return ((await answer.json()) as { access_token: string }).access_token;
  }
  const call = async (method: string, path: string, body?: string): Promise<Response> =>
    fetch(`${server.url}/api/2.2/jobs/${path}`, {
      method,
      headers: { authorization: `Bearer ${await tokenOf('sluice')}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
  return {
    cloud,
    url: server.url,
    folder,
    tokenOf,
    backend: (options = {}) =>
      createDatabricksBackend({
        url: server.url,
        getToken: () => tokenOf('sluice'),
        storeVolume: '/Volumes/sluice/platform/store',
        wheels: '/Volumes/sluice/platform/wheels',
        cluster: { existing: 'cluster-1' },
        environment: {},
        now: Date.now,
        sleep: () => Promise.resolve(),
        ...options,
      }),
    async jobsNamed(name) {
      const found: string[] = [];
      for (let page: string | undefined = '0'; page !== undefined;) {
        const answer = await call('GET', `runs/list?limit=25&page_token=${page}`);
        const text = (await answer.text()).replaceAll(/"run_id":(\d+)/g, '"run_id":"$1"');
        const { runs, next_page_token } = JSON.parse(text) as { runs: { run_id: string; run_name: string }[]; next_page_token?: string };
        found.push(...runs.filter((run) => run.run_name === name).map((run) => run.run_id));
        page = next_page_token;
      }
      return found;
    },
    async removeRun(runId) {
      await call('POST', 'runs/cancel', `{"run_id":${runId}}`);
      for (let turn = 0; turn < 300; turn += 1) {
        if ((await call('POST', 'runs/delete', `{"run_id":${runId}}`)).ok) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`run ${runId} did not end`);
    },
    async close() {
      for (const one of servers) await one.close();
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let wheel: Promise<string> | undefined;

/** A wheel named as that of the suite's image is; made once for a file of tests. */
async function makeWheel(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wheel-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const source = join(folder, 'components');
  cpSync('components/wheels.py', join(source, 'wheels.py'));
  mkdirSync(join(source, 'suite', 'sluice_suite'), { recursive: true });
  cpSync('components/protocol/sluice_launch', join(source, 'protocol', 'sluice_launch'), { recursive: true });
  writeFileSync(join(source, 'suite', 'sluice_suite', '__init__.py'), '');
  writeFileSync(join(source, 'suite', 'sluice_suite', '__main__.py'), STEP);
  writeFileSync(join(folder, 'lock.json'), JSON.stringify({ suite: `registry.test/step@sha256:${'1'.repeat(64)}` }));
  await promisify(execFile)(PYTHON, [join(source, 'wheels.py'), join(folder, 'lock.json'), join(folder, 'wheels')], { timeout: 30_000 });
  return join(folder, 'wheels');
}
