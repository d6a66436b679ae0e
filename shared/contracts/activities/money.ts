// Activities on what trainings may cost.
import * as z from 'zod';
import { Month } from '../budget.ts';
import { Name } from '../identifiers.ts';
import { activity, BRIEF, PATIENT } from './contract.ts';

const held = { pipeline: Name, month: Month, holder: z.string().max(110) };

/** Reserves money for a run, once. Rejects `budget-exhausted` when the month has not that much left. */
export const reserveBudget = activity({
  name: 'reserve-budget',
  input: z.strictObject({ ...held, amount: z.number().positive(), perMonth: z.number().positive().nullable(), at: z.string() }),
  output: z.strictObject({ limit: z.number() }),
  retry: PATIENT,
});

/** Where a run is stopped now: an approver may have added to its reservation. */
export const readBudget = activity({
  name: 'read-budget',
  input: z.strictObject(held),
  output: z.strictObject({ limit: z.number() }),
  retry: BRIEF,
});

/** Ends a reservation: what was not spent is free again. */
export const settleBudget = activity({
  name: 'settle-budget',
  input: z.strictObject({ ...held, spent: z.number().min(0) }),
  output: z.strictObject({ limit: z.number() }),
  retry: PATIENT,
});
