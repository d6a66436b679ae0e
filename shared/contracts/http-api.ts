// The HTTP API `/api/v1`: every operation with who may call it, what goes in and what comes out. The routes, the OpenAPI document and
// the command line are made from this table; its parts are in http/, one file for each subject.
import { eventOperations } from './http/events.ts';
import { guardOperations } from './http/guards.ts';
import { modelOperations } from './http/models.ts';
import type { Operation } from './http/operation.ts';
import { pipelineOperations } from './http/pipelines.ts';
import { planOperations } from './http/plan.ts';
import { platformOperations } from './http/platform.ts';
import { quarantineOperations } from './http/quarantine.ts';
import { runOperations } from './http/runs.ts';
import { trainingOperations } from './http/training.ts';
import { whyOperations } from './http/why.ts';

export * from './http/events.ts';
export * from './http/guards.ts';
export * from './http/models.ts';
export * from './http/pipelines.ts';
export * from './http/plan.ts';
export * from './http/platform.ts';
export * from './http/quarantine.ts';
export * from './http/runs.ts';
export * from './http/training.ts';
export * from './http/why.ts';
export type { Operation } from './http/operation.ts';

export const operations = {
  ...pipelineOperations,
  ...eventOperations,
  ...whyOperations,
  ...planOperations,
  ...guardOperations,
  ...quarantineOperations,
  ...runOperations,
  ...trainingOperations,
  ...modelOperations,
  ...platformOperations,
} satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationName = keyof Operations;
