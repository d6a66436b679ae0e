// The boundary of every activity: checks the input, runs one step, returns rejections as values and lets transient errors reach the engine.
import type { InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import type { ActivityContract, ActivityResult } from '../../shared/contracts/activities/contract.ts';
import { RejectedError, UserError } from '../../shared/errors/errors.ts';

/** What app.ts registers. */
export interface Activity {
  readonly name: string;
  readonly handler: (input: unknown, context: InvocationContext) => Promise<ActivityResult<unknown>>;
}

/** Binds a contract to the code that does the step. */
export function perform<Input extends z.ZodType, Output extends z.ZodType>(
  contract: ActivityContract<Input, Output>,
  run: (input: z.output<Input>) => Promise<z.input<Output>>,
): Activity {
  return {
    name: contract.name,
    handler: async (raw, context) => {
      try {
        const input = contract.input.parse(raw);
        return { ok: true, value: contract.output.parse(await run(input)) };
      } catch (error) {
        if (error instanceof RejectedError || error instanceof UserError) {
          context.warn(`${contract.name} rejected: ${error.code}: ${error.message}`);
          return { ok: false, rejection: { code: error.code, message: error.message } };
        }
        throw error;
      }
    },
  };
}
