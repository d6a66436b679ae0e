// Promotions by hand: the model, the environment and the reason come from a person; the same request twice is one promotion.
import { suggestion } from '../../../shared/contracts/did-you-mean.ts';
import type { Promotion, Run } from '../../../shared/contracts/runs.ts';
import type { PromoteInput } from '../../../shared/contracts/stories.ts';
import { digestOf } from '../../../shared/decisions/digest.ts';
import { instanceId, promoteKey } from '../../../shared/decisions/identity.ts';
import { TransientError, UserError } from '../../../shared/errors/errors.ts';
import type { ApiDeps, Handlers } from './call.ts';
import { oneModel } from './models.ts';
import { opening, summaryOf } from './runs.ts';

/** Request numbers are taken by whoever writes first; after so many lost races something else is wrong. */
const MAX_CLAIMS = 20;
const MAX_LISTED = 1000;

export function promotionHandlers(deps: ApiDeps): Handlers<'requestPromotion' | 'listPromotions' | 'getPromotion'> {
  return {
    async requestPromotion({ body, idempotencyKey, caller, may, require, starter }) {
      const { environment, reason } = body;
      const model = await oneModel(
        deps.models,
        body.model,
        body.pipeline,
        (pipeline) => may('reader', { pipeline }) || may('operator', { pipeline, environment }),
      );
      const { pipeline, modelDigest } = model;
      require('operator', { pipeline, environment });
      const contractDigest = await contractWith(deps, pipeline, environment);
      const requestKey = digestOf(['promotion', caller.subject, idempotencyKey]);
      const wanted = {
        environment,
        pipeline,
        modelDigest,
        requestedBy: caller.name,
        reason,
        requestedAt: deps.now().toISOString(),
        requestKey,
      };
      const { promotion, state } = await claim(deps, wanted);
      if (state === 'recorded') {
        const detail = `${modelDigest} to ${environment}: ${reason}`;
        await deps.audit.record({
          at: wanted.requestedAt,
          actor: caller.name,
          action: 'promotion.request',
          subject: promotion.promotionId,
          detail,
        });
      }
      // Also for a repeated request: the first may have ended between writing and starting.
      const run = await deps.runs.open(promotionRun(deps, promotion, contractDigest));
      if (run.status === 'running') await starter().start('promote', run.instanceId, run.input);
      return {
        status: state === 'recorded' ? 202 : 200,
        headers: { location: `/api/v1/promotions/${promotion.promotionId}` },
        body: { promotion, run: summaryOf(run) },
      };
    },

    async listPromotions({ query, may }) {
      const { environment, model: modelDigest } = query;
      const filter = { ...(environment === undefined ? {} : { environment }), ...(modelDigest === undefined ? {} : { modelDigest }) };
      const items = await deps.promotions.list(filter, query.limit);
      return { body: { items: items.filter((promotion) => may('reader', promotion)) } };
    },

    async getPromotion({ params, require }) {
      const promotion = await deps.promotions.find(params.id);
      if (!promotion)
        throw new UserError(404, 'promotion-unknown', `There is no promotion ${params.id}; GET /api/v1/promotions lists them`);
      require('reader', { pipeline: promotion.pipeline, environment: promotion.environment });
      const run = await deps.runs.find(params.id);
      return { body: { promotion, run: run && summaryOf(run) } };
    },
  };
}

/** The contract that a promotion by hand follows: the pipeline as it is registered now, which must have the environment. */
async function contractWith(deps: ApiDeps, pipeline: string, environment: string): Promise<string> {
  const version = await deps.pipelines.current(pipeline);
  if (!version)
    throw new UserError(409, 'pipeline-unknown', `Pipeline "${pipeline}" is not registered any more; register it with: sluice apply DIR`);
  const environments = Object.keys(version.spec.environments);
  if (environments.includes(environment)) return version.digest;
  const mend = suggestion(environment, environments);
  const problem = { where: 'environment', problem: `pipeline "${pipeline}" has no environment "${environment}"`, mend };
  throw new UserError(404, 'environment-unknown', `${problem.problem} (${mend})`, [problem]);
}

type Wanted = Omit<Promotion, 'promotionId' | 'request'> & { requestKey: string };

/** Takes the next request number of this model and environment, or finds the promotion that this very request made before. */
async function claim(deps: ApiDeps, wanted: Wanted): Promise<{ promotion: Promotion; state: 'recorded' | 'known' }> {
  const { environment, modelDigest, requestKey } = wanted;
  for (let claims = 0; claims < MAX_CLAIMS; claims += 1) {
    const before = await deps.promotions.list({ environment, modelDigest }, MAX_LISTED);
    const same = before.find((promotion) => promotion.requestKey === requestKey) ?? (await elsewhere(deps, requestKey));
    if (same) return { promotion: sameRequest(same, wanted), state: 'known' };
    const request = 1 + Math.max(0, ...before.map((promotion) => promotion.request));
    const promotionId = instanceId('promote', wanted.pipeline, promoteKey({ modelDigest, environment, request }), 1);
    const promotion: Promotion = { ...wanted, promotionId, request };
    if ((await deps.promotions.record(promotion)) === 'recorded') return { promotion, state: 'recorded' };
  }
  throw new TransientError(
    'promotion-contended',
    `Others promoted ${modelDigest.slice(0, 12)} to ${environment} ${MAX_CLAIMS} times meanwhile`,
  );
}

/** The same key with another model or environment shows up among the newest promotions. */
async function elsewhere(deps: ApiDeps, requestKey: string): Promise<Promotion | undefined> {
  return (await deps.promotions.list({}, MAX_LISTED / 5)).find((promotion) => promotion.requestKey === requestKey);
}

function sameRequest(promotion: Promotion, wanted: Wanted): Promotion {
  const differs = (['pipeline', 'modelDigest', 'environment', 'reason'] as const).filter((field) => promotion[field] !== wanted[field]);
  if (differs.length === 0) return promotion;
  const detail = `This idempotency-key was used for promotion ${promotion.promotionId} with another ${differs.join(', ')}; send a new key`;
  throw new UserError(422, 'idempotency-key-reused', detail);
}

function promotionRun(deps: ApiDeps, promotion: Promotion, contractDigest: string): Run {
  const { pipeline, environment, modelDigest, request, promotionId: runId } = promotion;
  const key = promoteKey({ modelDigest, environment, request });
  const input: PromoteInput = { pipeline, contractDigest, policy: deps.policy, runId, key, environment, modelDigest };
  return {
    ...opening({ story: 'promote', pipeline, contractDigest, key }, promotion.requestedAt),
    runId,
    attempt: 1,
    instanceId: runId,
    owner: runId,
    cause: { kind: 'person', ref: promotion.requestedBy },
    input,
  };
}
