"""What the server needs of a model, whatever kind it is: its columns, and probabilities of classes or one number per row.

Models are immutable, so thread-safe. Each format has a module of its own: mlp.py, trees.py, linear.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice_tabular import Column

TOP = 5
Floats = NDArray[np.float64]
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Model(ABC):
    """A loaded model; `features` are the columns of a raw row, in order."""

    name: str
    digest: str
    features: tuple[Column, ...]


@dataclass(frozen=True)
class Classifier(Model):
    """Answers with a probability for each of its classes."""

    classes: tuple[str, ...]

    @abstractmethod
    def probabilities(self, rows: Sequence[Sequence[float]]) -> Floats:
        """One row of class probabilities per raw row (categories as numbers of levels, NaN for missing)."""


@dataclass(frozen=True)
class Regressor(Model):
    """Answers with a number."""

    @abstractmethod
    def values(self, rows: Sequence[Sequence[float]]) -> Floats:
        """One number per raw row."""


def ranking(probabilities: Floats) -> list[list[int]]:
    """Columns of the best few classes per row, best first; equal ones in class order, as on the training side."""
    order: list[list[int]] = np.argsort(-probabilities, axis=1, kind='stable')[:, :TOP].tolist()
    return order


Loader = Callable[[Mapping[str, object], Files, str, str], Model]
"""Description, files, name, digest → model. May raise KeyError, TypeError, ValueError, OSError or BadZipFile."""
