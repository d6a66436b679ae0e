// What only a stand-in has: `/_admin/jobs` shows and disturbs jobs, `/_admin/queue` stops the queue, `/_admin/clock` falsifies the `Date` header.
// Planned failures of calls are the kit's `/_admin/faults`.
import { BodyNotJsonError, isRecord, json, readJson } from '../kit/body.ts';
import type { WorkspacePart } from './api/context.ts';
import { isTerminal, type JobRecord } from './model.ts';

/** Disturbances that tests ask for. */
export interface Control {
  /** The job and its run are gone, as if they had never been; its process is ended. */
  vanish(name: string): void;
  /** A person cancels it in the studio. */
  cancelByPerson(name: string): void;
  /** The kernel kills its process because memory is out; false when it has none. */
  killProcess(name: string): boolean;
  /** The service loses sight of a running job (NotResponding), or finds it again (Running). */
  lose(name: string, lost: boolean): void;
  /** New and waiting jobs stay Queued until they are released; with a name only that one. */
  hold(name?: string): void;
  release(name?: string): void;
  /** Shifts the `Date` header of every answer, milliseconds. */
  skewDate(ms: number): void;
}

/** Holds jobs in the queue. */
export interface QueueHold {
  set(name: string | undefined, held: boolean): void;
  released(job: JobRecord, signal: AbortSignal): Promise<void>;
  list(): string[];
}

const ALL = '*';

/** Opens the hold; nothing is held. */
export function createQueueHold(): QueueHold {
  const held = new Set<string>();
  const waiting = new Set<() => void>();
  return {
    set(name = ALL, hold) {
      if (hold) held.add(name);
      else if (name === ALL) held.clear();
      else held.delete(name);
      for (const look of [...waiting]) look();
    },
    released: (job, signal) =>
      new Promise((resolve) => {
        const look = () => {
          if (!signal.aborted && (held.has(ALL) || held.has(job.name) || held.has(job.root))) return;
          waiting.delete(look);
          signal.removeEventListener('abort', look);
          resolve();
        };
        waiting.add(look);
        signal.addEventListener('abort', look);
        look();
      }),
    list: () => [...held],
  };
}

/** The disturbances of a stand-in. `skew` is kept by the front. */
export function createControl(workspaces: readonly WorkspacePart[], queue: QueueHold, skew: (ms: number) => void): Control {
  const find = (name: string): { workspace: WorkspacePart; job: JobRecord } => {
    for (const workspace of workspaces) {
      const job = workspace.store.job(name);
      if (job) return { workspace, job };
    }
    throw new TypeError(`There is no job ${name.slice(0, 100)}.`);
  };
  return {
    vanish(name) {
      const { workspace, job } = find(name);
      workspace.runner.abandon(job);
      for (const { name: own } of workspace.store.jobs().filter((other) => other === job || other.root === job.name)) {
        const run = workspace.store.tracking.run(own);
        if (run) {
          run.lifecycle = 'deleted';
          workspace.store.tracking.save(run);
        }
        workspace.store.dropJob(own);
      }
    },
    cancelByPerson(name) {
      const { workspace, job } = find(name);
      workspace.runner.cancel(job, { id: 'a person in the studio', type: 'User' });
    },
    killProcess(name) {
      const { workspace, job } = find(name);
      return workspace.runner.kill(job);
    },
    lose(name, lost) {
      const { workspace, job } = find(name);
      if (job.status !== (lost ? 'Running' : 'NotResponding')) throw new TypeError(`Job ${name} is ${job.status}.`);
      workspace.machinery.journal.status(job, lost ? 'NotResponding' : 'Running');
    },
    hold(name) {
      queue.set(name, true);
    },
    release(name) {
      queue.set(name, false);
    },
    skewDate: skew,
  };
}

/** Answers the admin routes; undefined for other paths. */
export async function answerAdmin(
  control: Control,
  workspaces: readonly WorkspacePart[],
  queue: QueueHold,
  request: Request,
): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  const [, what, name] = /^\/_admin\/(jobs|queue|clock)(?:\/([^/]+))?$/.exec(pathname) ?? [];
  if (what === undefined) return undefined;
  if (request.method === 'GET') {
    if (what === 'queue') return json({ held: queue.list() });
    return json({ jobs: workspaces.flatMap(({ options, store }) => store.jobs().map((job) => summary(options.name, job))) });
  }
  if (request.method !== 'POST') return json({ error: `${pathname} takes GET and POST.` }, 405);
  // A web page can send text/plain to a loopback port without asking; it cannot send this type.
  if (!(request.headers.get('content-type') ?? '').startsWith('application/json'))
    return json({ error: `${pathname} takes content-type application/json.` }, 415);
  try {
    const body = await readJson(request);
    if (!isRecord(body)) throw new TypeError('The body is an object.');
    if (what === 'jobs') return json(act(control, decodeURIComponent(name ?? ''), body));
    if (what === 'queue') return json(queueAct(control, queue, body));
    if (typeof body['dateSkewMs'] !== 'number' || !Number.isFinite(body['dateSkewMs'])) throw new TypeError('dateSkewMs is a number.');
    control.skewDate(body['dateSkewMs']);
    return json({ dateSkewMs: body['dateSkewMs'] });
  } catch (error) {
    if (error instanceof TypeError || error instanceof BodyNotJsonError) return json({ error: error.message }, 400);
    throw error;
  }
}

const summary = (workspace: string, job: JobRecord): object => ({
  workspace,
  name: job.name,
  jobType: job.jobType,
  status: job.status,
  reason: job.reason,
  parent: job.parent ?? null,
  history: job.history.map(({ status, at }) => ({ status, at: new Date(at).toISOString() })),
  ended: isTerminal(job.status),
});

function act(control: Control, name: string, body: Record<string, unknown>): object {
  switch (body['action']) {
    case 'vanish':
      control.vanish(name);
      return { name };
    case 'cancel':
      control.cancelByPerson(name);
      return { name };
    case 'kill':
      return { name, killed: control.killProcess(name) };
    case 'lose':
    case 'find':
      control.lose(name, body['action'] === 'lose');
      return { name };
    default:
      throw new TypeError('action is one of vanish, cancel, kill, lose, find.');
  }
}

function queueAct(control: Control, queue: QueueHold, body: Record<string, unknown>): object {
  const { held, name } = body;
  if (typeof held !== 'boolean' || (name !== undefined && typeof name !== 'string'))
    throw new TypeError('The body is { held: boolean, name?: string }.');
  if (held) control.hold(name);
  else control.release(name);
  return { held: queue.list() };
}
