// The boundary of every activity: checks the input, runs one step, returns rejections as values and lets transient errors reach the engine.
import type { InvocationContext } from '@azure/functions';
import type { z } from 'zod';
import type { ActivityContract, ActivityResult } from '../../shared/contracts/activities/contract.ts';
import { RejectedError, UserError } from '../../shared/errors/errors.ts';

/** As much as a run's record keeps: a component may put megabytes into its report, and history and log would hold them all. */
const MAX_MESSAGE = 4000;

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
        const input = checked(contract.input, raw, `the input of ${contract.name}`);
        const value = await run(input);
        return { ok: true, value: checked(contract.output, value, `the output of ${contract.name}`) };
      } catch (error) {
        if (error instanceof RejectedError || error instanceof UserError) {
          const message = error.message.slice(0, MAX_MESSAGE);
          context.warn(`${contract.name} rejected: ${error.code}: ${message}`);
          return { ok: false, rejection: { code: error.code, message } };
        }
        context.warn(`${contract.name} failed and is tried again: ${error instanceof Error ? error.message : String(error)}`);
        throw error;
      }
    },
  };
}

/** A value that breaks its contract is our bug: trying again would not mend it, so it is a rejection that names the place. */
function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`);
  throw new RejectedError('contract-broken', `${what} is not what its contract says: ${issues.slice(0, 5).join('; ')}`);
}
