// Runs over HTTP: read, cancel, try again, logs.
import type { Run } from '../../../shared/contracts/runs.ts';
import type { RunSummary } from '../../../shared/contracts/http-api.ts';
import { CANCEL_EVENT } from '../../../shared/contracts/stories.ts';
import { instanceId } from '../../../shared/decisions/identity.ts';
import type { Scope } from '../../../shared/decisions/allowed.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { TrainingBackend } from '../../../shared/ports/training-backend.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { ApiDeps, Handlers } from './call.ts';

/** From the end of each step's log. */
const MAX_LOG_BYTES = 64 * 1024;

type Served = 'listRuns' | 'getRun' | 'cancelRun' | 'retryRun' | 'getRunLogs';

export function runHandlers(deps: ApiDeps): Handlers<Served> {
  return {
    async listRuns({ query, may }) {
      const { pipeline, status } = query;
      const filter = { ...(pipeline === undefined ? {} : { pipeline }), ...(status === undefined ? {} : { status }) };
      const page = await deps.runs.list(filter, query.limit, query.after);
      return { body: { items: page.items.filter((run) => may('reader', scopeOf(run))).map(summaryOf), next: page.next } };
    },

    async getRun({ params, require }) {
      const run = await runOf(deps, params.id);
      require('reader', scopeOf(run));
      return { body: run };
    },

    async cancelRun({ params, body, caller, require, starter }) {
      const run = await runOf(deps, params.id);
      require('operator', scopeOf(run));
      if (run.status !== 'running') throw new UserError(409, 'run-finished', `Run ${run.runId} is ${run.status} already`);
      await audit(deps, caller.name, 'run.cancel', run.runId, body.reason);
      const heard = await starter().raise(run.instanceId, CANCEL_EVENT, { by: caller.name, reason: body.reason });
      if (heard === 'nobody') await endUntold(deps, run, `Cancelled by ${caller.name} (${body.reason})`);
      return { status: 202, body: { runId: run.runId, state: 'cancelling' } };
    },

    async retryRun({ params, body, caller, require, starter }) {
      const run = await runOf(deps, params.id);
      require('operator', scopeOf(run));
      const last = await lastAttempt(deps, run);
      if (last.status === 'running') {
        if (!(await startedNow(last, starter()))) {
          throw new UserError(409, 'run-not-finished', `Run ${last.runId} is still at this work; cancel it or wait for its end`);
        }
        await audit(deps, caller.name, 'run.retry', last.runId, body.reason);
        return { status: 202, body: { runId: last.runId, instanceId: last.instanceId, attempt: last.attempt } };
      }
      const attempt = last.attempt + 1;
      const runId = instanceId(last.story, last.pipeline, last.key, attempt);
      const at = deps.now().toISOString();
      await audit(deps, caller.name, 'run.retry', runId, body.reason);
      if (last.story === 'promote')
        await promoteAgain(deps, last.runId, { promotionId: runId, requestedBy: caller.name, reason: body.reason, requestedAt: at });
      const opened = await deps.runs.open({
        ...opening(last, at),
        runId,
        attempt,
        instanceId: runId,
        owner: runId,
        cause: { kind: 'person', ref: caller.name },
        input: { ...last.input, runId },
      });
      await starter().start(opened.story, opened.instanceId, opened.input);
      return { status: 202, body: { runId, instanceId: opened.instanceId, attempt } };
    },

    async getRunLogs({ params, require }) {
      const run = await runOf(deps, params.id);
      require('reader', scopeOf(run));
      const jobs = await Promise.all(
        run.jobs.map(async (job) => ({
          stage: job.stage,
          jobName: job.jobName,
          steps: await placeOf(deps, job).logs(job.jobId, MAX_LOG_BYTES),
        })),
      );
      return { body: { jobs } };
    },
  };
}

/** A promotion's environment is in the input of its story. */
export function scopeOf(run: Run): Scope {
  const environment = run.input['environment'];
  return { pipeline: run.pipeline, environment: typeof environment === 'string' ? environment : undefined };
}

export function summaryOf({ input: _input, ...summary }: Run): RunSummary {
  return summary;
}

/** The fields of a run that has not done anything yet. */
export function opening(like: Pick<Run, 'story' | 'pipeline' | 'contractDigest' | 'key'>, at: string) {
  const { story, pipeline, contractDigest, key } = like;
  const nothing = { failure: null, jobs: [], refined: null, trained: null, promoted: null, next: [], seconds: {} };
  return { story, pipeline, contractDigest, key, status: 'running' as const, phase: 'opened', startedAt: at, finishedAt: null, ...nothing };
}

/** Where a job ran: a training backend, or the Data Factory of an extraction. */
function placeOf(deps: ApiDeps, { jobName, backend: name }: Run['jobs'][number]): Pick<TrainingBackend, 'logs'> {
  if (name === 'datafactory') {
    if (deps.dataPipelines) return deps.dataPipelines;
    throw new UserError(409, 'data-pipelines-missing', `Job ${jobName} ran in a Data Factory, and none is configured here any more`);
  }
  const backend = Object.hasOwn(deps.backends, name) ? deps.backends[name] : undefined;
  if (backend) return backend;
  throw new UserError(409, 'backend-unknown', `Job ${jobName} ran on "${name}", which is not configured here any more`);
}

async function runOf(deps: ApiDeps, runId: string): Promise<Run> {
  const run = await deps.runs.find(runId);
  if (!run) throw new UserError(404, 'run-unknown', `There is no run ${runId}; GET /api/v1/runs lists them`);
  return run;
}

/** A run that says `running` while nobody tells it (its story broke down, or a crash came before the start) would say so for ever. */
async function endUntold(deps: ApiDeps, run: Run, why: string): Promise<void> {
  const failure = { code: 'cancelled', message: `${why}; its story had ended or was never begun` };
  await deps.runs.patch(run.pipeline, run.runId, { status: 'cancelled', failure, finishedAt: deps.now().toISOString() });
}

/** An attempt that a person asked for and whose start did not follow (a crash between): it starts now. Others are told by the run before. */
async function startedNow(run: Run, starter: Starter): Promise<boolean> {
  return run.owner === run.runId && (await starter.start(run.story, run.instanceId, run.input)) === 'started';
}

/** The attempt that a retry follows: the one that runs, or the newest. UserError 409 `work-done`: one key never succeeds twice. */
async function lastAttempt(deps: ApiDeps, run: Run): Promise<Run> {
  const attempts = await deps.runs.attempts(run.pipeline, run.key);
  const succeeded = attempts.find(({ status }) => status === 'succeeded');
  if (succeeded) throw new UserError(409, 'work-done', `Run ${succeeded.runId} did this work: the same work is never done twice`);
  return attempts.find(({ status }) => status === 'running') ?? attempts.at(-1) ?? run;
}

/** Each attempt of a promotion is in the list of promotions under its own id. */
async function promoteAgain(
  deps: ApiDeps,
  before: string,
  again: { promotionId: string; requestedBy: string; reason: string; requestedAt: string },
): Promise<void> {
  const promotion = await deps.promotions.find(before);
  if (!promotion) return;
  const { requestKey: _requestKey, ...same } = promotion;
  await deps.promotions.record({ ...same, ...again });
}

async function audit(deps: ApiDeps, actor: string, action: string, subject: string, detail: string): Promise<void> {
  await deps.audit.record({ at: deps.now().toISOString(), actor, action, subject, detail });
}
