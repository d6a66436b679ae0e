"""Trains the network and answers with it: pure functions over arrays, no file and no clock.

scikit-learn's MLPClassifier does the training; what is kept is plain arrays.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sluice_ble_train.params import TrainParams
from sluice_ble_train.readings import NOT_HEARD, STRONGEST

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """A trained classifier; `classes` are the labels in the order of the columns of the probabilities."""

    classes: tuple[str, ...]
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    loss: tuple[float, ...]
    fitted: MLPClassifier

    def probabilities(self, signals: Sequence[Sequence[int]]) -> Floats:
        """One row of probabilities per reading, by scikit-learn itself: what the server's own arithmetic is checked against."""
        return np.asarray(self.fitted.predict_proba(scale(signals)), dtype=np.float64)


def scale(signals: Sequence[Sequence[int]]) -> Floats:
    """dBm from -200 (not heard) to 0 becomes 0..1."""
    return (np.asarray(signals, dtype=np.float64) - NOT_HEARD) / (STRONGEST - NOT_HEARD)


def train(signals: Sequence[Sequence[int]], cells: Sequence[str], params: TrainParams) -> Network:
    """Trains for exactly `params.epochs` epochs; the same rows, parameters and library versions give the same weights."""
    classes = tuple(sorted(set(cells)))
    code = {cell: index for index, cell in enumerate(classes)}
    classifier = MLPClassifier(
        hidden_layer_sizes=params.hiddenLayers,
        activation='relu',
        solver='adam',
        alpha=params.l2,
        batch_size=min(params.batchSize, len(cells)),
        learning_rate_init=params.learningRate,
        max_iter=params.epochs,
        n_iter_no_change=params.epochs,
        tol=0.0,
        random_state=params.seed,
    )
    with warnings.catch_warnings():
        # Stopping after a fixed number of epochs is the plan, not an accident.
        warnings.simplefilter('ignore', ConvergenceWarning)
        classifier.fit(scale(signals), np.array([code[cell] for cell in cells]))
    return Network(
        classes=classes,
        weights=tuple(np.asarray(array, dtype=np.float64) for array in classifier.coefs_),
        biases=tuple(np.asarray(array, dtype=np.float64) for array in classifier.intercepts_),
        loss=tuple(float(value) for value in classifier.loss_curve_),
        fitted=classifier,
    )
