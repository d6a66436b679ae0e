// The port Starter over Durable's client: named starts by deterministic id, so that a second start finds the first.
import type { DurableClient } from 'durable-functions';
import { RejectedError, TransientError } from '../../shared/errors/errors.ts';
import type { Starter } from '../../shared/ports/starter.ts';

/** Ids travel unescaped in the client's URLs (facts/durable.md §2.4). */
const PLAIN = /^[A-Za-z0-9._-]{1,100}$/;

export function createStarter(client: DurableClient): Starter {
  return {
    async start(story, instanceId, input) {
      refuseOddId(instanceId);
      // By default a finished instance would be replaced and its work done again: look first.
      if (await known(client, instanceId)) return 'exists';
      try {
        await client.startNew(story, { instanceId, input });
        return 'started';
      } catch (cause) {
        // Two starters may both have seen nothing; the engine lets one win and answers 409 (older ones 500) to the other.
        if (await known(client, instanceId)) return 'exists';
        throw new TransientError('engine-unavailable', `Durable did not start ${instanceId}`, { cause });
      }
    },
    async raise(instanceId, event, data) {
      refuseOddId(instanceId);
      await client.raiseEvent(instanceId, event, data);
    },
    async terminate(instanceId, reason) {
      refuseOddId(instanceId);
      await client.terminate(instanceId, encodeURIComponent(reason));
    },
  };
}

async function known(client: DurableClient, instanceId: string): Promise<boolean> {
  try {
    await client.getStatus(instanceId);
    return true;
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes('HTTP 404')) return false;
    throw new TransientError('engine-unavailable', `Durable did not say whether ${instanceId} exists`, { cause });
  }
}

function refuseOddId(instanceId: string): void {
  if (!PLAIN.test(instanceId)) throw new RejectedError('instance-id-odd', `"${instanceId.slice(0, 120)}" is not an instance id of ours`);
}
