// One invocation: the steps of the Node worker (arguments, pre hooks, handler, post hooks, answer), with `context.log` bound to the sink.
// Source: nodejs-worker src/eventHandlers/InvocationHandler (facts/durable.md §2.5).
import { randomUUID } from 'node:crypto';
import { type AppRegistry, programmingModel } from './functions-core.ts';
import type { LogLevel } from './log.ts';
import type { ParameterBinding, RpcRetryContext, RpcTypedData } from './rpc.ts';

export interface InvocationRequest {
  /** One value per input binding: the trigger's and each extra input's, by binding name. */
  inputs: ParameterBinding[];
  triggerMetadata?: Record<string, RpcTypedData>;
  retryContext?: RpcRetryContext;
  traceContext?: { traceParent?: string; traceState?: string; attributes?: Record<string, string> };
  /** Default: random. HTTP streaming needs it beforehand, for the header `x-ms-invocation-id`. */
  invocationId?: string;
}

export interface Invocation {
  invocationId: string;
  /** The handler's return value (or its `$return` output); absent for undefined and null. */
  returnValue?: RpcTypedData;
  outputs: ParameterBinding[];
}

/** Binds invocation to one app's registry. */
export function createInvoker(registry: AppRegistry): (name: string, request: InvocationRequest) => Promise<Invocation> {
  return async (name, request) => {
    const held = registry.functions.get(name);
    const model = programmingModel();
    if (!held || !model) throw new Error(`'${name}' cannot be run: the app did not register it through @azure/functions.`);
    const invocationId = request.invocationId ?? randomUUID();
    const log = (level: LogLevel, category: string, message: string): void => {
      const entry = { hookData: {}, appHookData: registry.appHookData, level, category, message, invocationContext: undefined };
      for (const hook of registry.hooks.get('log') ?? []) void hook(entry);
      registry.log({
        level: entry.level,
        category: category === 'user' ? 'user' : 'system',
        message: entry.message,
        functionName: name,
        invocationId,
      });
    };
    const coreContext: Record<string, unknown> = {
      invocationId,
      metadata: { ...held.metadata, bindings: copyBindings(held.metadata.bindings) },
      log,
      request: {
        invocationId,
        functionId: name,
        inputData: request.inputs,
        triggerMetadata: request.triggerMetadata ?? {},
        traceContext: request.traceContext ?? null,
        retryContext: request.retryContext ?? null,
      },
    };
    const invocation = model.getInvocationModel(coreContext);
    const { context, inputs } = await invocation.getArguments();
    const shared = { hookData: {}, appHookData: registry.appHookData, invocationContext: context };

    const before = { ...shared, inputs, functionCallback: held.handler };
    coreContext['state'] = 'preInvocationHooks';
    if (registry.hooks.has('preInvocation')) await registry.runHooks('preInvocation', before);

    const after: Record<string, unknown> = { ...shared, inputs: before.inputs, result: null, error: null };
    coreContext['state'] = 'invocation';
    try {
      after['result'] = await invocation.invokeFunction(context, before.inputs, before.functionCallback);
    } catch (error) {
      after['error'] = error ?? new Error('the function threw nothing (undefined or null)');
    }

    coreContext['state'] = 'postInvocationHooks';
    if (registry.hooks.has('postInvocation')) await registry.runHooks('postInvocation', after);
    // The handler's error goes on as it is: callers compare identity and read its stack.
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a JavaScript handler may throw anything
    if (after['error'] !== null && after['error'] !== undefined) throw after['error'];

    const response = await invocation.getResponse(context, after['result']);
    return {
      invocationId,
      outputs: response.outputData ?? [],
      ...(response.returnValue ? { returnValue: response.returnValue } : {}),
    };
  };
}

/** The SDK gets copies, so that nothing it or a hook does to one invocation's bindings reaches the next. */
function copyBindings(bindings: Record<string, Record<string, unknown>>): Record<string, Record<string, unknown>> {
  const copy: Record<string, Record<string, unknown>> = {};
  for (const name of Object.keys(bindings)) copy[name] = { ...bindings[name] };
  return copy;
}
