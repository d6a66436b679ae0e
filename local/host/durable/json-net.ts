// Texts that .NET makes of values: Newtonsoft's JSON leniency, serialised exceptions, activity inputs.
// They are visible to JavaScript apps (error messages, odd outputs), so they are part of the contract.
import { createHash } from 'node:crypto';
import type { FailureDetails, Failure } from './history-events.ts';
import type { RpcTypedData } from '../core/rpc.ts';

/**
 * The text that an activity's trigger binding receives; undefined = empty data.
 * Booleans go through `ToString()`, which capitalises them (facts/durable.md §2.9, 9); strings were encoded once by the SDK already.
 */
export function activityInputText(input: unknown): string | undefined {
  if (input === undefined || input === null) return undefined;
  if (typeof input === 'boolean') return input ? 'True' : 'False';
  return typeof input === 'string' ? input : JSON.stringify(input);
}

/** A worker's return value as the JSON text that history stores; null for none. */
export function resultText(value: RpcTypedData | undefined): string | null {
  if (!value) return null;
  if (value.string !== undefined) return JSON.stringify(value.string);
  if (value.json !== undefined) return value.json;
  if (value.int !== undefined) return JSON.stringify(value.int);
  if (value.double !== undefined) return JSON.stringify(value.double);
  if (value.bytes !== undefined) return JSON.stringify(Buffer.from(value.bytes).toString('base64'));
  return null;
}

const bareTokens = new Set(['undefined', 'NaN', 'Infinity', '-Infinity']);

/** A text that .NET tries to read as JSON and otherwise takes as a string: outputs of terminated instances. Returns what it writes out. */
export function looseToken(text: string | null): string {
  if (text === null || text === '') return 'null';
  // Newtonsoft accepts these and writes them back bare, which no JSON reader takes (facts/durable.md §2.9, 13).
  if (bareTokens.has(text.trim())) return text.trim();
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return JSON.stringify(text);
  }
}

/** The frames between the worker and the activity trigger; a constant of the recorded host. */
const workerStack = [
  '   at Microsoft.Azure.WebJobs.Script.Description.WorkerFunctionInvoker.InvokeCore(Object[] parameters, FunctionInvocationContext context)',
  '   at Microsoft.Azure.WebJobs.Script.Description.FunctionInvokerBase.Invoke(Object[] parameters)',
  '   at Microsoft.Azure.WebJobs.Script.Description.FunctionGenerator.Coerce[T](Task`1 src)',
].join('\n');

/** What the framework adds to the failure of a sub-orchestration. */
const shimStack =
  '   at System.Threading.Tasks.Task.ThrowIfExceptional(Boolean includeTaskCanceledExceptions)\n' +
  '   at Microsoft.Azure.WebJobs.Extensions.DurableTask.TaskOrchestrationShim.InvokeUserCodeAndHandleResults(RegisteredFunctionInfo orchestratorInfo, OrchestrationContext innerContext)';

interface Thrown {
  message: string;
  stack: string;
}

/** Anything that a handler may throw, as message and stack. */
export function thrown(error: unknown): Thrown {
  if (error instanceof Error) return { message: error.message, stack: error.stack ?? '' };
  return { message: typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error)), stack: '' };
}

/** A failed activity, as its TaskFailed event tells it. `structured`: the extension understands failure details (≥ 3.13). */
export function activityFailure(name: string, error: unknown, structured: boolean): Failure {
  const { message, stack } = thrown(error);
  const failureDetails = structured ? parseFailureDetails(message) : undefined;
  if (failureDetails) {
    return { reason: `Activity function '${name}' failed with an unhandled exception.`, details: null, failureDetails };
  }
  // The type name of a JavaScript error does not cross the worker's protocol: what is left of "<type> <message>" is the blank.
  return { reason: `Activity function '${name}' failed:  ${message}`, details: exceptionJson(message, stack), failureDetails: null };
}

/** The JSON that `df.app.setExceptionPropertiesProvider` puts in the place of the error's message. */
function parseFailureDetails(message: string): FailureDetails | undefined {
  if (!message.startsWith('{')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || !('errorType' in parsed) || !('properties' in parsed)) return undefined;
  const given = parsed as {
    errorType: string;
    errorMessage?: string;
    stackTrace?: string;
    isNonRetriable?: boolean;
    properties: Record<string, unknown>;
  };
  return {
    ErrorType: given.errorType,
    ErrorMessage: given.errorMessage ?? '',
    StackTrace: given.stackTrace ?? null,
    InnerFailure: null,
    IsNonRetriable: given.isNonRetriable ?? false,
    Properties: given.properties,
  };
}

/** The serialised `System.Exception` around the worker's `RpcException`, member for member. */
function exceptionJson(message: string, stack: string): string {
  return JSON.stringify({
    $type: 'System.Exception, System.Private.CoreLib',
    ClassName: 'System.Exception',
    Message: ` ${message}`,
    Data: null,
    InnerException: {
      $type: 'Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, Microsoft.Azure.WebJobs.Script',
      IsUserException: false,
      RemoteStackTrace: stack,
      RemoteMessage: message,
      RemoteTypeName: null,
      Message: `Result: Failure\nException: ${message}\nStack: ${stack}`,
      Data: { $type: 'System.Collections.ListDictionaryInternal, System.Private.CoreLib' },
      InnerException: null,
      HelpLink: null,
      Source: 'System.Private.CoreLib',
      HResult: -2146233088,
      StackTrace: workerStack,
    },
    HelpURL: null,
    StackTraceString: null,
    RemoteStackTraceString: null,
    RemoteStackIndex: 0,
    ExceptionMethod: null,
    HResult: -2146233088,
    Source: null,
    WatsonBuckets: null,
  });
}

/** A failed orchestrator, as its output and its parent tell it. */
export function orchestratorFailure(name: string, message: string): Failure {
  return {
    reason: `Orchestrator function '${name}' failed: ${message}`,
    details: `Message: ${message}, StackTrace: ${shimStack}`,
    failureDetails: null,
  };
}

/** A failure of the framework itself (unknown function, non-determinism). */
export function frameworkFailure(message: string): Failure {
  return { reason: message, details: `Unhandled exception while executing orchestration: ${message}`, failureDetails: null };
}

/** A GUID that is the same at every replay, made of a text (RFC 9562 version 5 layout). */
export function deterministicGuid(text: string): string {
  const bytes = createHash('sha1').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
