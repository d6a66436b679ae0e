"""Scores of two classes: AUC, accuracy, precision, recall and F1 per class, and the ROC curve thinned to what a page can hold.

All ratios are 0..1. scikit-learn computes the curve, by scikit-learn-intelex where that is installed.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from sluice_credit_roc.predictions import Predictions
from sluice_protocol import Slice
from sluice_tabular import CategoryColumn, Floats, Schema

CURVE_POINTS = 200
SLICED = ('loan_grade', 'person_home_ownership')


@dataclass(frozen=True)
class Backend:
    """The metrics module in use; `kind` is `scikit-learn-intelex`, or `absent` with the reason."""

    metrics: Any
    kind: str
    packages: dict[str, str]
    reason: str | None = None


def find_backend() -> Backend:
    """scikit-learn-intelex where it can be imported, else scikit-learn itself."""
    packages = {'scikit-learn': sklearn.__version__}
    plain = importlib.import_module('sklearn.metrics')
    try:
        fast = importlib.import_module('sklearnex')
        faster = importlib.import_module('sklearnex.metrics')
    except ImportError as error:
        return Backend(plain, 'absent', packages, f'{type(error).__name__}: {error}')
    return Backend(faster, 'scikit-learn-intelex', packages | {'scikit-learn-intelex': str(getattr(fast, '__version__', 'unknown'))})


@dataclass(frozen=True)
class Curve:
    """Points of the ROC curve from (0, 0) to (1, 1): false positive rate, true positive rate, threshold (1.0 at the start)."""

    points: tuple[tuple[float, float, float], ...]


def roc_curve(predictions: Predictions) -> Curve:
    """Thinned evenly along the curve, so that corners keep their shape."""
    from sklearn.metrics import roc_curve as whole_curve

    rates, hits, thresholds = whole_curve(predictions.truth, predictions.probabilities)
    # Older versions start above 1, newer at infinity, which JSON does not have.
    thresholds = np.minimum(thresholds, 1.0)
    length = np.concatenate([[0.0], np.cumsum(np.diff(rates) + np.diff(hits))])
    wanted = np.searchsorted(length, np.linspace(0.0, length[-1], min(CURVE_POINTS, len(length))))
    chosen = np.unique(np.concatenate([[0], np.minimum(wanted, len(length) - 1), [len(length) - 1]]))
    return Curve(tuple((float(rates[index]), float(hits[index]), float(thresholds[index])) for index in chosen))


def confusion(predictions: Predictions) -> tuple[int, int, int, int]:
    """True negatives, false positives, false negatives, true positives; class 1 is the positive one."""
    counts = np.bincount(predictions.truth * 2 + predictions.labels, minlength=4).tolist()
    return counts[0], counts[1], counts[2], counts[3]


@dataclass(frozen=True)
class ClassScore:
    """Of one class; 0 where nothing was predicted or nothing was there."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def class_scores(predictions: Predictions, classes: Sequence[str]) -> list[ClassScore]:
    """One line per class, in their order."""
    negatives, false_positives, false_negatives, positives = confusion(predictions)
    return [
        _score(classes[0], negatives, false_negatives, false_positives),
        _score(classes[1], positives, false_positives, false_negatives),
    ]


def _score(name: str, right: int, wrongly: int, missed: int) -> ClassScore:
    precision = right / (right + wrongly) if right + wrongly else 0.0
    recall = right / (right + missed) if right + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return ClassScore(name, precision, recall, f1, right + missed)


def accuracy(truth: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Share of rows whose class was predicted."""
    return float(np.mean(truth == labels))


def slices(schema: Schema, raw: Floats, predictions: Predictions, backend: Backend) -> list[Slice]:
    """Accuracy, recall of class 1 and, where both classes are there, AUC for each level of a few columns."""
    found: list[Slice] = []
    for name in SLICED:
        place = schema.place(name)
        column = schema.columns[place]
        levels = column.levels if isinstance(column, CategoryColumn) else ()
        for code, level in enumerate(levels):
            rows = raw[:, place] == code
            if rows.any():
                part = Predictions(predictions.truth[rows], predictions.labels[rows], predictions.probabilities[rows])
                found.append(Slice(f'{name}={level}', len(part), _slice_metrics(part, backend)))
    return found


def _slice_metrics(part: Predictions, backend: Backend) -> dict[str, float]:
    metrics = {'accuracy': accuracy(part.truth, part.labels)}
    if part.truth.any():
        metrics['recallDefault'] = float(np.mean(part.labels[part.truth == 1]))
    if 0 < part.truth.sum() < len(part):
        metrics['auc'] = float(backend.metrics.roc_auc_score(part.truth, part.probabilities))
    return metrics
