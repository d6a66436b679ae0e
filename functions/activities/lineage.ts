// Lineage beside announcements: each transition of a run is also told as an OpenLineage event, made from the run's own record.
import { lineageEvent } from '../../shared/decisions/lineage.ts';
import type { LineageSink } from '../../shared/ports/lineage.ts';
import type { Announcer } from '../../shared/ports/platform.ts';
import type { PipelineRegistry, RunStore } from '../../shared/ports/stores.ts';

export interface LineagePorts {
  runs: Pick<RunStore, 'find'>;
  pipelines: Pick<PipelineRegistry, 'version'>;
  sink: LineageSink;
  lake: { account: string; container: string };
}

/** Each run that began ends with one of the others: the specification wants a START, and one COMPLETE, FAIL or ABORT. */
const TOLD = new Set(['run.started', 'run.succeeded', 'run.failed', 'run.skipped']);

/** Publishes as `next` does, and hands transitions of runs to the sink. Both are tried; the first that failed is thrown. */
export function withLineage(next: Announcer, ports: LineagePorts): Announcer {
  return {
    async publish(event) {
      const results = await Promise.allSettled([next.publish(event), TOLD.has(event.type) ? tell(ports, event) : undefined]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
  };
}

async function tell({ runs, pipelines, sink, lake }: LineagePorts, event: { subject: string; at: string }): Promise<void> {
  const run = await runs.find(event.subject.slice(event.subject.lastIndexOf('/') + 1));
  if (!run) return;
  const version = await pipelines.version(run.pipeline, run.contractDigest);
  await sink.emit(lineageEvent(run, { lake, version, at: event.at }));
}
