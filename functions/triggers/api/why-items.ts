// The things that an explanation joins, by one shape: events, runs, models, endpoints.
import type { LedgerEntry } from '../../../shared/contracts/events.ts';
import type { Explanation, WhyNode } from '../../../shared/contracts/http-api.ts';
import type { ModelVersion, Run, ServingEntry } from '../../../shared/contracts/runs.ts';
import type { Scope } from '../../../shared/decisions/allowed.ts';
import { scopeOf } from './runs.ts';

export type Item =
  | { kind: 'event'; ref: string; pipeline: string | null; record: LedgerEntry }
  | { kind: 'run'; ref: string; pipeline: string; record: Run }
  | { kind: 'model'; ref: string; pipeline: string; record: ModelVersion }
  | { kind: 'endpoint'; ref: string; pipeline: string; record: ServingEntry };
export type As = Explanation['links'][number]['as'];
/** A neighbour of an item, and how the two are called together. */
export interface Step {
  item: Item;
  as: As;
}

export function eventItem(record: LedgerEntry): Item {
  return { kind: 'event', ref: record.entryId, pipeline: record.pipeline, record };
}

export function runItem(record: Run): Item {
  return { kind: 'run', ref: record.runId, pipeline: record.pipeline, record };
}

export function modelItem(record: ModelVersion): Item {
  return { kind: 'model', ref: record.modelDigest, pipeline: record.pipeline, record };
}

export function endpointItem(record: ServingEntry): Item {
  return { kind: 'endpoint', ref: `${record.endpoint}@${record.promotionId}`, pipeline: record.pipeline, record };
}

export function scopeOfItem(item: Item): Scope {
  if (item.kind === 'run') return scopeOf(item.record);
  return item.kind === 'endpoint' ? item.record : { pipeline: item.pipeline ?? undefined };
}

export function nodeOf({ kind, ref }: Item): WhyNode {
  return { kind, ref };
}

/** Two pipelines may have a model of one digest. */
export function keyOf({ kind, ref, pipeline }: Item): string {
  return `${kind} ${pipeline ?? ''} ${ref}`;
}
