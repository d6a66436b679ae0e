// Money of trainings in table `budgets`: one row for each pipeline and month, changed by ETag, so that two runs never take the same money.
//   PK pipeline, RK month (2026-11)    the book: reservations, top-ups, what was spent
import { BudgetBook } from '../../contracts/budget.ts';
import { EMPTY_BOOK, reserveIn, settleIn, takenIn, topUpIn } from '../../decisions/budget.ts';
import { RejectedError } from '../../errors/errors.ts';
import type { BudgetPlace, BudgetStore } from '../../ports/budget-store.ts';
import { untilUncontended } from './contention.ts';
import { isSameRecord } from '../../decisions/patched-run.ts';
import { pack, unpack } from './row.ts';
import type { Table } from './table.ts';

type Answered = Awaited<ReturnType<BudgetStore['reserve']>>;

export function createBudgetStore(table: Table): BudgetStore {
  async function read({ pipeline, month }: BudgetPlace): Promise<{ book: BudgetBook; etag: string | null }> {
    const row = await table.get(pipeline, month);
    return row ? { book: unpack(row, BudgetBook), etag: row.etag } : { book: EMPTY_BOOK, etag: null };
  }

  /** Reads the book, changes it, and writes it if nobody else did meanwhile; an answer without a book changes nothing. */
  async function change<Answer>(
    place: BudgetPlace,
    next: (book: BudgetBook) => { book: BudgetBook | null; answer: Answer },
  ): Promise<Answer> {
    const what = `The budget of ${place.pipeline} for ${place.month}`;
    return untilUncontended(what, async () => {
      const { book: before, etag } = await read(place);
      const { book, answer } = next(before);
      if (book === null || isSameRecord(before, book)) return answer;
      const row = { partitionKey: place.pipeline, rowKey: place.month, ...pack(book, what) };
      const written = etag === null ? await table.insert(row) : await table.replace(row, etag);
      return written === 'inserted' || written === 'replaced' ? answer : 'contended';
    });
  }

  return {
    reserve: (place, request) =>
      change<Answered>(place, (before) => {
        const answer = reserveIn(before, request);
        if (!answer.granted) return { book: null, answer };
        return { book: answer.book, answer: { granted: true, reservation: answer.reservation } };
      }),

    async find(place, holder) {
      const { book } = await read(place);
      return book.reservations.find((one) => one.holder === holder) ?? null;
    },

    topUp: (place, holder, topUp) =>
      change(place, (before) => {
        const book = topUpIn(before, holder, topUp);
        const answer = book.reservations.find((one) => one.holder === holder);
        if (!answer) throw new RejectedError('reservation-unknown', `Run ${holder} has reserved no money in this month`);
        return { book, answer };
      }),

    async settle(place, holder, spent) {
      await change(place, (before) => ({ book: settleIn(before, holder, spent), answer: null }));
    },

    async taken(place) {
      return takenIn((await read(place)).book);
    },
  };
}
