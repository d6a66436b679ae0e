// What only a stand-in has: `POST /_admin/queue` holds runs back and lets them go, `POST /_admin/runs/{id}` has the kernel kill what a run is doing.
import { BodyNotJsonError, isRecord, json, readJson } from '../kit/body.ts';
import type { Runner } from './runner.ts';

/** Disturbances that tests ask for. */
export interface Control {
  /** New runs find no machine: they stay QUEUED until they are released. */
  hold(): void;
  release(): void;
  /** The kernel kills the processes of a run because memory is out; false when it has none. */
  kill(runId: string): boolean;
}

export function createControl(runner: Runner): Control {
  return { hold: () => runner.queue.hold(), release: () => runner.queue.release(), kill: (runId) => runner.kill(runId) };
}

/** Answers the admin routes; undefined for other paths. */
export async function answerAdmin(control: Control, request: Request): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  const [, what, runId = ''] = /^\/_admin\/(queue|runs)(?:\/(\d{1,19}))?$/.exec(pathname) ?? [];
  if (what === undefined) return undefined;
  if (request.method !== 'POST') return json({ error: `${pathname} takes POST.` }, 405);
  // A web page can send text/plain to a loopback port without asking; it cannot send this type.
  if (!(request.headers.get('content-type') ?? '').startsWith('application/json'))
    return json({ error: `${pathname} takes content-type application/json.` }, 415);
  const body = await readJson(request).catch((error: unknown) => {
    if (error instanceof BodyNotJsonError) return null;
    throw error;
  });
  if (what === 'runs') {
    if (isRecord(body) && body['action'] === 'kill') return json({ killed: control.kill(runId) });
    return json({ error: 'The body is { "action": "kill" }.' }, 400);
  }
  if (!isRecord(body) || typeof body['held'] !== 'boolean') return json({ error: 'The body is { "held": boolean }.' }, 400);
  if (body['held']) control.hold();
  else control.release();
  return json({ held: body['held'] });
}
