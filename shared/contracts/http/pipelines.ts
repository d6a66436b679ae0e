// Registered pipelines over HTTP: register, read.
import * as z from 'zod';
import { Instant, Name, Sha256 } from '../identifiers.ts';
import { PipelineBundle, PipelineVersion } from '../pipeline.ts';
import { LedgerEntry } from '../events.ts';
import { listOf, operation, type Operation, reason } from './operation.ts';

export const RegisteredPipeline = z.strictObject({ name: Name, digest: Sha256, updatedAt: Instant, updatedBy: z.string() });
export const PutPipelineAnswer = z.strictObject({ name: Name, digest: Sha256, result: z.enum(['created', 'updated', 'unchanged']) });

export const pipelineOperations = {
  putPipeline: operation({
    method: 'PUT',
    path: 'pipelines/{name}',
    access: 'operator',
    summary: 'Register a version of a pipeline',
    params: z.strictObject({ name: Name }),
    body: PipelineBundle,
    answer: PutPipelineAnswer,
    statuses: { 200: 'Updated, or nothing to change', 201: 'Created' },
  }),
  listPipelines: operation({
    method: 'GET',
    path: 'pipelines',
    access: 'reader',
    summary: 'List the registered pipelines',
    answer: listOf(RegisteredPipeline),
  }),
  getPipeline: operation({
    method: 'GET',
    path: 'pipelines/{name}',
    access: 'reader',
    summary: 'Read a pipeline: its current version, or the one with the given digest',
    params: z.strictObject({ name: Name }),
    query: z.strictObject({ digest: Sha256.optional() }),
    answer: PipelineVersion,
  }),
  startExtraction: operation({
    method: 'POST',
    path: 'pipelines/{name}/extract',
    access: 'operator',
    summary: 'Start the data pipeline now that brings data into the landing folder (schedule.extract)',
    params: z.strictObject({ name: Name }),
    body: z.strictObject({ reason }),
    answer: z.strictObject({ entry: LedgerEntry, runId: z.string().nullable().describe('The run that was started') }),
    statuses: { 202: 'Taken in; the entry says what was decided' },
    durable: true,
    idempotencyKey: true,
  }),
} satisfies Record<string, Operation>;
