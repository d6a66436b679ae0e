// Erasing a person's rows over HTTP. The value is a secret: it is in no answer, no record and no audit entry.
import { digestOf } from '../../../shared/decisions/digest.ts';
import type { Deed } from '../../../shared/ports/quarantine.ts';
import type { ApiDeps, Handlers } from './call.ts';
import { versionOfCase } from './case-version.ts';
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
      const record = await deps.erasure.erase({ pipeline, requestId, column, value, by, at, reason });
      // Again with each repeat of the request: a first one may have been cut off here.
      if (record.places.some(({ place, rows }) => place === 'quarantine' && rows !== 0))
        await recount(deps, name, { by, at, reason: record.id });
      return { body: record };
    },

    async listErasures({ params: { name }, query, require }) {
      require('reader', { pipeline: name });
      return { body: { items: await deps.erasure.erasures(name, query.limit) } };
    },
  };
}

/** Open cases whose rows were erased have fewer, or are closed. */
async function recount(deps: ApiDeps, pipeline: string, deed: Deed): Promise<void> {
  for (const one of await deps.cases.list({ pipeline, state: 'open', limit: 500 })) {
    const { version } = await versionOfCase(deps, one);
    await deps.cases.recount(version, one.caseId, deed);
  }
}
