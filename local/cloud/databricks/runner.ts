// Carries out submitted runs: each task is a process of its wheel, in the order that depends_on states, on this machine.
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../kit/clock.ts';
import { type ManagedProcess, startProcess } from '../kit/process.ts';
import { openState } from '../kit/state.ts';
import { ApiError, type DatabricksOptions, invalid, type RunRecord, type TaskRecord } from './model.ts';
import type { Submit, SubmitTask } from './submit.ts';
import type { Volumes } from './volumes.ts';

export interface Runner {
  /** The run of a token that is known, else a new one. */
  submit(request: Submit, creator: string): RunRecord;
  find(runId: string): { run: RunRecord; task: TaskRecord | null } | undefined;
  all(): readonly RunRecord[];
  cancel(runId: string): void;
  /** Forgets a run; its token is burnt (facts/azure.md §6). */
  remove(runId: string): void;
  logOf(task: TaskRecord): Promise<string>;
  /** Machines that are given out to nobody, for a while. */
  readonly queue: { hold(): void; release(): void };
  /** Ends the processes of a run as the kernel does; false when it has none. */
  kill(runId: string): boolean;
  close(): Promise<void>;
}

interface Kept {
  runs: RunRecord[];
  burnt: string[];
}

export function createRunner(options: DatabricksOptions, volumes: Volumes, clock: Clock): Runner {
  const state = openState<Kept>(join(options.dataDir, 'runs.json'), { runs: [], burnt: [] });
  const processes = new Map<string, ManagedProcess>();
  const queue = createQueue();
  let closing = false;
  for (const run of state.value.runs) {
    if (run.endTime !== 0) continue;
    for (const task of run.tasks)
      if (task.state !== 'TERMINATED') endTask(task, 'CLOUD_FAILURE', 'INTERNAL_ERROR', 'The cluster was lost.');
    run.endTime = clock.now();
    state.save();
  }

  function endTask(task: TaskRecord, code: string, type: string, message: string): void {
    task.state = 'TERMINATED';
    task.termination = { code, type, message };
    task.endTime = clock.now();
    state.save();
  }

  async function perform(run: RunRecord): Promise<void> {
    await queue.passed(run);
    if (options.pendingMs) await new Promise((resolve) => setTimeout(resolve, options.pendingMs).unref());
    const timer =
      run.timeoutSeconds > 0
        ? setTimeout(() => void stopTasks(run, 'RUN_EXECUTION_TIMED_OUT', 'CLIENT_ERROR'), run.timeoutSeconds * 1000).unref()
        : undefined;
    const done = new Map<string, Promise<boolean>>();
    for (const task of run.tasks) {
      const needs = ((task.settings as SubmitTask).depends_on ?? []).map(({ task_key }) => done.get(task_key) ?? Promise.resolve(true));
      done.set(
        task.taskKey,
        Promise.all(needs).then((results) => performTask(run, task, results.every(Boolean))),
      );
    }
    await Promise.all(done.values());
    clearTimeout(timer);
    if (closing) return;
    run.endTime = clock.now();
    state.save();
  }

  async function performTask(run: RunRecord, task: TaskRecord, ready: boolean): Promise<boolean> {
    if (closing) return false;
    if (run.cancelled) return (endTask(task, 'USER_CANCELED', 'CLIENT_ERROR', 'The run was cancelled.'), false);
    if (!ready) return (endTask(task, 'UPSTREAM_FAILED', 'CLIENT_ERROR', 'A task that this one depends on did not succeed.'), false);
    task.state = 'RUNNING';
    task.startTime = clock.now();
    state.save();
    try {
      return await runProcess(run, task);
    } catch (error) {
      endTask(task, 'LIBRARY_INSTALLATION_ERROR', 'CLIENT_ERROR', error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  async function runProcess(run: RunRecord, task: TaskRecord): Promise<boolean> {
    const settings = task.settings as SubmitTask;
    const text = JSON.stringify(settings);
    await volumes.fetch(text);
    const wheels = (settings.libraries ?? []).map(({ whl }) => volumes.local(whl));
    const missing = wheels.findIndex((wheel) => !existsSync(wheel));
    if (missing >= 0) throw new Error(`Library installation failed: ${settings.libraries?.[missing]?.whl ?? ''} does not exist.`);
    const cwd = join(options.dataDir, 'tasks', task.runId);
    await mkdir(join(cwd, 'home'), { recursive: true });
    const running = startProcess({
      command: commandOf(settings, options, volumes),
      cwd,
      env: { ...environmentOf(settings, options), HOME: join(cwd, 'home'), PYTHONPATH: wheels.join(':') },
      logFile: logFile(task),
    });
    processes.set(task.runId, running);
    const end = await running.ended;
    processes.delete(task.runId);
    if (closing) return false;
    // What a failed task has left on a volume is there as well.
    await volumes.store();
    if (task.termination) return false;
    if (end.code === 0) return (endTask(task, 'SUCCESS', 'SUCCESS', ''), true);
    if (run.cancelled) return (endTask(task, 'USER_CANCELED', 'CLIENT_ERROR', 'The run was cancelled.'), false);
    const lines = (await readFile(logFile(task), 'utf8').catch(() => '')).trim().split('\n');
    task.error =
      end.signal === 'SIGKILL'
        ? 'The Python process exited with exit code 137 (SIGKILL: Killed). This may have been caused by an OOM error.'
        : (lines.at(-1) ?? '');
    endTask(task, 'RUN_EXECUTION_ERROR', 'CLIENT_ERROR', `Task ${task.taskKey} failed with message: ${task.error}`);
    return false;
  }

  async function stopTasks(run: RunRecord, code: string, type: string): Promise<void> {
    for (const task of run.tasks) {
      if (task.state === 'TERMINATED') continue;
      if (code === 'USER_CANCELED' && task.state !== 'RUNNING') continue;
      endTask(task, code, type, code === 'USER_CANCELED' ? 'The run was cancelled.' : 'The run took longer than its timeout.');
      await processes.get(task.runId)?.stop(options.graceMs ?? 1_000);
    }
  }

  const logFile = (task: TaskRecord): string => join(options.dataDir, 'logs', `${task.runId}.log`);

  return {
    submit(request, creator) {
      const token = request.idempotency_token ?? null;
      if (token !== null) {
        if (state.value.burnt.includes(token)) throw invalid(`The run with idempotency token '${token}' was deleted.`);
        const known = state.value.runs.find((run) => run.token === token);
        if (known) return known;
      }
      for (const { existing_cluster_id: id } of request.tasks) {
        if (id !== undefined && !options.clusters?.some((cluster) => cluster.id === id)) throw invalid(`The cluster ${id} does not exist.`);
      }
      const run: RunRecord = {
        runId: newId(),
        runName: request.run_name,
        token,
        creator,
        startTime: clock.now(),
        timeoutSeconds: request.timeout_seconds,
        endTime: 0,
        cancelled: false,
        held: queue.isHeld(),
        tasks: request.tasks.map((settings) => ({
          runId: newId(),
          taskKey: settings.task_key,
          settings,
          state: settings.depends_on?.length ? 'BLOCKED' : 'PENDING',
          termination: null,
          startTime: 0,
          endTime: 0,
          error: '',
        })),
      };
      state.update(({ runs }) => void runs.push(run));
      void perform(run);
      return run;
    },
    find(runId) {
      for (const run of state.value.runs) {
        if (run.runId === runId) return { run, task: null };
        const task = run.tasks.find((one) => one.runId === runId);
        if (task) return { run, task };
      }
      return undefined;
    },
    all: () => state.value.runs,
    cancel(runId) {
      const run = state.value.runs.find((one) => one.runId === runId);
      if (!run) throw new ApiError(400, 'INVALID_PARAMETER_VALUE', `Run ${runId} does not exist.`);
      if (run.endTime !== 0) return;
      run.cancelled = true;
      state.save();
      queue.look();
      void stopTasks(run, 'USER_CANCELED', 'CLIENT_ERROR');
    },
    remove(runId) {
      const active = state.value.runs.find((one) => one.runId === runId && one.endTime === 0);
      if (active) throw new ApiError(400, 'INVALID_STATE', `Run ${runId} is active; cancel it before it is deleted.`);
      state.update((kept) => {
        const run = kept.runs.find((one) => one.runId === runId);
        if (run?.token) kept.burnt.push(run.token);
        kept.runs = kept.runs.filter((one) => one !== run);
      });
    },
    queue,
    kill(runId) {
      const run = state.value.runs.find((one) => one.runId === runId);
      const own = (run?.tasks ?? []).flatMap((task) => processes.get(task.runId) ?? []);
      return own.map(({ pid }) => killGroup(pid)).some(Boolean);
    },
    logOf: (task) => readFile(logFile(task), 'utf8').catch(() => ''),
    async close() {
      closing = true;
      await Promise.all([...processes.values()].map((one) => one.stop(options.graceMs ?? 1_000)));
    },
  };
}

function killGroup(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, 'SIGKILL');
    return true;
  } catch {
    // It has ended by itself.
    return false;
  }
}

/** Runs that are held back until somebody lets them go, or ends them. */
function createQueue() {
  let held = false;
  const waiting = new Set<() => void>();
  const look = (): void => {
    for (const one of [...waiting]) one();
  };
  return {
    isHeld: () => held,
    hold: () => void (held = true),
    release: () => {
      held = false;
      look();
    },
    look,
    passed: (run: RunRecord) =>
      new Promise<void>((resolve) => {
        const one = (): void => {
          if (held && run.held && !run.cancelled) return;
          run.held = false;
          waiting.delete(one);
          resolve();
        };
        waiting.add(one);
        one();
      }),
  };
}

/** 64-bit ids as the service gives them: larger than a JavaScript number holds exactly. */
function newId(): string {
  return `${randomInt(100_000_000, 900_000_000)}${String(randomInt(0, 999_999_999)).padStart(9, '0')}`;
}

function commandOf(settings: SubmitTask, { python }: DatabricksOptions, volumes: Volumes): readonly [string, ...string[]] {
  const { python_wheel_task: wheel, spark_python_task: script } = settings;
  if (script) return [python, volumes.local(script.python_file), ...(script.parameters ?? []).map((one) => volumes.rewrite(one))];
  const entry = [
    'import os, sys, importlib, importlib.metadata as m',
    'package, name = sys.argv[1:3]; del sys.argv[1:3]',
    // Only what the task's own wheels bring: looking through all that is installed takes longer than many a step.
    'brought = m.distributions(path=os.environ["PYTHONPATH"].split(":"))',
    'found = [e for d in brought for e in d.entry_points if e.group == "console_scripts" and e.name == name]',
    'target = found[0].load() if found else getattr(importlib.import_module(package), name)',
    'target()',
  ].join('\n');
  const parameters = (wheel?.parameters ?? []).map((one) => volumes.rewrite(one));
  return [python, '-c', entry, wheel?.package_name ?? '', wheel?.entry_point ?? '', ...parameters];
}

function environmentOf(settings: SubmitTask, { secrets = {}, clusters = [], env }: DatabricksOptions): Record<string, string> {
  const cluster = clusters.find(({ id }) => id === settings.existing_cluster_id)?.env ?? {};
  const own = Object.entries(settings.new_cluster?.spark_env_vars ?? {}).map(([name, value]): [string, string] => {
    const [, secret] = /^\{\{secrets\/([^}]+)\}\}$/.exec(value) ?? [];
    return [name, secret === undefined ? value : (secrets[secret] ?? '')];
  });
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    DATABRICKS_RUNTIME_VERSION: '15.4',
    PYTHONDONTWRITEBYTECODE: '1',
    ...env,
    ...cluster,
    ...Object.fromEntries(own),
  };
}
