"""Format `sluice-linear/1`, as ridge-train writes it: weights and intercept in model.json, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice_protocol import ComponentError
from sluice_serve.model import Files, Floats, Model, Regressor
from sluice_tabular import NumberColumn
from sluice_tabular.columns import columns_of


@dataclass(frozen=True)
class Linear(Regressor):
    """A weighted sum of the columns."""

    weights: Floats
    intercept: float

    def values(self, rows: Sequence[Sequence[float]]) -> Floats:
        return np.asarray(rows, dtype=np.float64) @ self.weights + self.intercept


def load_linear(description: Mapping[str, object], files: Files, name: str, digest: str) -> Model:
    """Fails with `model-format` where weights and columns do not fit."""
    columns = columns_of(description['features'])
    weights = np.asarray(description['weights'], dtype=np.float64)
    intercept = float(description['intercept'])  # type: ignore[arg-type]  # another type raises, which load_model tells
    if weights.shape != (len(columns),) or not np.isfinite(weights).all() or not np.isfinite(intercept):
        raise ComponentError('model-format', f'{weights.shape} weights for {len(columns)} columns, or numbers that are not finite')
    if not all(isinstance(column, NumberColumn) and not column.missing for column in columns):
        raise ComponentError('model-format', 'a weighted sum takes numbers that are all there')
    return Linear(name, digest, columns, weights, intercept)
