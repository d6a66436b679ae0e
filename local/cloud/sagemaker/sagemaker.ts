// The local SageMaker: control plane (JSON 1.1) and runtime (REST) on one address; an endpoint is a real process.
// Wire facts: facts/sagemaker.md §4; what it refuses and when: the files beside this one cite it.
import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { BodyTooLargeError, readBytes } from '../kit/body.ts';
import { dated } from '../kit/clock.ts';
import { type Faults, withFaults } from '../kit/faults.ts';
import type { Cloud } from '../kit/server.ts';
import { openState } from '../kit/state.ts';
import type { Authority, Session } from '../sts/authority.ts';
import { verifySignature } from '../sts/signature.ts';
import type { Call, SageMakerContext } from './context.ts';
import { createEndpointConfig, deleteEndpointConfig, describeEndpointConfig, listEndpointConfigs } from './endpoint-configs.ts';
import { describeEndpoint, listEndpoints } from './endpoint-views.ts';
import { createEndpoint, deleteEndpoint, updateEndpoint, updateWeights } from './endpoints.ts';
import { Fleets } from './fleets.ts';
import type { Images } from './images.ts';
import { type Input, INPUTS, type OperationName, parseInput } from './inputs.ts';
import type { ReadObject } from './model-data.ts';
import { createModel, deleteModel, describeModel, listModels } from './models.ts';
import { arnMaker, EMPTY } from './records.ts';
import type { ReplicaTimes } from './replica.ts';
import { invoke, LARGEST_BODY, runtimeEndpoint, WeightedTurns } from './runtime.ts';
import { asSageMakerError, controlError, runtimeError, SageMakerError } from './sagemaker-error.ts';
import { addTags, listTags } from './tags.ts';

/** Options of the local SageMaker. */
export interface SageMakerOptions {
  /** Folder of its own; made when absent. */
  readonly dataDir: string;
  readonly authority: Authority;
  /** Reads model archives: `read` of the local S3. */
  readonly read: ReadObject;
  /** Programs that stand for images. */
  readonly images: Images;
  /** Startup window of a container; default 20 000 ms (SageMaker: 4 min). */
  readonly startupMs?: number;
  /** From SIGTERM to SIGKILL; default 30 000 ms, as SageMaker. */
  readonly stopMs?: number;
  /** First pause before a process that died is started again; default 500 ms. */
  readonly restartMs?: number;
  /** Limit of one invocation; default 60 000 ms. */
  readonly invocationMs?: number;
  /** How long a new model or config is not seen by the next step; default 0. */
  readonly consistencyLagMs?: number;
  /** Instances per type, e.g. `{ 'ml.m5.large': 2 }`; default: no limit. */
  readonly instanceQuotas?: Readonly<Record<string, number>>;
  /** Whether a rolled-back update has a FailureReason; default `given`. */
  readonly rollbackReason?: 'given' | 'empty';
}

/** The local SageMaker. */
export interface SageMakerCloud extends Cloud {
  readonly faults: Faults;
  /** Resolves when no deployment, weight change or deletion is under way. */
  settled(): Promise<void>;
}

type Operations = { readonly [O in OperationName]: (call: Call<Input<O>>) => Promise<object | undefined> };

const OPERATIONS: Operations = {
  CreateModel: createModel,
  DescribeModel: describeModel,
  DeleteModel: deleteModel,
  ListModels: listModels,
  CreateEndpointConfig: createEndpointConfig,
  DescribeEndpointConfig: describeEndpointConfig,
  DeleteEndpointConfig: deleteEndpointConfig,
  ListEndpointConfigs: listEndpointConfigs,
  CreateEndpoint: createEndpoint,
  UpdateEndpoint: updateEndpoint,
  UpdateEndpointWeightsAndCapacities: updateWeights,
  DescribeEndpoint: describeEndpoint,
  DeleteEndpoint: deleteEndpoint,
  ListEndpoints: listEndpoints,
  AddTags: addTags,
  ListTags: listTags,
};

const LARGEST_CONTROL_BODY = 1_048_576;
const CLOSE_GRACE_MS = 3_000;

/** Opens the local SageMaker (no port: put `serve` before it) and starts again what was in service. */
export async function createSageMakerCloud(options: SageMakerOptions): Promise<SageMakerCloud> {
  const { authority, dataDir, images, read } = options;
  const { region, accountId } = authority;
  const state = openState(join(dataDir, 'state.json'), EMPTY);
  const now = () => authority.clock.now();
  const times: ReplicaTimes = {
    startupMs: options.startupMs ?? 20_000,
    stopMs: options.stopMs ?? 30_000,
    restartMs: options.restartMs ?? 500,
  };
  const fleets = new Fleets({ state, dataDir, images, read, times, now, region, rollbackReason: options.rollbackReason ?? 'given' });
  const context: SageMakerContext = {
    ...{ state, fleets, images, read, now, region, accountId },
    arn: arnMaker(region, accountId),
    consistencyLagMs: options.consistencyLagMs ?? 0,
    instanceQuotas: options.instanceQuotas ?? {},
  };
  const turns = new WeightedTurns();
  fleets.resume();

  const authorizer = (session: Session) => (action: string, resource: string) => {
    if (authority.may(session, action, resource)) return;
    const who = authority.callerArn(session);
    throw new SageMakerError('AccessDeniedException', `User: ${who} is not authorized to perform: ${action} on resource: ${resource}`, 403);
  };
  const control = async (request: Request): Promise<Response> => {
    const { body, session } = await authenticate(request, authority, LARGEST_CONTROL_BODY);
    const operation = operationName(request);
    const output = await carryOut(operation, parseJson(body), session, context, authorizer(session));
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() };
    return new Response(output ? JSON.stringify(output) : null, { headers });
  };
  const runtime = async (name: string, request: Request): Promise<Response> => {
    const { body, session } = await authenticate(request, authority, LARGEST_BODY);
    authorizer(session)('sagemaker:InvokeEndpoint', context.arn('endpoint', name));
    return invoke(name, request, body, context, turns, options.invocationMs ?? 60_000);
  };
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const name = runtimeEndpoint(pathname);
    try {
      if (name !== undefined && request.method === 'POST') return await runtime(name, request);
      if (pathname === '/' && request.method === 'POST') return await control(request);
      throw new SageMakerError('UnknownOperationException', `${request.method} ${pathname} is not part of this stand-in.`, 404);
    } catch (error) {
      const refusal = asSageMakerError(error);
      if (!refusal) throw error;
      return name === undefined ? controlError(refusal) : runtimeError(refusal);
    }
  };
  const cloud = {
    name: 'sagemaker',
    fetch: dated(fetch, authority.clock),
    close: () => fleets.close(CLOSE_GRACE_MS),
    settled: () => fleets.settled(),
  };
  return withFaults(cloud, (request) => {
    if (runtimeEndpoint(new URL(request.url).pathname) !== undefined) return 'InvokeEndpoint';
    return request.headers.get('x-amz-target')?.split('.')[1];
  });
}

async function authenticate(request: Request, authority: Authority, limit: number): Promise<{ body: Uint8Array; session: Session }> {
  let body: Uint8Array;
  try {
    body = await readBytes(request, limit);
  } catch (error) {
    // facts/sagemaker.md §1.5: 6 291 456 bytes for an invocation; the wording is the stand-in's own.
    if (error instanceof BodyTooLargeError)
      throw new SageMakerError('ValidationError', `The request body is larger than ${limit} bytes.`, 413);
    throw error;
  }
  const bodyHash = createHash('sha256').update(body).digest('hex');
  const { session, payloadHash, presigned } = verifySignature(request, { authority, service: 'sagemaker', bodyHash });
  if (presigned || payloadHash !== bodyHash) {
    throw new SageMakerError('InvalidSignatureException', 'The signed hash of the body does not match the body that was sent.', 403);
  }
  return { body, session };
}

function operationName(request: Request): OperationName {
  const [service, operation = '', ...rest] = (request.headers.get('x-amz-target') ?? '').split('.');
  if (service !== 'SageMaker' || rest.length > 0 || !Object.hasOwn(INPUTS, operation)) {
    throw new SageMakerError('UnknownOperationException', `The operation ${operation.slice(0, 80)} is not part of this stand-in.`, 404);
  }
  return operation as OperationName;
}

function parseJson(body: Uint8Array): unknown {
  const text = Buffer.from(body).toString('utf8');
  try {
    return JSON.parse(text === '' ? '{}' : text) as unknown;
  } catch {
    throw new SageMakerError('SerializationException', 'The body is not JSON.');
  }
}

async function carryOut<O extends OperationName>(
  operation: O,
  body: unknown,
  session: Session,
  context: SageMakerContext,
  authorize: (action: string, resource: string) => void,
): Promise<object | undefined> {
  return OPERATIONS[operation]({ input: parseInput(operation, body), session, context, authorize });
}
