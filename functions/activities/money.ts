// Steps on what trainings may cost: reserve before a job is made, look what is left, settle at the end.
import { readBudget, reserveBudget, settleBudget } from '../../shared/contracts/activities/money.ts';
import { limitOf } from '../../shared/decisions/budget.ts';
import { RejectedError } from '../../shared/errors/errors.ts';
import type { BudgetStore } from '../../shared/ports/budget-store.ts';
import { perform, type Activity } from './kit.ts';

export interface MoneyPorts {
  budgets: BudgetStore;
}

export function moneyActivities({ budgets }: MoneyPorts): Activity[] {
  return [
    perform(reserveBudget, async ({ pipeline, month, ...request }) => {
      const answer = await budgets.reserve({ pipeline, month }, request);
      if (answer.granted) return { limit: limitOf(answer.reservation) };
      throw new RejectedError(
        'budget-exhausted',
        `This run may cost ${request.amount}, and ${pipeline} has ${answer.left} left of its ${request.perMonth ?? 0} for ${month}. ` +
          'No job was made: raise train.budget.perMonth, or wait for the next month and try the run again',
      );
    }),

    perform(readBudget, async ({ pipeline, month, holder }) => {
      const reservation = await budgets.find({ pipeline, month }, holder);
      if (!reservation) throw new RejectedError('reservation-unknown', `Run ${holder} has reserved no money in ${month}`);
      return { limit: limitOf(reservation) };
    }),

    perform(settleBudget, async ({ pipeline, month, holder, spent }) => {
      await budgets.settle({ pipeline, month }, holder, spent);
      const reservation = await budgets.find({ pipeline, month }, holder);
      return { limit: reservation ? limitOf(reservation) : spent };
    }),
  ];
}
