// The platform itself over HTTP: what can be reached, who is asking, the description of the API; and problem documents.
import * as z from 'zod';
import { PipelineVitals } from '../vitals.ts';
import { operation, type Operation } from './operation.ts';
import { Holds } from './why.ts';

/** RFC 9457. `type` is the place in docs/errors.md where the code is explained. */
export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string().describe('Stable label of the error'),
  instance: z.string().describe('Id of this invocation, for the log'),
  problems: z.array(
    z.strictObject({
      where: z.string(),
      problem: z.string(),
      mend: z.string().optional(),
      file: z.string().optional(),
      line: z.number().int().optional(),
      column: z.number().int().optional(),
    }),
  ),
});
export type Problem = z.infer<typeof Problem>;

/** Whether data comes in time, and what comes next by itself. */
export const PipelineSigns = PipelineVitals.pick({
  pipeline: true,
  lastEvent: true,
  lastDataset: true,
  lastTraining: true,
  freshness: true,
  nextSchedule: true,
});
export type PipelineSigns = z.infer<typeof PipelineSigns>;

export const PlatformStatus = z.strictObject({
  state: z.enum(['ok', 'failing']),
  components: z.array(
    z.strictObject({ name: z.string(), state: z.enum(['ok', 'failing', 'not-configured']), reason: z.string().nullable() }),
  ),
  queueDepth: z.number().int().nullable().describe('Messages that wait in the landing queue; null when it cannot be read'),
  pipelines: z.array(PipelineSigns).describe('Those that the timers have met'),
  holds: Holds,
});
export type PlatformStatus = z.infer<typeof PlatformStatus>;
export const Whoami = z.strictObject({ subject: z.string(), name: z.string(), roles: z.array(z.string()) });

export const platformOperations = {
  getStatus: operation({
    method: 'GET',
    path: 'status',
    access: 'reader',
    summary: 'Say which parts of the platform can be reached, which data is late, and what keeps events from starting anything',
    answer: PlatformStatus,
  }),
  whoami: operation({ method: 'GET', path: 'whoami', access: 'anyone', summary: 'Say who the token names', answer: Whoami }),
  getOpenApi: operation({
    method: 'GET',
    path: 'openapi.json',
    access: 'anonymous',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
  }),
} satisfies Record<string, Operation>;
