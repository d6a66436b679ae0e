// A file above the limit is refined by the engine outside, first by a Data Factory pipeline, then by a run on Databricks, and the model
// trains from the gold that the engine committed. The limit is nothing, so that a small file is above it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LOCAL } from '../../local/stack/cloud-config.ts';
import type { LedgerEntry } from '../../shared/contracts/events.ts';
import type { Run } from '../../shared/contracts/runs.ts';
import { readings } from '../support/pipeline-variant.ts';
import { runOf, startTestStack, type TestStack, until } from '../support/test-stack.ts';

const PIPELINE = 'large';
const before = { ...process.env };
let at: TestStack;

/** Settings as a deployment has them: they come to the host by its environment. */
const handTo = (settings: Record<string, string>) => Object.assign(process.env, { SLUICE_HANDOVER_MB: '0', ...settings });

beforeAll(async () => {
  handTo({ SLUICE_HANDOVER_TO: 'data-factory', SLUICE_HANDOVER_PIPELINE: LOCAL.refinePipeline });
  at = await startTestStack();
  await at.register({ pipeline: PIPELINE });
});

afterAll(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith('SLUICE_HANDOVER_') && !(name in before)) delete process.env[name];
  await at?.stop();
});

async function refined(name: string, content: string): Promise<{ run: Run; train: Run }> {
  const followed = await at.follow(await at.land(PIPELINE, name, content));
  const read = (story: 'refine' | 'train') => at.api.get<Run>(`/runs/${runOf(followed, story).runId}`);
  return { run: await read('refine'), train: await read('train') };
}

/** The verdict of the commit that the engine made in gold. */
const commitEvent = ({ refined: found }: Run): Promise<LedgerEntry> => {
  const { path, version } = found!.gold;
  const name = `${path}_delta_log/${String(version).padStart(20, '0')}.json`;
  return until(`an event of ${name}`, async () => (await at.events(name))[0]);
};

test('with a Data Factory: one pipeline run, both commits, a model of their gold, and no second run', async () => {
  const { run, train } = await refined('first.csv', readings(1));

  expect(run.status, JSON.stringify(run.failure)).toBe('succeeded');
  expect(run).toMatchObject({
    engine: { engine: 'data-factory' },
    jobs: [{ stage: 'refine', backend: 'datafactory', jobName: `${run.runId}-refine`, adopted: false }],
    refined: { silver: { version: 0, addedRows: 240 }, gold: { version: 0, rows: 240 }, readRows: 240, quarantinedRows: 0 },
  });
  expect(train.status, JSON.stringify(train.failure)).toBe('succeeded');
  expect(train.trained).toMatchObject({ goldVersion: 0, goldDigest: run.refined?.gold.digest });
  expect(await commitEvent(run)).toMatchObject({
    verdict: { kind: 'ignored', rule: 'own-commit', evidence: { madeBy: run.runId } },
    instanceId: null,
  });
});

test('with Databricks: the wheel refines into the same tables, and the model is trained again', async () => {
  handTo({ SLUICE_HANDOVER_TO: 'databricks', SLUICE_HANDOVER_IMAGE: at.stack.images['refine'] ?? '' });
  await at.stack.killAndRestartHost();

  const { run, train } = await refined('second.csv', readings(2));

  expect(run.status, JSON.stringify(run.failure)).toBe('succeeded');
  expect(run).toMatchObject({
    engine: { engine: 'databricks' },
    jobs: [{ stage: 'refine', backend: 'databricks', jobName: `${run.runId}-refine`, adopted: false }],
    refined: { gold: { version: 1, rows: 240 }, readRows: 240 },
  });
  expect(train.status, JSON.stringify(train.failure)).toBe('succeeded');
  expect(train.trained).toMatchObject({ goldVersion: 1, goldDigest: run.refined?.gold.digest });
  expect((await commitEvent(run)).verdict.rule).toBe('own-commit');
});
