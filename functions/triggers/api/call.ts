// What a handler of the HTTP API gets and gives: input that is parsed and allowed in, an answer that the operation declares.
import type { InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import type { Role } from '../../../shared/contracts/access.ts';
import type { Operation, OperationName, Operations } from '../../../shared/contracts/http-api.ts';
import type { Policy } from '../../../shared/contracts/stories.ts';
import type { Scope } from '../../../shared/decisions/allowed.ts';
import type { Caller, TokenVerifier } from '../../../shared/ports/access.ts';
import type { DataPipelines } from '../../../shared/ports/data-pipelines.ts';
import type { ServingPlatform } from '../../../shared/ports/serving-platform.ts';
import type { ErasureEngine, Lake, RefineEngine, Store } from '../../../shared/ports/lake.ts';
import type { LakeListing } from '../../../shared/ports/listing.ts';
import type { QuarantineCases } from '../../../shared/ports/quarantine.ts';
import type { Starter } from '../../../shared/ports/starter.ts';
import type { Stores } from '../../../shared/ports/stores.ts';
import type { TrainingBackend } from '../../../shared/ports/training-backend.ts';
import type { Windows } from '../../../shared/ports/windows.ts';
import type { Intake } from '../intake.ts';

/** One cheap call that proves that a part of the platform answers; throws when it does not. */
export interface Probe {
  name: string;
  check: () => Promise<unknown>;
}

export interface ApiDeps extends Stores {
  verifier: TokenVerifier;
  /** The durable client of one invocation as a port. */
  starterOf(context: InvocationContext): Starter;
  /** The counting entities, read through the same client. */
  windowsOf(context: InvocationContext): Windows;
  /** The way in of events that callers send, and of held ones that are judged again. */
  intake: Intake;
  engine: Pick<RefineEngine, 'preview' | 'readGold'>;
  cases: QuarantineCases;
  erasure: ErasureEngine;
  store: Pick<Store, 'read' | 'digest'>;
  readCommit: Lake['readCommit'];
  listing: LakeListing;
  /** Files of the lake, for plans of what lies there. */
  files: Pick<Lake, 'fingerprint' | 'readSmall'>;
  backends: Readonly<Record<string, Pick<TrainingBackend, 'logs'>>>;
  /** null: no Data Factory is connected. */
  dataPipelines: Pick<DataPipelines, 'logs'> | null;
  platform: Pick<ServingPlatform, 'invoke'>;
  /** Parts of the platform; a name with `null` is not configured in this deployment. */
  probes: readonly (Probe | { name: string; check: null })[];
  /** Messages that wait in the landing queue. */
  queueDepth(): Promise<number>;
  lake: { account: string; container: string };
  policy: Policy;
  now(): Date;
}

export interface ApiCall<Op extends Operation> {
  params: z.output<Op['params']>;
  query: z.output<Op['query']>;
  body: Op['body'] extends z.ZodType ? z.output<Op['body']> : null;
  /** The body as it comes, where the operation takes a file; null when the request has none. At most `upload.maxBytes`. */
  upload: AsyncIterable<Uint8Array> | null;
  /** Header `Idempotency-Key` where the operation requires it, else empty. */
  idempotencyKey: string;
  caller: Caller;
  log: Pick<InvocationContext, 'info' | 'warn'>;
  starter: () => Starter;
  windows: () => Windows;
  may: (role: Role, scope: Scope) => boolean;
  /** UserError 403 naming the missing role. */
  require: (role: Role, scope: Scope) => void;
}

export interface ApiAnswer<Op extends Operation> {
  /** 200 without it. */
  status?: keyof Op['statuses'] & number;
  headers?: Record<string, string>;
  body: z.input<Op['answer']>;
}

export type ApiHandler<Op extends Operation> = (call: ApiCall<Op>) => Promise<ApiAnswer<Op>>;

/** A handler for each of some operations. */
export type Handlers<Name extends OperationName> = { [Key in Name]: ApiHandler<Operations[Key]> };
