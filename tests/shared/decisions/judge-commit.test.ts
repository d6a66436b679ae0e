// A foreign engine's commit against the pipeline's file, by what its log tells.
import { describe, expect, it } from 'vitest';
import type { ColumnFacts, ForeignCommit } from '../../../shared/contracts/hand-over.ts';
import { Table } from '../../../shared/contracts/pipeline.ts';
import { judgeCommit } from '../../../shared/decisions/judge-commit.ts';

const tableOf = (more: object = {}) => Table.parse({ name: 'training', sql: 'gold.sql', mode: 'overwrite', ...more });
const commitOf = (added: Record<string, Partial<ColumnFacts>> = {}, addedRows = 10): ForeignCommit => ({
  commit: { layer: 'gold', table: 'training', path: 'gold/p/training/', version: 3, rows: 10, addedRows, digest: 'a'.repeat(64) },
  columns: [
    { name: 'id', type: 'long' },
    { name: 'amount', type: 'decimal(10,2)' },
  ],
  added: Object.fromEntries(Object.entries(added).map(([name, facts]) => [name, { nulls: 0, min: null, max: null, ...facts }])),
  readRows: null,
});
const columns = (more: object) => tableOf({ columns: { amount: more } });

describe('a commit of another engine', () => {
  it('is taken when its columns, rows and statistics hold', () => {
    const spec = tableOf({
      columns: { id: { type: 'long', required: true }, amount: { type: 'decimal(10, 2)', min: 0, max: 100 } },
      maxRows: 10,
    });

    expect(judgeCommit(spec, commitOf({ id: {}, amount: { min: '0', max: '99.99' } }))).toEqual({
      refused: null,
      findings: [],
      unjudged: [],
    });
  });

  it.each([
    ['a column is missing', columns({}), { ...commitOf(), columns: [] }, 'hand-over-columns', 'no column "amount"'],
    [
      'a type is another',
      columns({ type: 'double' }),
      commitOf(),
      'hand-over-columns',
      'is decimal(10,2), the contract of table "training" says double',
    ],
    ['there are too few rows', tableOf({ minRows: 11 }), commitOf(), 'hand-over-rows', 'at least 11'],
    ['there are too many rows', tableOf({ maxRows: 9 }), commitOf(), 'hand-over-rows', 'at most 9'],
    ['a required value is null', columns({ required: true }), commitOf({ amount: { nulls: 2 } }), 'hand-over-values', 'is null in 2 rows'],
    ['a value is below the range', columns({ min: 0 }), commitOf({ amount: { min: '-0.01' } }), 'hand-over-values', 'is below 0: -0.01'],
    ['a value is above the range', columns({ max: 1 }), commitOf({ amount: { max: '1e3' } }), 'hand-over-values', 'is above 1: 1e3'],
    ['a range has no statistics', columns({ min: 0 }), commitOf({ amount: {} }), 'hand-over-unjudged', 'no smallest number'],
    ['nulls are not counted', columns({ required: true }), commitOf({ amount: { nulls: null } }), 'hand-over-unjudged', 'no null counts'],
    ['a column has no statistics at all', columns({ max: 0 }), commitOf(), 'hand-over-unjudged', 'no largest number'],
    ['a bound is no number', columns({ max: 0 }), commitOf({ amount: { max: 'plenty' } }), 'hand-over-unjudged', 'no largest number'],
  ])('is refused when %s', (_, spec, found, code, words) => {
    const { refused } = judgeCommit(spec, found);

    expect(refused?.code).toBe(code);
    expect(refused?.message).toContain('gold/p/training/ version 3: ');
    expect(refused?.message).toContain(words);
  });

  it('that breaks a rule which only warns is taken, with the finding', () => {
    const spec = columns({ required: true, min: 0, onFail: 'warn' });

    expect(judgeCommit(spec, commitOf({ amount: { nulls: 2, min: '1' } }))).toEqual({
      refused: null,
      findings: [{ rule: 'required:amount', action: 'warn', rows: 2, lines: [] }],
      unjudged: [],
    });
  });

  it('with nulls only has nothing out of range', () => {
    expect(judgeCommit(columns({ min: 0 }), commitOf({ amount: { nulls: 10 } })).refused).toBeNull();
  });

  it('of a merge may add more rows than are new', () => {
    expect(judgeCommit(tableOf({ mode: 'merge(id)', maxRows: 1 }), commitOf()).refused).toBeNull();
  });

  it('leaves what statistics cannot tell to the engine, and says which rules', () => {
    const expectation = { name: 'sane', check: 'amount < id', onFail: 'fail' };
    const spec = tableOf({ columns: { id: { unique: true }, amount: { values: [1, 2] } }, expect: [expectation] });

    expect(judgeCommit(spec, commitOf()).unjudged).toEqual(['unique:id', 'values:amount', 'sane']);
  });
});
