// Starting an extraction now: the data pipeline that the registered file names, as an event that takes the usual way.
import type { SignalEvent } from '../../../shared/contracts/events.ts';
import { UserError } from '../../../shared/errors/errors.ts';
import type { ApiDeps, Handlers } from './call.ts';
import { unknownPipeline } from './guards.ts';

export function extractionHandlers(deps: ApiDeps): Handlers<'startExtraction'> {
  return {
    async startExtraction({ params: { name }, body, caller, may, require, idempotencyKey, starter, log }) {
      require('operator', { pipeline: name });
      const version = await deps.pipelines.current(name);
      if (!version) throw await unknownPipeline(deps, name, may);
      const extract = version.spec.schedule?.extract;
      if (!extract) {
        const detail = `Pipeline "${name}" names no data pipeline that brings data in; add schedule.extract to sluice.yaml and apply it`;
        throw new UserError(409, 'no-extraction', detail);
      }
      const time = deps.now().toISOString();
      const id = `extract/${name}/${idempotencyKey}`;
      const data = { extract: extract.pipeline, reason: body.reason };
      const event: SignalEvent = { source: `/sluice/api/${caller.subject}`.slice(0, 1024), id, kind: 'http', subject: name, time, data };
      const { entry } = await deps.intake.takeSignal(event, starter(), log, { foundBy: 'http', chain: [] });
      const detail = `${extract.pipeline}: ${entry.verdict.kind} (${entry.verdict.rule}): ${body.reason}`;
      if (entry.deliveries === 1)
        await deps.audit.record({ at: time, actor: caller.name, action: 'pipeline.extract', subject: name, detail });
      // What was started may have been judged once more: the ledger has the last word.
      return { status: 202, body: { entry: (await deps.ledger.find(entry.entryId)) ?? entry, runId: entry.instanceId } };
    },
  };
}
