// The port Starter over Durable's client: named starts by deterministic id, so that a second start finds the first.
import type { DurableClient } from 'durable-functions';
import { RejectedError, TransientError } from '../../shared/errors/errors.ts';
import type { Starter } from '../../shared/ports/starter.ts';

/** Ids travel unescaped in the client's URLs (facts/durable.md §2.4). */
const PLAIN = /^[A-Za-z0-9._-]{1,100}$/;

const ENDED: ReadonlySet<string> = new Set(['Completed', 'Failed', 'Terminated', 'Canceled']);

export function createStarter(client: DurableClient): Starter {
  return {
    async start(story, instanceId, input) {
      refuseOddId(instanceId);
      // By default a finished instance would be replaced and its work done again: look first.
      if ((await stateOf(client, instanceId)) !== null) return 'exists';
      try {
        await client.startNew(story, { instanceId, input });
        return 'started';
      } catch (cause) {
        // Two starters may both have seen nothing; the engine lets one win and answers 409 (older ones 500) to the other.
        if ((await stateOf(client, instanceId)) !== null) return 'exists';
        throw new TransientError('engine-unavailable', `Durable did not start ${instanceId}`, { cause });
      }
    },
    async raise(instanceId, event, data) {
      refuseOddId(instanceId);
      // Durable swallows an event to a finished instance and fails for one that never was (facts/durable.md §2.9 item 14).
      const state = await stateOf(client, instanceId);
      if (state === null || ENDED.has(state)) return 'nobody';
      try {
        await client.raiseEvent(instanceId, event, data);
        return 'sent';
      } catch (cause) {
        throw new TransientError('engine-unavailable', `Durable did not take the event "${event}" for ${instanceId}`, { cause });
      }
    },
  };
}

/** null when there is no such instance. */
async function stateOf(client: DurableClient, instanceId: string): Promise<string | null> {
  try {
    return (await client.getStatus(instanceId)).runtimeStatus;
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes('HTTP 404')) return null;
    throw new TransientError('engine-unavailable', `Durable did not say whether ${instanceId} exists`, { cause });
  }
}

function refuseOddId(instanceId: string): void {
  if (!PLAIN.test(instanceId)) throw new RejectedError('instance-id-odd', `"${instanceId.slice(0, 120)}" is not an instance id of ours`);
}
