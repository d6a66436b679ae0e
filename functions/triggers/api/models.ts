// Model versions over HTTP, and finding the one that somebody means by the beginning of its digest.
import type { ModelVersion } from '../../../shared/contracts/runs.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { ModelRegistry } from '../../../shared/ports/stores.ts';
import type { ApiDeps, Handlers } from './call.ts';

export function modelHandlers(deps: ApiDeps): Handlers<'listModels' | 'getModel'> {
  return {
    async listModels({ query, may }) {
      const items = await deps.models.list(query.pipeline, query.limit);
      return { body: { items: items.filter(({ pipeline }) => may('reader', { pipeline })) } };
    },

    async getModel({ params, query, may }) {
      return { body: await oneModel(deps.models, params.digest, query.pipeline, (pipeline) => may('reader', { pipeline })) };
    },
  };
}

/** The one model that is meant. UserError 404 `model-unknown` when there is none, 409 `model-ambiguous` when there are several. */
export async function oneModel(
  models: ModelRegistry,
  digestPrefix: string,
  pipeline: string | undefined,
  visible: (pipeline: string) => boolean,
): Promise<ModelVersion> {
  const found = (await models.find(digestPrefix)).filter(
    (model) => visible(model.pipeline) && (pipeline === undefined || model.pipeline === pipeline),
  );
  const [model, ...others] = found;
  if (!model) {
    const where = pipeline === undefined ? '' : ` in pipeline "${pipeline}"`;
    throw new UserError(
      404,
      'model-unknown',
      `There is no model ${digestPrefix}${where}; GET /api/v1/models lists those that passed their gates`,
    );
  }
  if (others.length === 0) return model;
  const problems = found.map((one) => ({ where: one.pipeline, problem: one.modelDigest }));
  const mend = found.every((one) => one.modelDigest === model.modelDigest) ? 'name the pipeline too' : 'give more of the digest';
  throw new UserError(409, 'model-ambiguous', `${found.length} models begin with ${digestPrefix}: ${mend}`, problems);
}
