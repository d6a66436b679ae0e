// Money: what a run may cost, whether the month still has it, and when a job has used it up.
import type { BudgetBook, Reservation, TopUp } from '../contracts/budget.ts';
import type { Budget } from '../contracts/pipeline/train.ts';
import { RejectedError } from '../errors/errors.ts';
import { durationSeconds } from './durations.ts';

/** Settled reservations beyond this many are folded into one sum: a book is one row. */
const MAX_RESERVATIONS = 800;

export const EMPTY_BOOK: BudgetBook = { before: 0, reservations: [] };

/** Calendar month (UTC) of an instant: `2026-11`. */
export function monthOf(instant: string): string {
  return new Date(Date.parse(instant)).toISOString().slice(0, 7);
}

/** What a run reserves: as much as it may spend, or as the time until its deadline can cost where that is less. */
export function amountToReserve(budget: Budget, deadline: string, jobs = 1): number {
  return money(Math.min(budget.perRun, jobs * costOf(durationSeconds(deadline), budget.costPerHour)));
}

/** Price of so many seconds. */
export function costOf(seconds: number, costPerHour: number): number {
  return money((seconds / 3600) * costPerHour);
}

/** Where a run with this reservation is stopped. */
export function limitOf(reservation: Reservation): number {
  return money(reservation.amount + reservation.toppedUp.reduce((sum, { amount }) => sum + amount, 0));
}

/** Seconds of work that money pays for. */
export function secondsFor(amount: number, costPerHour: number): number {
  return Math.max(0, (amount / costPerHour) * 3600);
}

/** What a month's reservations hold or have spent. */
export function takenIn(book: BudgetBook): number {
  return money(book.before + book.reservations.reduce((sum, one) => sum + (one.spent ?? limitOf(one)), 0));
}

export type Reserved = { granted: true; reservation: Reservation; book: BudgetBook } | { granted: false; left: number };

/** The book with a reservation more, unless the month has not that much left. A holder keeps what it has. */
export function reserveIn(book: BudgetBook, request: { holder: string; amount: number; perMonth: number | null; at: string }): Reserved {
  const held = book.reservations.find(({ holder }) => holder === request.holder);
  if (held) return { granted: true, reservation: held, book };
  const { holder, amount, at } = request;
  const left = request.perMonth === null ? Infinity : request.perMonth - takenIn(book);
  if (amount > left) return { granted: false, left: money(Math.max(0, left)) };
  const reservation: Reservation = { holder, amount, toppedUp: [], spent: null, at };
  return { granted: true, reservation, book: folded({ ...book, reservations: [...book.reservations, reservation] }) };
}

/** The book with an approver's addition to one open reservation; the same addition twice is one. */
export function topUpIn(book: BudgetBook, holder: string, topUp: TopUp): BudgetBook {
  const held = book.reservations.find((one) => one.holder === holder);
  if (!held) throw new RejectedError('reservation-unknown', `Run ${holder} has reserved no money in this month`);
  if (held.toppedUp.some(({ id }) => id === topUp.id)) return book;
  if (held.spent !== null)
    throw new RejectedError('reservation-settled', `Run ${holder} has ended and spent ${held.spent}; try it again instead`);
  const raised = { ...held, toppedUp: [...held.toppedUp, topUp] };
  return { ...book, reservations: book.reservations.map((one) => (one === held ? raised : one)) };
}

/** The book with one reservation ended. */
export function settleIn(book: BudgetBook, holder: string, spent: number): BudgetBook {
  const settled = (one: Reservation): Reservation => (one.holder === holder && one.spent === null ? { ...one, spent: money(spent) } : one);
  return { ...book, reservations: book.reservations.map(settled) };
}

function folded(book: BudgetBook): BudgetBook {
  const surplus = book.reservations.length - MAX_RESERVATIONS;
  if (surplus <= 0) return book;
  const oldest = book.reservations.filter(({ spent }) => spent !== null).slice(0, surplus);
  const before = money(book.before + oldest.reduce((sum, { spent }) => sum + (spent ?? 0), 0));
  return { before, reservations: book.reservations.filter((one) => !oldest.includes(one)) };
}

/** Sums of prices without the tail that binary fractions leave. */
function money(amount: number): number {
  return Number(amount.toFixed(6));
}
