// Freezes and breakers over HTTP: what a person sets and ends so that events start nothing, and the breaker that opened by itself.
import * as z from 'zod';
import { Breaker, Freeze } from '../guards.ts';
import { Instant, Name } from '../identifiers.ts';
import { listOf, operation, type Operation, reason } from './operation.ts';

const FreezeRequest = z.strictObject({
  kind: Freeze.shape.kind.default('frozen').describe('maintenance says the same in the verdict, as planned work'),
  reason,
  until: Instant.nullable().default(null).describe('It ends by itself then; null: when a person ends it'),
});

/** A breaker without the counts by which it works; how many it counted lately is in `datasetsLastHour` and `trainingsLastDay`. */
export const BreakerView = Breaker.pick({ pipeline: true, state: true, opened: true, closed: true }).extend({
  datasetsLastHour: z.number().int(),
  trainingsLastDay: z.number().int(),
});
export type BreakerView = z.infer<typeof BreakerView>;

const Ended = z.strictObject({ ended: Freeze.nullable().describe('null: nothing was frozen') });

export const guardOperations = {
  listFreezes: operation({
    method: 'GET',
    path: 'freezes',
    access: 'reader',
    summary: 'List the freezes that hold now',
    answer: listOf(Freeze),
  }),
  freezeAll: operation({
    method: 'POST',
    path: 'freezes',
    access: 'operator',
    summary: 'Freeze every pipeline: no event starts anything; needs the role for all pipelines',
    body: FreezeRequest,
    answer: Freeze,
  }),
  unfreezeAll: operation({
    method: 'POST',
    path: 'freezes/end',
    access: 'operator',
    summary: 'End the freeze of every pipeline; freezes of single pipelines stay',
    body: z.strictObject({ reason }),
    answer: Ended,
  }),
  freezePipeline: operation({
    method: 'POST',
    path: 'pipelines/{name}/freeze',
    access: 'operator',
    summary: 'Freeze a pipeline: its events are kept with a verdict and start nothing',
    params: z.strictObject({ name: Name }),
    body: FreezeRequest,
    answer: Freeze,
  }),
  unfreezePipeline: operation({
    method: 'POST',
    path: 'pipelines/{name}/unfreeze',
    access: 'operator',
    summary: 'End the freeze of a pipeline; events that it held back can be replayed then',
    params: z.strictObject({ name: Name }),
    body: z.strictObject({ reason }),
    answer: Ended,
  }),
  listBreakers: operation({
    method: 'GET',
    path: 'breakers',
    access: 'reader',
    summary: 'List the breakers of pipelines that have counted anything',
    answer: listOf(BreakerView),
  }),
  closeBreaker: operation({
    method: 'POST',
    path: 'breakers/{pipeline}/close',
    access: 'operator',
    summary: 'Close an open breaker; counting begins anew, and events that it held back can be replayed',
    params: z.strictObject({ pipeline: Name }),
    body: z.strictObject({ reason }),
    answer: BreakerView,
  }),
} satisfies Record<string, Operation>;
