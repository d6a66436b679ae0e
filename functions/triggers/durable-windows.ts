// The port Windows over Durable's client: entities are read as they are, never asked, so that a look leaves no trace.
import * as df from 'durable-functions';
import type { DurableClient } from 'durable-functions';
import type { z } from 'zod';
import { JoinState, WindowState } from '../../shared/contracts/windows.ts';
import { TransientError } from '../../shared/errors/errors.ts';
import type { Windows } from '../../shared/ports/windows.ts';

/** Names of the entities, as orchestrations/kit/window.ts registers them. */
export const WINDOW_ENTITY = 'window';
export const JOIN_ENTITY = 'join';

export function createWindows(client: Pick<DurableClient, 'readEntityState'>): Windows {
  async function read<Schema extends z.ZodType>(schema: Schema, name: string, key: string): Promise<z.output<Schema> | null> {
    const answer = await client.readEntityState<unknown>(new df.EntityId(name, key)).catch((cause: unknown) => {
      throw new TransientError('engine-unavailable', `Durable did not say what the entity ${name} ${key} knows`, { cause });
    });
    // An entity that somebody asked but nothing was ever added to has the state null.
    if (!answer.entityExists || answer.entityState === null || answer.entityState === undefined) return null;
    return schema.parse(answer.entityState);
  }
  return {
    window: (pipeline, source) => read(WindowState, WINDOW_ENTITY, `${pipeline}.${source}`),
    join: (pipeline) => read(JoinState, JOIN_ENTITY, pipeline),
  };
}
