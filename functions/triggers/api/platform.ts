// The platform itself: what can be reached, who is asking, and the description of this API.
import { setTimeout as after } from 'node:timers/promises';
import type { PipelineSigns } from '../../../shared/contracts/http-api.ts';
import type { PipelineVitals } from '../../../shared/contracts/vitals.ts';
import { RejectedError, TransientError } from '../../../shared/errors/errors.ts';
import type { ApiDeps, Handlers } from './call.ts';
import { reconciler } from '../timers/reconcile.ts';
import { retentionNow } from '../timers/retention.ts';
import { unknownPipeline } from './guards.ts';
import { holdsOf, mayKnow } from './guards.ts';

/** A part that does not answer in this time is failing, whatever its adapter would still wait for. */
const PROBE_MS = 8_000;

export function platformHandlers(deps: ApiDeps): Handlers<'getStatus' | 'reconcile' | 'runRetention' | 'whoami' | 'getOpenApi'> {
  const compare = reconciler(deps);
  const remove = retentionNow(deps);
  return {
    async getStatus({ may }) {
      // What cannot be read is left out: the component that failed says why.
      const [components, queueDepth, vitals, reconciling, retaining, freezes, breakers] = await Promise.all([
        Promise.all(deps.probes.map(probed)),
        inTime(deps.queueDepth()).catch(() => null),
        inTime(deps.vitals.list()).catch(() => []),
        inTime(deps.vitals.reconciling()).catch(() => null),
        inTime(deps.vitals.retaining()).catch(() => null),
        inTime(deps.freezes.list()).catch(() => []),
        inTime(deps.breakers.list()).catch(() => []),
      ]);
      const state = components.some((component) => component.state === 'failing') ? 'failing' : 'ok';
      const seen = ({ pipeline }: { pipeline: string }): boolean => may('reader', { pipeline });
      const guards = { freezes: freezes.filter((freeze) => mayKnow(may, freeze)), breakers: breakers.filter(seen) };
      const holds = holdsOf(guards, null, deps.now().toISOString());
      const reconciled = reconciling?.last ?? null;
      const retained = retaining?.last ?? null;
      return { body: { state, components, queueDepth, pipelines: vitals.filter(seen).map(signsOf), holds, reconciled, retained } };
    },

    async reconcile({ body, caller, require, starter, log }) {
      require('operator', {});
      const { complete, listed, lost, found } = await compare(starter(), log, { fresh: true, graceSeconds: body.graceSeconds });
      const detail = `${listed} files compared, ${lost} found: ${body.reason}`;
      await deps.audit.record({ at: deps.now().toISOString(), actor: caller.name, action: 'lake.reconcile', subject: 'lake', detail });
      return { body: { complete, listed, lost, found } };
    },

    async runRetention({ body: { pipeline, dryRun, reason }, caller, may, require, log }) {
      require('operator', pipeline === undefined ? {} : { pipeline });
      if (pipeline !== undefined && !(await deps.pipelines.current(pipeline))) throw await unknownPipeline(deps, pipeline, may);
      const at = deps.now().toISOString();
      const detail = `${dryRun ? 'dry run' : 'removed for good'}: ${reason}`;
      // Before the deed: what is removed does not come back.
      await deps.audit.record({ at, actor: caller.name, action: 'lake.retention', subject: pipeline ?? 'lake', detail });
      return { body: await remove({ pipeline, dryRun }, log) };
    },

    async whoami({ caller }) {
      return { body: caller };
    },

    async getOpenApi() {
      // Loaded here: making the document from the schemas is work that other calls need not pay for.
      const { openApiDocument } = await import('../../../shared/contracts/openapi.ts');
      return { body: openApiDocument() };
    },
  };
}

function signsOf({ pipeline, lastEvent, lastDataset, lastTraining, freshness, nextSchedule }: PipelineVitals): PipelineSigns {
  return { pipeline, lastEvent, lastDataset, lastTraining, freshness, nextSchedule };
}

async function probed({ name, check }: ApiDeps['probes'][number]) {
  if (check === null) return { name, state: 'not-configured' as const, reason: null };
  try {
    await inTime(check());
    return { name, state: 'ok' as const, reason: null };
  } catch (error) {
    // Only our own errors are fit to be shown: what a vendor says may hold addresses and names.
    const ours = error instanceof RejectedError || error instanceof TransientError;
    return {
      name,
      state: 'failing' as const,
      reason: ours ? `${error.code}: ${error.message}` : 'it failed in an unknown way; see the log',
    };
  }
}

async function inTime<Value>(work: Promise<Value>): Promise<Value> {
  const stop = new AbortController();
  const late = after(PROBE_MS, undefined, { signal: stop.signal }).then(() => {
    throw new TransientError('probe-timeout', `no answer within ${PROBE_MS / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    stop.abort();
  }
}
