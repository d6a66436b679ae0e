"""Golden rows: raw test rows as a caller writes them, with the predictions of this run, which every target must repeat."""

import numpy as np

from sluice_credit_roc.predictions import Predictions
from sluice_protocol import ComponentError, GoldenSet, Prediction
from sluice_tabular import Floats, Schema, row_cells

TOLERANCE = 1e-5
"""The server sums the same float32 leaves as XGBoost; daal4py sums them in another width."""


def golden_set(schema: Schema, raw: Floats, predictions: Predictions, wanted: int) -> GoldenSet:
    """Up to `wanted` rows spread evenly over the test rows; none so close to the threshold that rounding could change its label.

    Where any of those rows lacks a value, a golden row does too: what is missing must be filled in alike on both sides.
    """
    clear = np.flatnonzero(np.abs(predictions.probabilities - 0.5) > 10 * TOLERANCE)
    if len(clear) == 0:
        raise ComponentError('golden-none', 'no test row is clear enough to be compared with; bring more rows')
    count = min(wanted, len(clear))
    chosen = [int(clear[index * len(clear) // count]) for index in range(count)]
    lacking = clear[np.isnan(raw[clear]).any(axis=1)]
    if len(lacking) > 0 and not np.isnan(raw[chosen]).any():
        chosen[-1] = int(lacking[-1])
    return GoldenSet(
        rows=[row_cells(raw[row].tolist(), schema.columns) for row in chosen],
        predictions=[_prediction(float(predictions.probabilities[row]), schema.classes) for row in chosen],
        tolerance=TOLERANCE,
        columns=[column.name for column in schema.columns],
    )


def _prediction(probability: float, classes: tuple[str, ...]) -> Prediction:
    both = sorted(zip(classes, (1 - probability, probability), strict=True), key=lambda item: -item[1])
    return Prediction(both[0][0], both[0][1], tuple(both))
