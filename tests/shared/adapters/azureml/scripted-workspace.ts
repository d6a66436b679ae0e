// A workspace in a few lines: remembers what is PUT, answers MLflow, and lets a test change any answer. For what the stand-in cannot be made to do.
import { type AzureMlOptions, createAzureMlBackend } from '../../../../shared/adapters/azureml/backend.ts';
import { JobSpec, type JobSpecInput } from '../../../../shared/contracts/training.ts';
import { answer, refusal, type Script, type Scripted, scripted, type Seen, SUBSCRIPTION } from '../../clients/arm/scripted.ts';

export const WORKSPACE = `/subscriptions/${SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws`;
export const IMAGE = `registry.test/sluice/train@sha256:${'1'.repeat(64)}`;
export const OTHER_IMAGE = `registry.test/sluice/convert@sha256:${'2'.repeat(64)}`;

/** Given an answer, it is sent instead; undefined lets the workspace answer. */
export type Twist = (seen: Seen, below: string, number: number) => Response | undefined;

export interface ScriptedWorkspace extends Scripted {
  /** What was PUT, by path below the workspace. */
  kept: Map<string, { properties: Record<string, unknown> }>;
  options: AzureMlOptions;
  backend: ReturnType<typeof createAzureMlBackend>;
  /** Calls as `METHOD path` below the workspace. */
  calls(): string[];
}

export async function scriptedWorkspace(twist: Twist = () => undefined, more: Partial<AzureMlOptions> = {}): Promise<ScriptedWorkspace> {
  const kept: ScriptedWorkspace['kept'] = new Map();
  let host = '';
  const below = (seen: Seen) => seen.path.replace(WORKSPACE, '').replace(/^\/mlflow\/v1\.0/, 'mlflow');
  const script: Script = (seen, number) => {
    const path = below(seen);
    const twisted = twist(seen, path, number);
    if (twisted) return twisted;
    if (path === '')
      return answer({ name: 'ws', location: 'westeurope', properties: { mlFlowTrackingUri: `azureml://${host}/mlflow/v1.0${WORKSPACE}` } });
    if (path.startsWith('mlflow')) return refusal(404, 'RESOURCE_DOES_NOT_EXIST', 'no such run');
    if (seen.method === 'PUT') {
      const status = kept.has(path) ? 200 : 201;
      kept.set(path, seen.body as { properties: Record<string, unknown> });
      return answer(described(path), status);
    }
    if (seen.method === 'POST') return answer(null, 202, { location: `http://${host}/x` });
    return kept.has(path) ? answer(described(path)) : refusal(404, 'UserError', `${path} not found.`);
  };
  const described = (path: string) => ({
    id: `${WORKSPACE}${path}`,
    name: path.split('/')[2],
    ...kept.get(path),
    systemData: { createdAt: '2026-11-22T11:00:00Z' },
  });
  const server = await scripted(script);
  host = new URL(server.url).host;
  const options: AzureMlOptions = {
    arm: server.arm,
    resourceGroup: 'rg',
    workspace: 'ws',
    datastore: 'sluice',
    compute: 'cpu',
    pollSettings: { intervalMs: 1, totalMs: 3 },
    sleep: async () => undefined,
    ...more,
  };
  return {
    ...server,
    kept,
    options,
    backend: createAzureMlBackend(options),
    calls: () => server.seen.map((seen) => `${seen.method} ${below(seen)}`),
  };
}

const file = (name: string) => ({
  name,
  storePath: `staged/abc/${name}`,
  sha256: 'a'.repeat(64),
  bytes: 3,
  url: 'https://x.example/?sig=SECRET',
});

/** A job of one step with data in, a report out, and its lineage. */
export function oneStep(more: Partial<JobSpecInput> = {}): JobSpec {
  return JobSpec.parse({
    name: 'train-credit-0123456789abcdef-a1',
    graph: 'credit-train',
    steps: [
      {
        name: 'train',
        image: IMAGE,
        command: ['python3', '-m', 'sluice_train'],
        args: ['--input', { input: 'gold', prefix: 'gold=' }, '--params-json', { parameter: 'params' }, '--out', { output: 'result' }],
        cpu: 2,
        memoryGiB: 4,
      },
    ],
    parameters: { params: '{"alpha":0.03}' },
    labels: { pipeline: 'credit' },
    inputs: { gold: [file('part-0.csv')] },
    exports: [{ step: 'train', output: 'result', file: 'run-report.json', storePath: 'runs/r1/run-report.json', url: 'u', readUrl: 'r' }],
    timeoutSeconds: 7_800,
    lineage: {
      pipeline: 'credit',
      runId: 'train-credit-0123456789abcdef-a1',
      goldDigest: 'b'.repeat(64),
      specDigest: 'c'.repeat(64),
      goldTable: 'gold_credit',
      goldVersion: 7,
    },
    experiment: 'credit/risk',
    ...more,
  });
}

/** Three steps: the second reads the first, the third both. */
export function threeSteps(): JobSpec {
  const base = oneStep();
  const step = (name: string, image: string, args: JobSpecInput['steps'][number]['args']) => ({
    name,
    image,
    command: ['python3', '-m', name],
    args,
    cpu: 1,
    memoryGiB: 1,
  });
  return JobSpec.parse({
    ...base,
    steps: [
      step('make-set', IMAGE, [{ input: 'gold', prefix: 'gold=' }, { output: 'result' }]),
      step('train', IMAGE, [{ from: 'make-set', output: 'result', prefix: 'set=' }, { parameter: 'params' }, { output: 'result' }]),
      step('convert', OTHER_IMAGE, [{ from: 'make-set', output: 'result' }, { from: 'train', output: 'model' }, { output: 'result' }]),
    ],
    exports: [{ step: 'convert', output: 'result', file: 'run-report.json', storePath: 'runs/r1/run-report.json', url: 'u', readUrl: 'r' }],
  });
}
