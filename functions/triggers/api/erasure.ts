// Erasing a person's rows over HTTP. The value is a secret: it is in no answer, no record and no audit entry.
import { digestOf } from '../../../shared/decisions/digest.ts';
import type { ApiDeps, Handlers } from './call.ts';
import { unknownPipeline } from './guards.ts';

export function erasureHandlers(deps: ApiDeps): Handlers<'eraseRows' | 'listErasures'> {
  return {
    async eraseRows({ params: { name }, body, caller, may, require, idempotencyKey }) {
      require('approver', { pipeline: name });
      const pipeline = await deps.pipelines.current(name);
      if (!pipeline) throw await unknownPipeline(deps, name, may);
      const { column, value, reason } = body;
      const at = deps.now().toISOString();
      // The value is part of the request's identity: a key that is used for another person erases that person, too.
      const requestId = digestOf(['erase', caller.subject, idempotencyKey, column, value]);
      const by = caller.name.slice(0, 200);
      // Before the deed: whatever happens to this process, who asked for it is known.
      await deps.audit.record({ at, actor: by, action: 'pipeline.erase', subject: name, detail: `rows by ${column}: ${reason}` });
      return { body: await deps.erasure.erase({ pipeline, requestId, column, value, by, at, reason }) };
    },

    async listErasures({ params: { name }, query, require }) {
      require('reader', { pipeline: name });
      return { body: { items: await deps.erasure.erasures(name, query.limit) } };
    },
  };
}
