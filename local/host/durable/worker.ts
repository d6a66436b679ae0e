// Calls the app's orchestrators, entities and activities the way the extension does: trigger data in, JSON out.
import type { FunctionApp, RegisteredFunction } from '../core/function-app.ts';
import type { RpcTypedData } from '../core/rpc.ts';
import { type OrchestratorState, stateOfFailure } from './actions.ts';
import { thrown } from './json-net.ts';
import type { WorkerAnswer } from './orchestrator-turn.ts';

/** Trigger types of the durable functions. */
export const triggerTypes = { orchestrator: 'orchestrationTrigger', activity: 'activityTrigger', entity: 'entityTrigger' } as const;
export type DurableKind = keyof typeof triggerTypes;

/** One operation's outcome, as the SDK's entity shim returns it. */
export interface OperationResult {
  isError: boolean;
  result?: string | null;
}

export interface EntityAnswer {
  results: OperationResult[];
  signals: { target: { name: string; key: string }; name: string; input?: string | null; requestTime?: unknown }[];
  entityExists: boolean;
  entityState?: string | null;
}

export class DurableWorker {
  readonly #app: FunctionApp;

  constructor(app: FunctionApp) {
    this.#app = app;
  }

  /** The function of this kind and name; case does not count. */
  find(kind: DurableKind, name: string): RegisteredFunction | undefined {
    const found = this.#app.find(name);
    return found?.bindings.some((binding) => binding.type === triggerTypes[kind]) ? found : undefined;
  }

  /** The extension's complaint about an unknown function; undefined when it is known. */
  complaint(kind: DurableKind, name: string): string | undefined {
    if (this.find(kind, name)) return undefined;
    const known = [...this.#app.functions.values()]
      .filter((one) => one.bindings.some((binding) => binding.type === triggerTypes[kind]))
      .map((one) => one.name);
    const article = kind === 'orchestrator' ? 'an orchestrator' : kind === 'activity' ? 'an activity' : 'an entity';
    const info =
      known.length > 0
        ? `The following are the known ${kind} functions: '${known.join("', '")}'.`
        : `No ${kind} functions are currently registered!`;
    return `The function '${name}' doesn't exist, is disabled, or is not ${article} function. Additional info: ${info}`;
  }

  /** Never rejects: whatever the orchestrator throws is part of the answer. */
  async orchestrate(name: string, trigger: string): Promise<WorkerAnswer> {
    try {
      const { returnValue } = await this.#invoke('orchestrator', name, { string: trigger });
      return checked(returnValue?.json ?? returnValue?.string);
    } catch (error) {
      const { message } = thrown(error);
      const state = stateOfFailure(message);
      // An error without text is an error all the same: the SDK leaves the field out then.
      if (state) return { state, error: state.error ?? '' };
      return { state: { isDone: false, actions: [] }, error: message };
    }
  }

  /** @throws whatever the activity throws. */
  async act(name: string, instanceId: string, input: string | undefined): Promise<RpcTypedData | undefined> {
    const data: RpcTypedData = input === undefined ? {} : { string: input };
    const metadata: Record<string, RpcTypedData> = { instanceId: { string: instanceId } };
    const binding = this.#binding('activity', name);
    if (input !== undefined) {
      metadata[binding] = { string: input };
      metadata['data'] = { string: input };
      for (const [key, value] of Object.entries(topLevel(input)))
        metadata[key] ??= { string: typeof value === 'string' ? value : JSON.stringify(value) };
    }
    return (await this.#invoke('activity', name, data, metadata)).returnValue;
  }

  /** @throws when the function itself fails; a throwing operation is one of the results. */
  async operate(name: string, trigger: string): Promise<EntityAnswer> {
    const { returnValue } = await this.#invoke('entity', name, { string: trigger });
    return JSON.parse(returnValue?.json ?? returnValue?.string ?? 'null') as EntityAnswer;
  }

  #binding(kind: DurableKind, name: string): string {
    return this.find(kind, name)?.bindings.find((binding) => binding.type === triggerTypes[kind])?.name ?? 'trigger';
  }

  #invoke(
    kind: DurableKind,
    name: string,
    data: RpcTypedData,
    triggerMetadata: Record<string, RpcTypedData> = {},
  ): Promise<{ returnValue?: RpcTypedData }> {
    return this.#app.invoke(name, { inputs: [{ name: this.#binding(kind, name), data }], triggerMetadata });
  }
}

/** The extension's words for an answer that is not an orchestrator's. */
const notAnAnswer = 'The data returned by the out-of-process function execution was not valid json.';

function checked(text: string | undefined): WorkerAnswer {
  const state = parse(text ?? 'null') as Partial<OrchestratorState> | null;
  if (typeof state !== 'object' || !Array.isArray(state?.actions)) return { state: { isDone: false, actions: [] }, error: notAnAnswer };
  return { state: { ...state, isDone: state.isDone === true, actions: state.actions } };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** The members of an object input; the host offers each as trigger metadata (recording activities). */
function topLevel(input: string): Record<string, unknown> {
  return input.startsWith('{') ? ((parse(input) as Record<string, unknown> | null) ?? {}) : {};
}
