// What came of trainings, over HTTP: compare two, read their reports and files, and let one that works cost more.
import type { trainingOperations } from '../../../shared/contracts/http/training.ts';
import { RunReport } from '../../../shared/contracts/run-report.ts';
import type { Params, Train, TrainStep } from '../../../shared/contracts/pipeline/train.ts';
import type { Run } from '../../../shared/contracts/runs.ts';
import { ParamOverrides } from '../../../shared/contracts/stories.ts';
import { limitOf } from '../../../shared/decisions/budget.ts';
import { compareRuns } from '../../../shared/decisions/compare-runs.ts';
import { sha256Hex } from '../../../shared/decisions/digest.ts';
import { paramsOf, stepsOf, withOverrides } from '../../../shared/decisions/train-spec.ts';
import { keptFilePath, REPORT, runFolder, stepReportPath } from '../../../shared/decisions/training-plan.ts';
import { RejectedError, UserError } from '../../../shared/errors/errors.ts';
import type { ApiDeps, ApiHandler } from './call.ts';

type Operations = typeof trainingOperations;
type Served = 'compareRuns' | 'topUpRun' | 'getRunReport' | 'getRunFile';

const MAX_REPORT_BYTES = 8 * 1024 * 1024;
/** Base64 of it stays far below what an answer may hold. */
const MAX_FILE_BYTES = 2 * 1024 * 1024;

export function trainingResultHandlers(deps: ApiDeps): { [Key in Served]: ApiHandler<Operations[Key]> } {
  return {
    async compareRuns({ query, require }) {
      const [a, b] = await Promise.all([trainingOf(deps, query.a), trainingOf(deps, query.b)]);
      for (const { pipeline } of [a, b]) require('reader', { pipeline });
      const side = async (run: Run) => ({
        run,
        report: await reportAt(deps, `${runFolder(run.runId)}/${REPORT}`),
        steps: await stepReports(deps, run),
        goldRows: await goldRowsOf(deps, run),
      });
      return { body: compareRuns(await side(a), await side(b)) };
    },

    async topUpRun({ params, body, caller, require, idempotencyKey }) {
      const run = await runOf(deps, params.id);
      require('approver', { pipeline: run.pipeline });
      const { budget, pipeline, runId } = run;
      if (!budget)
        throw new UserError(
          409,
          'reservation-unknown',
          `Run ${runId} has reserved no money; its pipeline states no train.budget, or it has not begun`,
        );
      if (run.status !== 'running') throw new UserError(409, 'run-finished', `Run ${runId} is ${run.status} already; retry it instead`);
      const at = deps.now().toISOString();
      const topUp = { id: sha256Hex(idempotencyKey), amount: body.amount, by: caller.name, reason: body.reason, at };
      const raised = await deps.budgets.topUp({ pipeline, month: budget.month }, runId, topUp).catch((error: unknown) => {
        if (error instanceof RejectedError) throw new UserError(409, error.code, error.message, [], { cause: error });
        throw error;
      });
      const limit = limitOf(raised);
      await deps.audit.record({
        at,
        actor: caller.name,
        action: 'run.top-up',
        subject: runId,
        detail: `${body.amount} more, ${limit} in all: ${body.reason}`,
      });
      return { body: { runId, month: budget.month, limit } };
    },

    async getRunReport({ params, require }) {
      const run = await trainingOf(deps, params.id);
      require('reader', { pipeline: run.pipeline });
      const steps = await declaredSteps(deps, run);
      const folder = runFolder(run.runId);
      const view = async (path: string) => {
        const report = await reportAt(deps, path);
        if (!report) return null;
        const { golden: _golden, ...rest } = report;
        return rest;
      };
      return {
        body: {
          runId: run.runId,
          report: await view(`${folder}/${REPORT}`),
          steps: await Promise.all(steps.map(async ({ name }) => ({ step: name, report: await view(stepReportPath(folder, name)) }))),
          files: await leftFiles(deps, run, steps),
        },
      };
    },

    async getRunFile({ params, require }) {
      const run = await trainingOf(deps, params.id);
      require('reader', { pipeline: run.pipeline });
      const { step, file } = params;
      const content = await deps.store.read(keptFilePath(runFolder(run.runId), step, file), MAX_FILE_BYTES).catch((error: unknown) => {
        if (!(error instanceof RejectedError)) throw error;
        throw new UserError(
          413,
          'file-too-large',
          `${file} of step ${step} is larger than ${MAX_FILE_BYTES} bytes; take it from the store`,
        );
      });
      if (!content) {
        throw new UserError(
          404,
          'file-unknown',
          `Run ${run.runId} has no file ${file} of step ${step}; name it under "keep" of the step in sluice.yaml`,
        );
      }
      return { body: { step, file, bytes: content.byteLength, base64: Buffer.from(content).toString('base64') } };
    },
  };
}

export async function runOf({ runs }: ApiDeps, runId: string): Promise<Run> {
  const run = await runs.find(runId);
  if (!run) throw new UserError(404, 'run-unknown', `There is no run ${runId}; GET /api/v1/runs lists them`);
  return run;
}

async function trainingOf(deps: ApiDeps, runId: string): Promise<Run> {
  const run = await runOf(deps, runId);
  if (run.story === 'train') return run;
  throw new UserError(409, 'run-not-a-training', `Run ${runId} is a ${run.story} run; this is about trainings`);
}

/** A report as far as it can be read: what is wrong with it is said by the run's own failure. */
async function reportAt({ store }: ApiDeps, path: string): Promise<RunReport | null> {
  const bytes = await store.read(path, MAX_REPORT_BYTES);
  if (!bytes) return null;
  try {
    const parsed = RunReport.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The steps of a training as its version of the pipeline has them. */
async function declaredSteps({ pipelines }: ApiDeps, run: Run): Promise<TrainStep[]> {
  const version = await pipelines.version(run.pipeline, run.contractDigest);
  return version ? stepsOf(version.spec.train) : [];
}

/** The files that the pipeline keeps of a run. One that did not end well may have left none of them, so its are looked for. */
async function leftFiles(
  { store }: ApiDeps,
  run: Run,
  steps: readonly TrainStep[],
): Promise<{ step: string; file: string; path: string }[]> {
  const path = (step: string, file: string) => keptFilePath(runFolder(run.runId), step, file);
  const kept = steps.flatMap(({ name, keep }) => keep.map((file) => ({ step: name, file, path: path(name, file) })));
  if (run.status === 'succeeded') return kept;
  const there = await Promise.all(kept.map(async (one) => ((await store.digest(one.path)) === null ? [] : [one])));
  return there.flat();
}

/** What each step of a graph was asked and said: the last one knows its own parameters only. */
async function stepReports(deps: ApiDeps, run: Run): Promise<{ step: string; asked: Params; report: RunReport | null }[]> {
  const version = await deps.pipelines.version(run.pipeline, run.contractDigest);
  if (!version) return [];
  const train = askedOf(version.spec.train, run);
  const path = (name: string) => stepReportPath(runFolder(run.runId), name);
  return Promise.all(
    stepsOf(train).map(async (step) => ({
      step: step.name,
      asked: paramsOf(train, step),
      report: await reportAt(deps, path(step.name)),
    })),
  );
}

/** The training with the parameters that the run was asked for. */
function askedOf(train: Train, { input }: Run): Train {
  const overrides = ParamOverrides.safeParse(input['overrides']);
  const changed = overrides.success ? withOverrides(train, overrides.data) : null;
  return changed?.ok ? changed.train : train;
}

/** Runs that are looked through for the one that made a gold version. */
const LOOKED_AT = 200;

/** Rows of the gold version that a training used, where the run that made it is known: its cause, or another of the pipeline. */
async function goldRowsOf({ runs }: ApiDeps, run: Run): Promise<number | null> {
  const digest = goldDigestOf(run);
  if (digest === null) return null;
  const made = (one: Run | null): number | null => (one?.refined?.gold.digest === digest ? one.refined.gold.rows : null);
  const known = run.cause.kind === 'run' ? made(await runs.find(run.cause.ref)) : null;
  if (known !== null) return known;
  const { items } = await runs.list({ pipeline: run.pipeline, status: 'succeeded' }, LOOKED_AT);
  return made(items.find((one) => made(one) !== null) ?? null);
}

function goldDigestOf({ trained, input }: Run): string | null {
  if (trained) return trained.goldDigest;
  const gold = input['gold'];
  return typeof gold === 'object' && gold !== null && 'digest' in gold && typeof gold.digest === 'string' ? gold.digest : null;
}
