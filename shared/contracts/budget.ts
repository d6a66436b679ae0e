// Money of a pipeline in one calendar month: what its runs have reserved, what approvers added, and what was spent.
import * as z from 'zod';
import { Instant } from './identifiers.ts';

/** Calendar month in UTC, e.g. 2026-11. */
export const Month = z.string().regex(/^[0-9]{4}-(0[1-9]|1[0-2])$/, 'expected a month such as 2026-11');

/** An amount that an approver added to one run. `id` is the request's own: the same request again adds nothing. */
export const TopUp = z.strictObject({
  id: z.string().max(200),
  amount: z.number().positive(),
  by: z.string().max(200),
  reason: z.string().max(1000),
  at: Instant,
});
export type TopUp = z.infer<typeof TopUp>;

/** `amount` counts against the month while the run is open; once it is settled, `spent` does. */
export const Reservation = z.strictObject({
  holder: z.string().max(110).describe('Run that may spend it'),
  amount: z.number().positive().describe('Reserved at the start'),
  toppedUp: z.array(TopUp).max(50),
  spent: z.number().min(0).nullable().describe('null while the run is open'),
  at: Instant,
});
export type Reservation = z.infer<typeof Reservation>;

/** The reservations of one pipeline and month. `before` sums up settled ones that were folded away. */
export const BudgetBook = z.strictObject({ before: z.number().min(0), reservations: z.array(Reservation) });
export type BudgetBook = z.infer<typeof BudgetBook>;
