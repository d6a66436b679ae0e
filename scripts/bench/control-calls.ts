// Control calls of a job on every place that trains: the product's own adapters against the local stack, counted as they leave this process.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import { createPorts } from '../../functions/ports.ts';
import { LOCAL } from '../../local/stack/cloud-config.ts';
import { appSettings } from '../../local/stack/settings.ts';
import { readStackFile } from '../../local/stack/stack-file.ts';
import { startStack } from '../../local/stack/stack.ts';
import { createLocalBackend } from '../../shared/adapters/local/backend.ts';
import { loadConfig } from '../../shared/config/config.ts';
import { isTerminal, JobSpec } from '../../shared/contracts/training.ts';
import type { TrainingBackend } from '../../shared/ports/training-backend.ts';
import { median } from './figures.ts';
import { countRequests, type Counting, type Sent } from './requests.ts';

export const BACKENDS = ['kubeflow', 'azureml', 'databricks', 'local'] as const;

export interface ControlCalls {
  backend: string;
  check: number;
  submit: number;
  /** One look at a job that works, unchanged since the last. */
  look: number;
  /** The same by an instance that has not seen it before. */
  firstLook: number;
  /** One look at a job that has ended. */
  end: number;
  adopt: number;
  adoptMs: number;
}

const COMPONENT = 'odd-train';
const ADOPTIONS = 5;
const LOOK_MS = 200;

/** Brings the stack up, measures each backend, and takes it down again. */
export async function benchControlCalls(root: string, say: (line: string) => void): Promise<ControlCalls[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-train-'));
  const folder = join(root, 'tests/e2e/components', COMPONENT);
  const stack = await startStack({
    root,
    dataDir,
    host: 'local',
    ports: { api: 0, lake: 0, queue: 0, table: 0 },
    environment: process.env,
    say,
    additions: { components: { [COMPONENT]: folder } },
  });
  const counting = countRequests();
  try {
    const file = await readStackFile(dataDir);
    if (!file) throw new Error('the stack left no stack.json');
    const { identityHeader } = JSON.parse(await readFile(join(dataDir, 'secrets.json'), 'utf8')) as { identityHeader: string };
    const { cloud, python } = stack;
    const storage = file.lake.connectionString;
    const work = { workDir: join(dataDir, 'bench'), components: join(root, 'components'), python };
    const poll = { firstSeconds: 5, maxSeconds: 60 };
    // The identity SDK reads its address from the environment of the process, as it does in a Functions host.
    Object.assign(process.env, appSettings({ cloud, state: storage, lake: storage, identityHeader, ...work, poll }));
    // The app makes it with the first thing that it keeps; the volume of Databricks is over it.
    await BlobServiceClient.fromConnectionString(storage).getContainerClient(LOCAL.storeContainer).createIfNotExists();
    await addWheel(root, dataDir, folder, stack.images, python);
    const identityHost = new URL(cloud.identityEndpoint).host;
    // The budget of calls that all instances share is kept in the app's own tables; it is no call to a backend.
    const tableHost = new URL(/TableEndpoint=([^;]+)/.exec(storage)?.[1] ?? 'http://none').host;
    const open = (name: string): TrainingBackend => (name === 'local' ? localBackend(dataDir, folder, python) : opened(name));
    const rows: ControlCalls[] = [];
    for (const name of BACKENDS) {
      const row = await measure(
        () => open(name),
        jobOf(`bench-${name}`, stack.images),
        counting,
        ({ host }) => host !== identityHost && host !== tableHost,
      );
      say(`${name} is measured`);
      rows.push({ backend: name, ...row });
    }
    return rows;
  } finally {
    counting.stop();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** The stack makes wheels of the product's own components; Databricks needs one of this component, too. */
async function addWheel(
  root: string,
  dataDir: string,
  folder: string,
  images: Readonly<Record<string, string>>,
  python: string,
): Promise<void> {
  const wheels = join(dataDir, 'wheels');
  const [made] = (await readdir(wheels, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  if (!made) throw new Error('the stack made no wheels');
  const source = join(dataDir, 'bench-wheel');
  for (const name of ['wheels.py', 'protocol']) await cp(join(root, 'components', name), join(source, name), { recursive: true });
  await cp(folder, join(source, COMPONENT), { recursive: true });
  const lock = join(source, 'lock.json');
  await writeFile(lock, JSON.stringify({ [COMPONENT]: images[COMPONENT] }));
  await promisify(execFile)(python, [join(source, 'wheels.py'), lock, join(wheels, made.name)], { timeout: 60_000 });
}

/** As a host that has just started opens it: nothing of an earlier submission is remembered. */
function opened(name: string): TrainingBackend {
  const backend = createPorts(loadConfig()).backends[name];
  if (!backend) throw new Error(`the stack has no ${name}`);
  return backend;
}

function localBackend(dataDir: string, folder: string, python: string): TrainingBackend {
  const components = { [COMPONENT]: { folder, pythonPath: ['.', '../../../../components/protocol'] } };
  return createLocalBackend({ root: join(dataDir, 'local-jobs'), components, programs: { python3: python }, now: Date.now });
}

/** One step that works for minutes and is cancelled. */
function jobOf(name: string, images: Readonly<Record<string, string>>): JobSpec {
  const args = ['--params-json', { parameter: 'params' }, '--out', { output: 'result' }];
  const step = { name: 'train', image: images[COMPONENT], command: ['python3', '-m', 'sluice_odd_train'], args, cpu: 1, memoryGiB: 1 };
  return JobSpec.parse({
    name,
    graph: 'bench-train',
    steps: [{ ...step, component: COMPONENT }],
    parameters: { params: '{"behaviour":"works-long"}' },
    labels: {},
  });
}

async function measure(
  open: () => TrainingBackend,
  job: JobSpec,
  counting: Counting,
  counts: (sent: Sent) => boolean,
): Promise<Omit<ControlCalls, 'backend'>> {
  const calls = async <Value>(work: () => Promise<Value>): Promise<{ count: number; value: Value; ms: number }> => {
    counting.take();
    const begun = performance.now();
    const value = await work();
    return { count: counting.take().filter(counts).length, value, ms: performance.now() - begun };
  };
  const backend = open();
  const check = await calls(() => backend.check(job));
  if (!check.value.available) throw new Error(`${job.name}: ${check.value.missing}`);
  const submit = await calls(() => backend.submit(job));
  const { jobId } = submit.value;
  try {
    await until(async () => {
      const { state, reason } = await backend.get(jobId);
      if (isTerminal(state)) throw new Error(`${job.name} is ${state}: ${reason ?? ''}`);
      return state === 'running';
    }, `${job.name} works`);
    const look = await calls(() => backend.get(jobId));
    const stranger = open();
    await stranger.probe();
    const firstLook = await calls(() => stranger.get(jobId));
    if (look.value.state !== 'running') throw new Error(`${job.name} is ${look.value.state}: ${look.value.reason ?? ''}`);
    const adoptions: { count: number; ms: number }[] = [];
    for (let time = 0; time < ADOPTIONS; time += 1) {
      const again = open();
      // Its modules are loaded and its token is there: what remains is the way of adoption.
      await again.probe();
      const adoption = await calls(() => again.submit(job));
      if (!adoption.value.adopted || adoption.value.jobId !== jobId) throw new Error(`${job.name} was made twice`);
      adoptions.push(adoption);
    }
    await backend.cancel(jobId, 'the benchmark is over');
    await until(async () => isTerminal((await backend.get(jobId)).state), `${job.name} ends`);
    const end = await calls(() => backend.get(jobId));
    const adopt = median(adoptions.map(({ count }) => count));
    const adoptMs = median(adoptions.map(({ ms }) => ms));
    return { check: check.count, submit: submit.count, look: look.count, firstLook: firstLook.count, end: end.count, adopt, adoptMs };
  } finally {
    await backend.cancel(jobId, 'the benchmark is over').catch(() => undefined);
  }
}

async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 240_000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`not seen within 240 s: ${what}`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}
