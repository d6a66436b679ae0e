// Index rows that are written together: what is gathered, and that nobody suffers for a row of somebody else.
import { describe, expect, test } from 'vitest';
import { createGatheredPut } from '../../../../shared/adapters/tables/gathered.ts';
import type { NewRow, Step } from '../../../../shared/adapters/tables/table.ts';
import { RejectedError, TransientError } from '../../../../shared/errors/errors.ts';

/** A table that keeps what it was asked, and answers as the test says. */
function fake(answer: (steps: readonly Step[]) => 'done' | 'conflict' = () => 'done', refuse: (row: NewRow) => boolean = () => false) {
  const requests: string[] = [];
  const rows = new Map<string, NewRow>();
  const store = (row: NewRow): void => void rows.set(`${row.partitionKey} ${row.rowKey}`, row);
  const put = createGatheredPut({
    async put(row) {
      requests.push(`put ${row.partitionKey} ${row.rowKey}`);
      if (refuse(row)) throw new RejectedError('tables-refused', row.rowKey);
      store(row);
    },
    async batch(steps) {
      requests.push(`${steps[0]?.kind} ${steps[0]?.row.partitionKey} ${steps.length}`);
      if (steps.some(({ row }) => refuse(row))) throw new RejectedError('tables-refused', 'one of them');
      const answered = answer(steps);
      if (answered === 'done') for (const { row } of steps) store(row);
      return answered;
    },
  });
  return { put, requests, rows };
}
const row = (partitionKey: string, rowKey: string, more: Record<string, string> = {}): NewRow => ({ partitionKey, rowKey, ...more });
const numbered = (count: number): NewRow[] => Array.from({ length: count }, (_, n) => row('p', String(n)));

describe('rows that are put at the same moment', () => {
  test('are one request for each partition, and a single one is put as it is', async () => {
    const { put, requests, rows } = fake();

    await Promise.all([put(row('a', '1')), put(row('b', '1')), put(row('a', '2')), put(row('a', '3'))]);

    expect(requests.sort()).toEqual(['insert a 3', 'put b 1']);
    expect([...rows.keys()].sort()).toEqual(['a 1', 'a 2', 'a 3', 'b 1']);
  });

  test('are a hundred in one request at most, and those that come meanwhile go with the next', async () => {
    const { put, requests, rows } = fake();
    const late: Promise<void>[] = [];
    const first = numbered(101).map((one) => put(one));
    void first[0]?.then(() => late.push(put(row('p', 'late'))));

    await Promise.all(first);
    await Promise.all(late);

    expect(requests.slice(0, 2)).toEqual(['insert p 100', expect.stringMatching(/^(put p 100|insert p 2)$/) as string]);
    expect(rows.size).toBe(102);
  });

  test('that name one row twice are two requests, and the later one holds', async () => {
    const { put, requests, rows } = fake();

    await Promise.all([put(row('p', '1', { at: 'first' })), put(row('p', '2')), put(row('p', '1', { at: 'second' }))]);

    expect(requests).toEqual(['insert p 2', 'put p 1']);
    expect(rows.get('p 1')?.['at']).toBe('second');
  });
});

describe('a group', () => {
  test('with a row that is there already is written all the same', async () => {
    const { put, requests, rows } = fake((steps) => (steps[0]?.kind === 'insert' ? 'conflict' : 'done'));

    await Promise.all(numbered(3).map((one) => put(one)));

    expect(requests).toEqual(['insert p 3', 'put p 3']);
    expect(rows.size).toBe(3);
  });

  test('with a row that is refused fails for whoever brought that row, and for nobody else', async () => {
    const { put, rows } = fake(undefined, ({ rowKey }) => rowKey === '1');

    const settled = await Promise.allSettled(numbered(3).map((one) => put(one)));

    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(rows.size).toBe(2);
  });

  test('that storage does not take now fails for all, and the next group is written', async () => {
    let busy = true;
    const { put, rows } = fake(() => {
      if (busy) throw new TransientError('tables-busy', 'later');
      return 'done';
    });

    const settled = await Promise.allSettled(numbered(3).map((one) => put(one)));
    busy = false;
    await Promise.all(numbered(3).map((one) => put(one)));

    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(rows.size).toBe(3);
  });
});
