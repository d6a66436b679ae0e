// Do an endpoint's answers equal the training side's own predictions for the same rows?
import { InputRow } from '../contracts/rows.ts';
import type { GoldenPrediction, GoldenSet, RunReport } from '../contracts/run-report.ts';
import type { ParityResult } from '../contracts/runs.ts';
import type { Prediction } from '../contracts/serving.ts';
import { RejectedError } from '../errors/errors.ts';

/**
 * Row by row. Classes: the same label, and probabilities within the golden set's tolerance where both sides give one. Numbers: within the
 * tolerance. A class never equals a number, whatever its label reads like.
 */
export function compareWithGolden(golden: GoldenSet, answers: readonly Prediction[]): ParityResult {
  let agreeing = 0;
  let worst: string | null = null;
  golden.predictions.forEach((expected, row) => {
    const answer = answers[row];
    const difference = answer ? differenceOf(expected, answer, golden.tolerance) : 'no answer';
    if (difference === null) agreeing += 1;
    else worst ??= `row ${row}: ${difference}`;
  });
  return { rowsChecked: golden.predictions.length, rowsAgreeing: agreeing, worst };
}

function differenceOf(expected: GoldenPrediction, answer: Prediction, tolerance: number): string | null {
  if ('value' in expected) {
    if (!('value' in answer)) return `expected the number ${expected.value}, the endpoint says the class ${answer.label}`;
    return farApart('value', expected.value, answer.value, tolerance);
  }
  if ('value' in answer) return `expected the class ${expected.label}, the endpoint says the number ${answer.value}`;
  if (expected.label !== answer.label) return `expected ${expected.label}, the endpoint says ${answer.label}`;
  if (expected.probability === undefined || answer.probability === null) return null;
  return farApart('probability', expected.probability, answer.probability, tolerance);
}

function farApart(what: string, expected: number, found: number, tolerance: number): string | null {
  const distance = Math.abs(expected - found);
  return distance <= tolerance ? null : `${what} differs by ${distance.toExponential(2)}, tolerance ${tolerance}`;
}

/** An input row that a component made up, as its report names it; null when it names none. */
export function madeUpRow({ data }: Pick<RunReport, 'data'>): InputRow | null {
  const row = InputRow.safeParse(data['exampleRow']);
  return row.success ? row.data : null;
}

/** Did the endpoint answer one row with one prediction? Says that nothing was compared. Rejects `shape-failed`. */
export function shapeOf(answers: readonly Prediction[]): ParityResult {
  const [answer] = answers;
  if (answers.length === 1 && answer && ('value' in answer || answer.label !== ''))
    return { rowsChecked: 0, rowsAgreeing: 0, worst: null, shapeOnly: 'no releasable rows: endpoint checked by shape only' };
  throw new RejectedError('shape-failed', `The endpoint gave ${answers.length} predictions for one row; the promotion is undone`);
}
