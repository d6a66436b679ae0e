// `why` over HTTP: what led to something and what came of it, and what a person can do about it.
import * as z from 'zod';
import { LedgerEntry, WindowId } from '../events.ts';
import { Breaker, Freeze } from '../guards.ts';
import { Instant, Name, RunId } from '../identifiers.ts';
import { ModelVersion, ServingEntry } from '../runs.ts';
import { operation, type Operation } from './operation.ts';
import { RunSummary } from './runs.ts';

/** One thing in an explanation. `ref` is an entry id, a run id, a model digest or `<endpoint>@<promotion id>`. */
export const WhyNode = z.strictObject({ kind: z.enum(['event', 'run', 'model', 'endpoint']), ref: z.string() });
export type WhyNode = z.infer<typeof WhyNode>;

/** A dataset in the making: which it is, what it holds, what it waits for. */
export const WindowView = z.strictObject({
  window: WindowId,
  pipeline: Name,
  source: Name,
  rule: z.string().describe('`complete` of the source, as written'),
  state: z.enum(['open', 'closed', 'unknown']).describe('unknown: nothing is kept of the counting any more'),
  files: z.number().int().min(0).describe('Different files that were collected'),
  openedAt: Instant.nullable(),
  closedAt: Instant.nullable(),
  waitingFor: z.string().nullable().describe('In words, while it is open or another source is missing'),
  runId: RunId.nullable().describe('The run that took it'),
});
export type WindowView = z.infer<typeof WindowView>;

/** What an event or run means for a person: what happened, why, and what to type next where something is to be done. */
export const Advice = z.strictObject({
  ref: z.string().describe('Entry id or run id'),
  what: z.string(),
  why: z.string(),
  do: z.array(z.string()).describe('Empty where nothing is to be done'),
});
export type Advice = z.infer<typeof Advice>;

/** What keeps events of these pipelines from starting anything now. */
export const Holds = z.strictObject({
  freezes: z.array(Freeze),
  breakers: z.array(Breaker.pick({ pipeline: true, state: true, opened: true, closed: true })).describe('Those that are open'),
});
export type Holds = z.infer<typeof Holds>;

/** What led to the subject and what came of it: the links, and the records that they join. */
export const Explanation = z.strictObject({
  subject: z.array(WhyNode).describe('What was asked for; several entries for a path'),
  links: z.array(
    z.strictObject({
      from: WhyNode,
      to: WhyNode,
      as: z.enum(['became-data-of', 'led-to', 'committed', 'repeats', 'retried-as', 'made', 'promoted-by', 'now-serves-at']),
    }),
  ),
  events: z.array(LedgerEntry),
  windows: z.array(WindowView),
  runs: z.array(RunSummary),
  models: z.array(ModelVersion),
  endpoints: z.array(ServingEntry),
  advice: z.array(Advice),
  holds: Holds,
  truncated: z.boolean().describe('More than this answer shows'),
});
export type Explanation = z.infer<typeof Explanation>;

export const whyOperations = {
  why: operation({
    method: 'GET',
    path: 'why',
    access: 'reader',
    summary: 'Explain a path, ledger entry, run, model or endpoint: what led to it and what came of it',
    query: z.strictObject({ subject: z.string().min(1).max(1300) }),
    answer: Explanation,
    durable: true,
  }),
} satisfies Record<string, Operation>;
