// What serves now and what served then, and calling an endpoint.
import { UserError } from '../../../shared/errors/errors.ts';
import type { ApiDeps, Handlers } from './call.ts';

export function servingHandlers(deps: ApiDeps): Handlers<'listServing' | 'getServingAt' | 'invokeEndpoint'> {
  return {
    async listServing({ may }) {
      const entries = await deps.serving.current();
      return { body: { items: entries.filter((entry) => may('reader', entry)) } };
    },

    async getServingAt({ query, require }) {
      const time = query.time ?? deps.now().toISOString();
      const entry = await deps.serving.at(query.endpoint, time);
      // An endpoint that never served belongs to no pipeline: only a reader of everything may know that.
      require('reader', entry ?? {});
      return { body: { endpoint: query.endpoint, time, entry } };
    },

    async invokeEndpoint({ params, body, require }) {
      const endpoint = `sagemaker/${params.region}/${params.endpoint}`;
      const entry = await deps.serving.at(endpoint);
      require('operator', entry ?? {});
      // Sluice's identity may call more endpoints than Sluice made: it lends itself only to its own.
      if (!entry)
        throw new UserError(404, 'endpoint-unknown', `Sluice has promoted nothing to ${endpoint}; GET /api/v1/serving lists what serves`);
      return { body: { endpoint, modelDigest: entry.modelDigest, predictions: await deps.platform.invoke(params, body.rows) } };
    },
  };
}
