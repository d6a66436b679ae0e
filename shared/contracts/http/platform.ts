// The platform itself over HTTP: what can be reached, who is asking, the description of the API; and problem documents.
import * as z from 'zod';
import { VacuumedTable } from '../erasure.ts';
import { Name } from '../identifiers.ts';
import { PipelineVitals, Reconciling, Retaining } from '../vitals.ts';
import { operation, type Operation, reason } from './operation.ts';
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
  reconciled: Reconciling.shape.last.describe('The last time that the whole lake was compared with the ledger'),
  retained: Retaining.shape.last.optional().describe('The last time that all tables were rid of what no version needs'),
});
export type PlatformStatus = z.infer<typeof PlatformStatus>;
/** What a comparison of the lake with the ledger found. */
export const Reconciled = z.strictObject({
  complete: z.boolean().describe('false: the lake has more files than one request compares; the timer compares the others'),
  listed: z.number().int(),
  lost: z.number().int().describe('Files whose event had been lost; each was judged now'),
  found: z.array(z.string()).describe('Their entries, at most the first hundred'),
});
export type Reconciled = z.infer<typeof Reconciled>;

/** What retention removed, or would remove. */
export const Retained = z.strictObject({
  complete: z.boolean().describe('false: there are more pipelines than one request looks through; the timer goes through all'),
  dryRun: z.boolean(),
  tables: z.array(VacuumedTable.extend({ pipeline: Name })),
  failed: z.array(z.strictObject({ pipeline: Name, code: z.string(), message: z.string().max(1000) })),
});
export type Retained = z.infer<typeof Retained>;

export const Whoami = z.strictObject({ subject: z.string(), name: z.string(), roles: z.array(z.string()) });

export const platformOperations = {
  getStatus: operation({
    method: 'GET',
    path: 'status',
    access: 'reader',
    summary: 'Say which parts of the platform can be reached, which data is late, and what keeps events from starting anything',
    answer: PlatformStatus,
  }),
  reconcile: operation({
    method: 'POST',
    path: 'reconcile',
    access: 'operator',
    summary: 'Compare the lake with the ledger now, and judge files whose event was lost; needs the role for all pipelines',
    body: z.strictObject({
      reason,
      graceSeconds: z
        .number()
        .int()
        .min(0)
        .max(86_400)
        .default(60)
        .describe('Files younger than this are left: their event may be on its way'),
    }),
    answer: Reconciled,
    durable: true,
  }),
  runRetention: operation({
    method: 'POST',
    path: 'retention',
    access: 'operator',
    summary: 'Remove files and log entries that no version within the retention of its table needs; the timer does the same once a day',
    body: z.strictObject({
      reason,
      pipeline: Name.optional().describe('Only its tables; without it, those of all pipelines, which needs the role for all'),
      dryRun: z.boolean().default(false).describe('Only say what would be removed'),
    }),
    answer: Retained,
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
