// Carries out runs: their activities one after the other, really. A run that was in progress when the process died is Failed afterwards.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import type { Clock } from '../kit/clock.ts';
import { startProcess, type ManagedProcess } from '../kit/process.ts';
import { openState } from '../kit/state.ts';
import type { Activity, ActivityRecord, CopyActivity, CustomActivity, DataFactoryOptions, RunRecord } from './model.ts';
import { FactoryError } from './model.ts';
import { expand } from './parameters.ts';

export interface Runner {
  create(pipelineName: string, parameters: Record<string, string>): RunRecord;
  get(runId: string): RunRecord | undefined;
  all(): readonly RunRecord[];
  cancel(runId: string): void;
  close(): Promise<void>;
}

const QUEUED_AT_MOST = 100;
const COPY_MS = 60_000;

export function createRunner(options: DataFactoryOptions, clock: Clock): Runner {
  const state = openState<{ runs: RunRecord[] }>(join(options.dataDir, 'runs.json'), { runs: [] });
  const processes = new Map<string, ManagedProcess>();
  let closing = false;
  for (const run of state.value.runs) {
    if (run.endedAt !== null) continue;
    finish(run, 'Failed', 'The integration runtime was restarted while the run was in progress.');
  }

  function finish(run: RunRecord, status: RunRecord['status'], message: string): void {
    run.status = status;
    run.message = message;
    run.startedAt ??= clock.now();
    run.endedAt = clock.now();
    run.updatedAt = clock.now();
    state.save();
  }

  /** Begins waiting runs of a pipeline as far as its concurrency lets it. */
  function begin(pipelineName: string): void {
    if (closing) return;
    const definition = options.pipelines[pipelineName];
    const mine = state.value.runs.filter((run) => run.pipelineName === pipelineName && run.endedAt === null);
    let free = (definition?.concurrency ?? Number.POSITIVE_INFINITY) - mine.filter((run) => run.status !== 'Queued').length;
    for (const run of mine.filter(({ status }) => status === 'Queued')) {
      if (free-- <= 0 || !definition) return;
      run.status = 'InProgress';
      run.startedAt = clock.now();
      run.updatedAt = clock.now();
      state.save();
      void perform(run, definition.activities).finally(() => begin(pipelineName));
    }
  }

  async function perform(run: RunRecord, activities: readonly Activity[]): Promise<void> {
    for (const activity of activities) {
      if (closing) return;
      const record: ActivityRecord = {
        activityRunId: randomUUID(),
        activityName: activity.name,
        activityType: activity.type,
        status: 'InProgress',
        startedAt: clock.now(),
        endedAt: null,
        output: {},
        message: '',
      };
      run.activities.push(record);
      try {
        record.output = activity.type === 'Copy' ? await copy(activity, run) : await custom(activity, run);
        record.status = 'Succeeded';
      } catch (error) {
        record.status = run.status === 'Canceling' ? 'Cancelled' : 'Failed';
        record.message = error instanceof Error ? error.message : String(error);
      }
      record.endedAt = clock.now();
      if (closing) return;
      if (run.status === 'Canceling') return finish(run, 'Cancelled', 'The run was cancelled.');
      if (record.status === 'Failed') return finish(run, 'Failed', `Operation on target ${activity.name} failed: ${record.message}`);
    }
    finish(run, run.status === 'Canceling' ? 'Cancelled' : 'Succeeded', '');
  }

  async function copy(activity: CopyActivity, run: RunRecord): Promise<Record<string, unknown>> {
    const content = await readFile(activity.from);
    const blobs = BlobServiceClient.fromConnectionString(options.connectionString, { retryOptions: { maxTries: 2 } });
    const path = expand(activity.to, run);
    await blobs
      .getContainerClient(activity.container)
      .getBlockBlobClient(path)
      .uploadData(content, { abortSignal: AbortSignal.timeout(COPY_MS) });
    return { dataRead: content.length, dataWritten: content.length, filesRead: 1, filesWritten: 1 };
  }

  async function custom(activity: CustomActivity, run: RunRecord): Promise<Record<string, unknown>> {
    const parameters = Object.fromEntries(Object.entries(run.parameters).map(([name, value]) => [`ADF_${name.toUpperCase()}`, value]));
    const logFile = join(options.dataDir, 'logs', `${run.runId}-${activity.name}.log`);
    const running = startProcess({ command: activity.command, cwd: activity.cwd, env: { ...activity.env, ...parameters }, logFile });
    processes.set(run.runId, running);
    const end = await running.ended;
    processes.delete(run.runId);
    if (end.code === 0) return { exitcode: 0 };
    const lines = (await readFile(logFile, 'utf8')).trim().split('\n');
    throw new Error(end.error ?? (lines.at(-1) || `the program ended with ${end.signal ?? `code ${end.code}`}`));
  }

  return {
    create(pipelineName, parameters) {
      const waiting = state.value.runs.filter((run) => run.pipelineName === pipelineName && run.status === 'Queued');
      if (waiting.length >= QUEUED_AT_MOST) {
        throw new FactoryError(400, 'BadRequest', `Pipeline execution throttled: ${QUEUED_AT_MOST} runs of '${pipelineName}' are queued.`);
      }
      const now = clock.now();
      const run: RunRecord = {
        runId: randomUUID(),
        pipelineName,
        parameters,
        createdAt: now,
        status: 'Queued',
        message: '',
        startedAt: null,
        endedAt: null,
        updatedAt: now,
        activities: [],
      };
      state.update(({ runs }) => void runs.push(run));
      begin(pipelineName);
      return run;
    },
    get: (runId) => state.value.runs.find((run) => run.runId === runId),
    all: () => state.value.runs,
    cancel(runId) {
      const run = state.value.runs.find((one) => one.runId === runId);
      if (!run || run.endedAt !== null) return;
      if (run.status === 'Queued') return finish(run, 'Cancelled', 'The run was cancelled.');
      run.status = 'Canceling';
      run.updatedAt = clock.now();
      state.save();
      void processes.get(runId)?.stop(1_000);
    },
    async close() {
      closing = true;
      await Promise.all([...processes.values()].map((one) => one.stop(1_000)));
    },
  };
}
