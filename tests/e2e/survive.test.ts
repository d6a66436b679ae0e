// The host is killed (SIGKILL) in the middle of each stage and started again on what it left: every run goes on, and nothing happens twice.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunSummary } from '../../shared/contracts/http-api.ts';
import { readings } from '../support/pipeline-variant.ts';
import { type Landed, ODD_COMPONENTS, REGION, runOf, startTestStack, type TestStack, until } from '../support/test-stack.ts';

const PIPELINE = 'survivor';
/** Large files, so that refining takes long enough to be interrupted; trains in no time and promotes nothing. */
const BULKY = 'bulky';
const BULKY_ROWS = 40_000;
/** The calls that a kill is to interrupt take so long. */
const HOLD_MS = 1_200;

let at: TestStack;

beforeAll(async () => {
  at = await startTestStack({ components: ODD_COMPONENTS, pendingMs: HOLD_MS });
  const train = { component: 'odd-train', params: { behaviour: 'plain' } };
  await Promise.all([at.register({ pipeline: PIPELINE }), at.register({ pipeline: BULKY, train, start: 'manual' })]);
});

afterAll(() => at?.stop());

const runs = async (): Promise<RunSummary[]> => (await at.api.get<{ items: RunSummary[] }>('/runs?limit=200')).items;

/** Resolves when a run that was not there before is in that phase. */
async function reached(phase: string, before: ReadonlySet<string>): Promise<RunSummary> {
  const look = async (): Promise<RunSummary | undefined> => (await runs()).find((run) => !before.has(run.runId) && run.phase === phase);
  return until(`a run in phase ${phase}`, look, 30);
}

/** The next SageMaker call of that name is carried out late. */
async function hold(operation: string): Promise<void> {
  const fault = { match: { operation }, action: 'delay', delayMs: HOLD_MS };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${at.stack.cloud.sagemaker}/_admin/faults`, { method: 'POST', headers, body: JSON.stringify(fault) });
  expect(answer.status).toBe(201);
}

async function heldCalls(): Promise<unknown[]> {
  const answer = await fetch(`${at.stack.cloud.sagemaker}/_admin/faults`);
  return ((await answer.json()) as { faults: unknown[] }).faults;
}

async function killedDuring(phase: string | null, pipeline: string, content: string): Promise<Landed> {
  const before = new Set((await runs()).map(({ runId }) => runId));
  const landed = await at.land(pipeline, `${phase ?? 'arriving'}.csv`, content);
  const interrupted = phase === null ? null : await reached(phase, before);
  await at.stack.killAndRestartHost();
  if (interrupted) expect((await at.api.get<RunSummary>(`/runs/${interrupted.runId}`)).status).not.toBe('failed');
  return landed;
}

async function commitsOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const blob of at.lake.listBlobsFlat({ prefix: `${folder}_delta_log/` }))
    if (/\/\d{20}\.json$/.test(blob.name)) names.push(blob.name);
  return names;
}

async function expectOnce(landed: Landed, commits: number): Promise<RunSummary[]> {
  const followed = await at.follow(landed);
  const [refine, train] = [runOf(followed, 'refine'), runOf(followed, 'train')];
  const rows = await at.events(landed.path);

  expect(followed.runs.map((run) => [run.story, run.status, run.attempt, run.failure])).toEqual(
    followed.runs.map((run) => [run.story, 'succeeded', 1, null]),
  );
  expect(rows).toMatchObject([{ verdict: { kind: 'accepted' }, runId: refine.runId }]);
  for (const commit of [refine.refined?.silver, refine.refined?.gold]) expect(await commitsOf(commit?.path ?? '?')).toHaveLength(commits);
  const jobs = (await at.kubeflowRuns()).filter((job) => job.display_name === train.runId);
  expect(jobs).toMatchObject([{ state: 'SUCCEEDED' }]);
  expect(train.jobs.map((job) => job.jobId)).toEqual(jobs.map((job) => job.run_id));
  return followed.runs;
}

test('killed while it refines', async () => {
  const landed = await killedDuring('refining', BULKY, readings(1, BULKY_ROWS));

  const chain = await expectOnce(landed, 1);
  expect(chain.map(({ story }) => story).sort()).toEqual(['refine', 'train']);
});

test.each([
  ['its file arrives', null, 1],
  ['it trains', 'training', 2],
  ['it publishes', 'publishing', 3],
  ['it deploys', 'deploying', 4],
] as const)('killed while %s', async (_what, phase, number) => {
  if (phase === 'deploying') await hold('UpdateEndpoint');
  const before = await at.serving.read({ region: REGION, endpoint: `${PIPELINE}-dev` });
  const landed = await killedDuring(phase, PIPELINE, readings(number));

  const chain = await expectOnce(landed, number);
  const promote = chain.find(({ story }) => story === 'promote');
  expect(chain).toHaveLength(3);
  expect(promote?.promoted).toMatchObject({ previousConfig: before.configName });
  expect((await at.kubeflowRuns()).filter((job) => job.display_name === `${promote?.runId}-publish`)).toHaveLength(1);
  const after = await at.serving.read({ region: REGION, endpoint: `${PIPELINE}-dev` });
  expect(after).toMatchObject({ status: 'in-service', configName: promote?.promoted?.configName, pendingConfig: null });
  expect(promote?.promoted?.parity.rowsAgreeing).toBe(promote?.promoted?.parity.rowsChecked);
  expect(await heldCalls()).toEqual([]);
  const { items } = await at.api.get<{ items: { promotionId: string }[] }>('/serving');
  expect(items).toMatchObject([{ promotionId: promote?.runId }]);
});

test('after all of that no run is left under way, and no job ran twice', async () => {
  const names = (await at.kubeflowRuns()).map((job) => job.display_name);

  expect((await runs()).map(({ status }) => status)).toEqual(Array.from({ length: 2 + 4 * 3 }, () => 'succeeded'));
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(1 + 4 * 2);
});
