"""Golden rows: raw test rows with the predictions of this run, which every target must repeat.

Complete rows only, a category by the number of its level: a golden row is numbers.
"""

import numpy as np

from sluice_credit_roc.predictions import Predictions
from sluice_protocol import ComponentError, GoldenSet, Prediction
from sluice_tabular import Floats

TOLERANCE = 1e-5
"""The server sums the same float32 leaves as XGBoost; daal4py sums them in another width."""


def golden_set(raw: Floats, predictions: Predictions, classes: tuple[str, ...], wanted: int) -> GoldenSet:
    """Up to `wanted` rows spread evenly over the test rows; none so close to the threshold that rounding could change its label."""
    clear = np.flatnonzero(~np.isnan(raw).any(axis=1) & (np.abs(predictions.probabilities - 0.5) > 10 * TOLERANCE))
    if len(clear) == 0:
        raise ComponentError('golden-none', 'no test row is complete and clear enough to be compared with; bring more rows')
    count = min(wanted, len(clear))
    chosen = [int(clear[index * len(clear) // count]) for index in range(count)]
    return GoldenSet(
        rows=[[int(value) if float(value).is_integer() else float(value) for value in raw[row]] for row in chosen],
        predictions=[_prediction(float(predictions.probabilities[row]), classes) for row in chosen],
        tolerance=TOLERANCE,
    )


def _prediction(probability: float, classes: tuple[str, ...]) -> Prediction:
    both = sorted(zip(classes, (1 - probability, probability), strict=True), key=lambda item: -item[1])
    return Prediction(both[0][0], both[0][1], tuple(both))
