// Do an endpoint's answers equal the training side's own predictions for the same rows?
import type { GoldenSet } from '../contracts/run-report.ts';
import type { ParityResult } from '../contracts/runs.ts';
import type { Prediction } from '../contracts/serving.ts';

/** Compares label by label, and probabilities within the golden set's tolerance where both sides give one. */
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

function differenceOf(expected: { label: string; probability?: number | undefined }, answer: Prediction, tolerance: number): string | null {
  if (expected.label !== answer.label) return `expected ${expected.label}, the endpoint says ${answer.label}`;
  if (expected.probability === undefined || answer.probability === null) return null;
  const distance = Math.abs(expected.probability - answer.probability);
  return distance <= tolerance ? null : `probability differs by ${distance.toExponential(2)}, tolerance ${tolerance}`;
}
