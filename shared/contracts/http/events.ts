// Events over HTTP: the ledger, judging a held event again, and events that callers send.
import * as z from 'zod';
import { CausalChain, LedgerEntry, VerdictKind } from '../events.ts';
import { Instant, Name } from '../identifiers.ts';
import { after, limit, listOf, operation, type Operation, pageOf, reason } from './operation.ts';

const Account = z.string().regex(/^[a-z0-9]{3,24}$/, 'expected the name of a storage account');
const Container = z.string().regex(/^[a-z0-9](-?[a-z0-9]){2,62}$/, 'expected the name of a container');
export const EntryId = z.string().regex(/^e-[0-9a-f]{32}$/, 'expected e- and 32 hex characters, as `events` and `why` show them');

const signal = {
  id: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 printable characters without spaces')
    .describe('Of the caller’s choice: the same id is the same event, however often it is sent'),
  pipeline: Name,
  chain: CausalChain.optional().describe('The way by which it came to be, `<pipeline>@<run or commit>`, where the caller knows it'),
};
const detail = z.string().trim().min(1).max(1000).optional();

/** An event that a caller sends; each asks for a training of the pipeline on the gold that is there. */
export const SignalRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('http'), ...signal, reason: detail.describe('Why the caller asks, in words') }),
  z.strictObject({
    kind: z.literal('code'),
    ...signal,
    repository: z.string().trim().min(1).max(500).describe('Where the training code is, as its host names it'),
    commit: z.string().regex(/^[0-9a-f]{7,64}$/, 'expected a commit id in lower-case hex'),
    ref: z.string().max(250).optional().describe('Branch or tag'),
  }),
  z.strictObject({
    kind: z.literal('monitor'),
    ...signal,
    monitor: z.string().trim().min(1).max(200).describe('Who watches'),
    metric: z.string().max(100).optional(),
    value: z.number().optional().describe('What it found'),
    limit: z.number().optional().describe('What is allowed'),
    detail,
  }),
]);
export type SignalRequest = z.infer<typeof SignalRequest>;

export const eventOperations = {
  listEvents: operation({
    method: 'GET',
    path: 'events',
    access: 'reader',
    summary: 'List events and their verdicts, newest first; a page of a filtered list may hold few and still have a next one',
    query: z.strictObject({
      pipeline: Name.optional(),
      verdict: VerdictKind.optional(),
      since: Instant.optional().describe('Received at this instant or later'),
      limit,
      after,
    }),
    answer: pageOf(LedgerEntry),
  }),
  listEventsByPath: operation({
    method: 'GET',
    path: 'events/by-path',
    access: 'reader',
    summary: 'List the events of one blob, oldest first',
    query: z.strictObject({
      account: Account.optional().describe('The lake account without it'),
      container: Container.optional().describe('The lake container without it'),
      path: z.string().min(1).max(1024),
    }),
    answer: listOf(LedgerEntry),
  }),
  replayEvent: operation({
    method: 'POST',
    path: 'events/{id}/replay',
    access: 'operator',
    summary: 'Judge an event once more that was held back, and start what follows from its new verdict',
    params: z.strictObject({ id: EntryId }),
    body: z.strictObject({ reason }),
    answer: z.strictObject({ before: LedgerEntry.shape.verdict, entry: LedgerEntry }),
    durable: true,
  }),
  sendSignal: operation({
    method: 'POST',
    path: 'signals',
    access: 'operator',
    summary: 'Send an event without a file: a caller’s wish, a push of training code, a monitor’s finding',
    body: SignalRequest,
    answer: z.strictObject({ entry: LedgerEntry }),
    statuses: { 200: 'This event was sent before; its verdict is the one it got then', 202: 'Taken in; the entry says what was decided' },
    durable: true,
  }),
} satisfies Record<string, Operation>;
