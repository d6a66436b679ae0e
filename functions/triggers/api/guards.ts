// Freezes and breakers over HTTP. Everything that changes what may start is in the audit log with its reason.
import { suggestion } from '../../../shared/contracts/did-you-mean.ts';
import type { Breaker, Freeze } from '../../../shared/contracts/guards.ts';
import type { BreakerView, Holds } from '../../../shared/contracts/http-api.ts';
import { closeBreaker } from '../../../shared/decisions/breaker.ts';
import { holding, holdsNow } from '../../../shared/decisions/guards-view.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { ApiCall, ApiDeps, Handlers } from './call.ts';

type Served = 'listFreezes' | 'freezeAll' | 'unfreezeAll' | 'freezePipeline' | 'unfreezePipeline' | 'listBreakers' | 'closeBreaker';
type Asked = Pick<Freeze, 'kind' | 'reason' | 'until'>;

export function guardHandlers(deps: ApiDeps): Handlers<Served> {
  return {
    async listFreezes({ may }) {
      const now = deps.now().toISOString();
      const items = (await deps.freezes.list()).filter((freeze) => holdsNow(freeze, now) && mayKnow(may, freeze));
      return { body: { items } };
    },

    async freezeAll({ body, caller, require }) {
      require('operator', {});
      return { body: await freeze(deps, null, body, caller.name) };
    },

    async unfreezeAll({ body, caller, require }) {
      require('operator', {});
      return { body: { ended: await unfreeze(deps, null, body.reason, caller.name) } };
    },

    async freezePipeline({ params, body, caller, may, require }) {
      require('operator', { pipeline: params.name });
      await refuseUnknown(deps, params.name, may);
      return { body: await freeze(deps, params.name, body, caller.name) };
    },

    async unfreezePipeline({ params, body, caller, may, require }) {
      require('operator', { pipeline: params.name });
      await refuseUnknown(deps, params.name, may);
      return { body: { ended: await unfreeze(deps, params.name, body.reason, caller.name) } };
    },

    async listBreakers({ may }) {
      const now = deps.now().toISOString();
      const breakers = (await deps.breakers.list()).filter(({ pipeline }) => may('reader', { pipeline }));
      return { body: { items: breakers.map((breaker) => viewOf(breaker, now)) } };
    },

    async closeBreaker({ params, body, caller, may, require }) {
      const { pipeline } = params;
      require('operator', { pipeline });
      await refuseUnknown(deps, pipeline, may);
      const at = deps.now().toISOString();
      const answer = await deps.breakers.update(pipeline, (before) => {
        const breaker = closeBreaker(before, caller.name, body.reason, at);
        return { breaker, answer: { breaker, wasOpen: before?.state === 'open', cause: before?.opened?.cause ?? null } };
      });
      if (!answer.breaker || !answer.wasOpen)
        throw new UserError(409, 'breaker-not-open', `The breaker of "${pipeline}" is not open; sluice pipelines breaker lists them`);
      const detail = `opened by ${answer.cause}: ${body.reason}`;
      await deps.audit.record({ at, actor: caller.name, action: 'breaker.close', subject: pipeline, detail });
      return { body: viewOf(answer.breaker, at) };
    },
  };
}

/** What holds all pipelines holds each reader's too. */
export function mayKnow(may: ApiCall<never>['may'], { pipeline }: Freeze): boolean {
  return pipeline === null || may('reader', { pipeline });
}

/** What keeps events of some pipelines, or of all of them (null), from starting anything now. */
export function holdsOf(
  guards: { freezes: readonly Freeze[]; breakers: readonly Breaker[] },
  pipelines: ReadonlySet<string> | null,
  now: string,
): Holds {
  const { freezes, breakers } = holding(guards, pipelines, now);
  return { freezes, breakers: breakers.map(({ pipeline, state, opened, closed }) => ({ pipeline, state, opened, closed })) };
}

function viewOf({ pipeline, state, opened, closed, datasets, trainings }: Breaker, now: string): BreakerView {
  const since = (counts: Record<string, number>, ms: number): number =>
    Object.entries(counts).reduce((sum, [slot, count]) => (Date.parse(slot) > Date.parse(now) - ms ? sum + count : sum), 0);
  const hour = 3_600_000;
  return { pipeline, state, opened, closed, datasetsLastHour: since(datasets, hour), trainingsLastDay: since(trainings, 24 * hour) };
}

async function freeze(deps: ApiDeps, pipeline: string | null, asked: Asked, by: string): Promise<Freeze> {
  const since = deps.now().toISOString();
  if (asked.until !== null && Date.parse(asked.until) <= Date.parse(since))
    throw new UserError(422, 'freeze-over', `${asked.until} is over; name a later time, or none: until somebody ends it`);
  const until = asked.until === null ? null : new Date(asked.until).toISOString();
  const made: Freeze = { pipeline, kind: asked.kind, by: by.slice(0, 200), reason: asked.reason, since, until };
  await deps.freezes.set(made);
  const detail = `${asked.kind} until ${until ?? 'somebody ends it'}: ${asked.reason}`;
  await deps.audit.record({ at: since, actor: by, action: 'pipeline.freeze', subject: pipeline ?? 'all pipelines', detail });
  return made;
}

/** Gives what was ended. One whose time is over is cleared away and is none. */
async function unfreeze(deps: ApiDeps, pipeline: string | null, reason: string, by: string): Promise<Freeze | null> {
  const at = deps.now().toISOString();
  const before = (await deps.freezes.list()).find((one) => one.pipeline === pipeline) ?? null;
  if ((await deps.freezes.end(pipeline)) === 'none' || before === null || !holdsNow(before, at)) return null;
  const detail = `frozen by ${before.by} since ${before.since}: ${reason}`;
  await deps.audit.record({ at, actor: by, action: 'pipeline.unfreeze', subject: pipeline ?? 'all pipelines', detail });
  return before;
}

/** A slip of the name would freeze nothing, and nobody would notice. */
async function refuseUnknown(deps: Pick<ApiDeps, 'pipelines'>, name: string, may: ApiCall<never>['may']): Promise<void> {
  if (!(await deps.pipelines.list()).some((one) => one.name === name)) throw await unknownPipeline(deps, name, may);
}

/** The error for a name that is not registered; suggests only what the caller may know. */
export async function unknownPipeline(deps: Pick<ApiDeps, 'pipelines'>, name: string, may: ApiCall<never>['may']): Promise<UserError> {
  const names = (await deps.pipelines.list()).map((one) => one.name).filter((pipeline) => may('reader', { pipeline }));
  const known = names.length === 0 ? 'register one with: sluice apply DIR' : suggestion(name, names);
  return new UserError(404, 'pipeline-unknown', `There is no pipeline "${name}"; ${known}`);
}
