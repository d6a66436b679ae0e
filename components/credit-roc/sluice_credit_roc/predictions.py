"""Reads what credit-infer wrote, and nothing else: truth, label and probability of each test row."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sluice_protocol import ComponentError

HEADER = ['truth', 'label', 'probability']


@dataclass(frozen=True)
class Predictions:
    """Parallel arrays: the true class (0 or 1), the predicted one, and the probability of class 1."""

    truth: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)


def read_predictions(path: Path) -> Predictions:
    """Fails with `predictions-invalid`."""
    try:
        with path.open(encoding='utf-8', newline='') as file:
            rows = csv.reader(file, strict=True)
            if next(rows, None) != HEADER:
                raise ComponentError('predictions-invalid', f'{path.name} line 1: expected {",".join(HEADER)}')
            found = np.array([[float(value) for value in row] for row in rows], dtype=np.float64)
    except (OSError, ValueError, csv.Error) as error:
        raise ComponentError('predictions-invalid', f'{path.name} cannot be read: {error}') from error
    if found.ndim != 2 or found.shape[1] != len(HEADER) or not np.isin(found[:, :2], (0, 1)).all():
        raise ComponentError('predictions-invalid', f'{path.name}: every row needs a truth and a label of 0 or 1, and a probability')
    probabilities = found[:, 2]
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ComponentError('predictions-invalid', f'{path.name}: a probability is not between 0 and 1')
    return Predictions(found[:, 0].astype(np.int64), found[:, 1].astype(np.int64), probabilities)
