// What trainings may cost: reserved before a job is made, settled when its run has ended. Changes are by ETag, so that two runs never take the same money.
import type { Reservation, TopUp } from '../contracts/budget.ts';

/** One book for each pipeline and month. */
export interface BudgetPlace {
  pipeline: string;
  month: string;
}

export interface BudgetStore {
  /**
   * Reserves an amount for a run unless the month would get over `perMonth` (null: no limit). A run that holds a reservation keeps it as
   * it is: a repeat reserves nothing more. `left` is what the month had left.
   */
  reserve(
    place: BudgetPlace,
    request: { holder: string; amount: number; perMonth: number | null; at: string },
  ): Promise<{ granted: true; reservation: Reservation } | { granted: false; left: number }>;
  /** null when the run holds nothing in this month. */
  find(place: BudgetPlace, holder: string): Promise<Reservation | null>;
  /** Adds to an open reservation, once for each `id`. Rejects `reservation-unknown`, `reservation-settled`. */
  topUp(place: BudgetPlace, holder: string, topUp: TopUp): Promise<Reservation>;
  /** Ends a reservation with what was spent; the rest is free again. A run that holds nothing, or has settled, changes nothing. */
  settle(place: BudgetPlace, holder: string, spent: number): Promise<void>;
  /** What the month's reservations hold and have spent, together. */
  taken(place: BudgetPlace): Promise<number>;
}
