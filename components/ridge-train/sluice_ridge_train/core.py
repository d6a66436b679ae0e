"""From a table to a judged model: split, fit, score. Pure; main.py does the files.

The model that is shipped is the one that was measured: it has not seen the test rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

from sluice_protocol import ComponentError, GoldenSet, PredictedValue
from sluice_ridge_train.params import TrainParams
from sluice_tabular import Floats, NumberColumn, Schema, Table

# The ten columns are centred and scaled so that the squares of each add up to 1 over the data set: none can be beyond ±1.
SCHEMA = Schema(
    columns=tuple(NumberColumn(name, -1, 1) for name in ('age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6')),
    label=NumberColumn('target', 0, 10_000),
)
TOLERANCE = 1e-6
MIN_ROWS = 30
OTHER_SEEDS = range(20)


@dataclass(frozen=True)
class Trained:
    """The weights, the test rows with what was predicted for them, and what is known of both."""

    weights: Floats
    intercept: float
    actual: Floats
    predicted: Floats
    metrics: dict[str, float]
    golden: GoldenSet


def train_and_judge(table: Table, params: TrainParams) -> Trained:
    """Fails with `too-few-rows`."""
    if len(table) < MIN_ROWS:
        raise ComponentError('too-few-rows', f'{len(table)} rows; at least {MIN_ROWS} are needed')
    train, test = _split(len(table), params.testShare, params.seed)
    model = _fit(table, train, params.alpha)
    actual, predicted = table.labels[test], np.asarray(model.predict(table.matrix[test]), dtype=np.float64)
    others = [_error(table, params, seed) for seed in OTHER_SEEDS]
    mse = float(mean_squared_error(actual, predicted))
    metrics = {
        'alpha': params.alpha,
        'mse': mse,
        'rmse': float(np.sqrt(mse)),
        'mae': float(mean_absolute_error(actual, predicted)),
        'r2': float(r2_score(actual, predicted)),
        # What always answering the mean of the training rows would get: a model must beat it to be worth anything.
        'meanMse': float(np.mean((actual - table.labels[train].mean()) ** 2)),
        # On so few rows the split moves the score; these say how much.
        'mseOtherSplitsLow': min(others),
        'mseOtherSplitsHigh': max(others),
        'rows': len(table),
        'trainRows': len(train),
        'testRows': len(test),
    }
    weights = np.asarray(model.coef_, dtype=np.float64)
    return Trained(weights, float(model.intercept_), actual, predicted, metrics, _golden(table.matrix[test], predicted, params.goldenRows))


def _split(rows: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    train, test = train_test_split(np.arange(rows), test_size=share, random_state=seed)
    return train, test


def _fit(table: Table, rows: NDArray[np.int64], alpha: float) -> Ridge:
    return Ridge(alpha=alpha).fit(table.matrix[rows], table.labels[rows])


def _error(table: Table, params: TrainParams, seed: int) -> float:
    train, test = _split(len(table), params.testShare, seed)
    return float(mean_squared_error(table.labels[test], _fit(table, train, params.alpha).predict(table.matrix[test])))


def _golden(rows: Floats, predicted: Floats, wanted: int) -> GoldenSet:
    """Test rows, spread evenly."""
    count = min(wanted, len(predicted))
    chosen = [index * len(predicted) // count for index in range(count)]
    return GoldenSet(
        rows=[rows[row].tolist() for row in chosen],
        predictions=[PredictedValue(float(predicted[row])) for row in chosen],
        tolerance=TOLERANCE,
        columns=[column.name for column in SCHEMA.columns],
    )
