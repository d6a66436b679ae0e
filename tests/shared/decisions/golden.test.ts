// Golden rows as callers write them, predictions of classes and of numbers in their own words, and reports from before that was so.
import { describe, expect, test } from 'vitest';
import type { GoldenSet, RunReport } from '../../../shared/contracts/run-report.ts';
import type { Prediction } from '../../../shared/contracts/serving.ts';
import { compareWithGolden } from '../../../shared/decisions/parity.ts';
import { believableReport } from '../../../shared/decisions/report.ts';

const LOAN = [24, 54_400, 'RENT', null, 'MEDICAL', 'C', 35_000, 14.27, 0.55, true];
const COLUMNS = LOAN.map((_, n) => `column_${n}`);

function read(golden: unknown): RunReport {
  const report = {
    protocol: 1,
    component: { name: 'credit-roc', version: '1' },
    status: 'succeeded',
    metrics: { auc: 0.9 },
    golden,
    times: { startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z', executionSeconds: 1 },
  };
  return believableReport('run', new TextEncoder().encode(JSON.stringify(report)));
}

describe('a golden set', () => {
  test('holds texts, numbers, true and false, and nothing where a value is missing, under the names of its columns', () => {
    const golden = { columns: COLUMNS, rows: [LOAN], predictions: [{ label: 'Default', probability: 0.98 }], tolerance: 1e-5 };

    expect(read(golden).golden).toEqual(golden);
  });

  test('of an older report is read: levels as numbers, a number with a label beside it', () => {
    const classes = { rows: [[24, 54_400, 3, 8]], predictions: [{ label: 'Default', probability: 0.98, top: [] }], tolerance: 1e-5 };
    const numbers = { rows: [[0.1]], predictions: [{ label: '235.112391', value: 235.1123908 }], tolerance: 1e-6 };

    expect(read(classes).golden).toMatchObject({ rows: classes.rows, predictions: [{ label: 'Default', probability: 0.98 }] });
    expect(read(numbers).golden?.predictions).toEqual([{ value: 235.1123908 }]);
  });

  test.each([
    ['a row in a row', { rows: [[[1]]], predictions: [{ label: 'a' }] }, /golden.rows.0.0: expected a finite number, a text/],
    [
      'a prediction that is none',
      { rows: [[1]], predictions: [{ probability: 1 }] },
      /golden.predictions.0: expected a class .* or a number/,
    ],
    ['fewer predictions than rows', { rows: [[1], [2]], predictions: [{ value: 1 }] }, /2 rows and 1 predictions/],
    ['both kinds', { rows: [[1], [2]], predictions: [{ value: 1 }, { label: 'a' }] }, /numbers for some rows and classes for others/],
    [
      'a row of another width than its columns',
      { columns: ['a', 'b'], rows: [['x', 1], ['y']], predictions: [{ value: 1 }, { value: 2 }] },
      /2 columns, its row 1 has 1 values/,
    ],
  ])('with %s is refused', (_case, golden, message) => {
    expect(() => read({ tolerance: 0, ...golden })).toThrow(
      expect.objectContaining({ code: 'report-invalid', message: expect.stringMatching(message) as string }) as Error,
    );
  });
});

describe('a number', () => {
  const golden: GoldenSet = { rows: [[1], [2]], predictions: [{ value: 235.1124 }, { value: -3 }], tolerance: 1e-3 };
  const against = (...answers: Prediction[]) => compareWithGolden(golden, answers);

  test('agrees within the tolerance, whatever its decimals look like', () => {
    expect(against({ value: 235.1129 }, { value: -3 })).toEqual({ rowsChecked: 2, rowsAgreeing: 2, worst: null });
  });

  test('that is further away, or is no number, does not agree', () => {
    expect(against({ value: 235.2 }, { value: 3 })).toEqual({
      rowsChecked: 2,
      rowsAgreeing: 0,
      worst: 'row 0: value differs by 8.76e-2, tolerance 0.001',
    });
    expect(against({ value: 235.1124 }, { label: '-3', probability: null })).toMatchObject({
      rowsAgreeing: 1,
      worst: 'row 1: expected the number -3, the endpoint says the class -3',
    });
    expect(against({ value: 235.1124 })).toMatchObject({ rowsAgreeing: 1, worst: 'row 1: no answer' });
  });

  test('is no class', () => {
    const classes: GoldenSet = { rows: [[1]], predictions: [{ label: '7' }], tolerance: 1 };

    expect(compareWithGolden(classes, [{ value: 7 }])).toMatchObject({
      rowsAgreeing: 0,
      worst: 'row 0: expected the class 7, the endpoint says the number 7',
    });
  });
});
