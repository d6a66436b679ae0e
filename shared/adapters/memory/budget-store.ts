// Port BudgetStore in memory, under the same rules as the one in tables.
import type { BudgetBook } from '../../contracts/budget.ts';
import { EMPTY_BOOK, reserveIn, settleIn, takenIn, topUpIn } from '../../decisions/budget.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { BudgetPlace, BudgetStore } from '../../ports/budget-store.ts';
import { createKept } from './kept.ts';

export function createMemoryBudgetStore(): BudgetStore {
  const books = createKept<BudgetBook>();
  const keyOf = ({ pipeline, month }: BudgetPlace): string => `${pipeline} ${month}`;
  const bookOf = (place: BudgetPlace): BudgetBook => books.get(keyOf(place)) ?? structuredClone(EMPTY_BOOK);
  const heldIn = (book: BudgetBook, holder: string) => book.reservations.find((one) => one.holder === holder) ?? null;
  return {
    async reserve(place, request) {
      const answer = reserveIn(bookOf(place), request);
      if (!answer.granted) return answer;
      books.set(keyOf(place), answer.book);
      return { granted: true, reservation: structuredClone(answer.reservation) };
    },
    async find(place, holder) {
      return heldIn(bookOf(place), holder);
    },
    async topUp(place, holder, topUp) {
      const book = topUpIn(bookOf(place), holder, topUp);
      books.set(keyOf(place), book);
      const held = heldIn(book, holder);
      if (!held) throw new RejectedError('reservation-unknown', `Run ${holder} has reserved no money in this month`);
      return structuredClone(held);
    },
    async settle(place, holder, spent) {
      books.set(keyOf(place), settleIn(bookOf(place), holder, spent));
    },
    async taken(place) {
      return takenIn(bookOf(place));
    },
  };
}
