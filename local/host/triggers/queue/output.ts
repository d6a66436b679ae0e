// The storage queue output binding: what a function returned or set becomes messages before its invocation counts as done.
import type { Invocation } from '../../core/function-app.ts';
import type { RpcTypedData } from '../../core/rpc.ts';
import type { QueueSettings } from '../../config/host-json.ts';
import type { PlannedFunction } from '../plan.ts';
import type { OutputWriter } from '../runner.ts';
import type { QueueConnections } from './connection.ts';
import { encodeMessage } from './message.ts';

/** What the writer needs. */
export interface QueueOutputOptions {
  readonly functions: ReadonlyMap<string, PlannedFunction>;
  readonly connections: QueueConnections;
  readonly encoding: QueueSettings['messageEncoding'];
  queueName(binding: PlannedFunction['trigger'], functionName: string): string;
}

/** Sends the messages of every queue output of a function; a queue that is missing is created. Rejects when storage refuses. */
export function createQueueOutputs(options: QueueOutputOptions): OutputWriter {
  return async (functionName, invocation) => {
    for (const binding of options.functions.get(functionName)?.queueOutputs ?? []) {
      const bodies = messageBodies(valueOf(binding.name, invocation));
      if (bodies.length === 0) continue;
      const connection = typeof binding['connection'] === 'string' ? binding['connection'] : undefined;
      const queue = await options.connections.queue(connection, options.queueName(binding, functionName));
      await queue.createIfNotExists();
      for (const body of bodies) await queue.sendMessage(encodeMessage(body, options.encoding));
    }
  };
}

function valueOf(name: string, invocation: Invocation): RpcTypedData | undefined {
  return name === '$return' ? invocation.returnValue : invocation.outputs.find((output) => output.name === name)?.data;
}

/** One message per element of an array, one for anything else, none for nothing. */
function messageBodies(value: RpcTypedData | undefined): (string | Uint8Array)[] {
  if (!value) return [];
  if (value.string !== undefined) return [value.string];
  if (value.bytes !== undefined) return [value.bytes];
  if (value.int !== undefined) return [String(value.int)];
  if (value.double !== undefined) return [String(value.double)];
  if (value.collectionString) return value.collectionString.string;
  if (value.json === undefined) return [];
  const parsed = JSON.parse(value.json) as unknown;
  if (!Array.isArray(parsed)) return [value.json];
  return parsed.map((element) => (typeof element === 'string' ? element : JSON.stringify(element)));
}
