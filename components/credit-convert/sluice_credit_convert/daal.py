"""daal4py where it is installed: the trees are converted, and must answer as XGBoost does. Where it is not, that is recorded.

`daal4py.mb.convert_model` is the public way (facts/kubeflow.md §3); the module ships with scikit-learn-intelex.
"""

import importlib
import time
from dataclasses import dataclass

import numpy as np
import xgboost
from numpy.typing import NDArray

from sluice_protocol import ComponentError

TOLERANCE = 1e-4
"""Probabilities may differ by this: the two sum the same float32 leaves in another order and width."""
_SAMPLE = 2000


@dataclass(frozen=True)
class Conversion:
    """`kind` is `daal4py`, or `absent` with the reason."""

    kind: str
    version: str | None = None
    reason: str | None = None
    seconds: float = 0.0
    largestDifference: float = 0.0

    def to_json(self) -> dict[str, object]:
        if self.kind == 'absent':
            return {'kind': 'absent', 'wanted': 'daal4py', 'reason': self.reason}
        return {'kind': self.kind, 'version': self.version}

    def metrics(self) -> dict[str, float]:
        if self.kind == 'absent':
            return {}
        return {'conversionSeconds': round(self.seconds, 3), 'largestDifference': self.largestDifference}

    def packages(self) -> dict[str, str]:
        return {} if self.version is None else {'daal4py': self.version}


def convert(booster: xgboost.Booster, features: NDArray[np.float32], names: list[str]) -> Conversion:
    """Converts and compares on some rows; fails with `conversion-differs` where the two disagree."""
    try:
        daal4py = importlib.import_module('daal4py')
        builders = importlib.import_module('daal4py.mb')
    except ImportError as error:
        return Conversion('absent', reason=f'{type(error).__name__}: {error}')
    started = time.monotonic()
    converted = builders.convert_model(booster)
    seconds = time.monotonic() - started
    sample = features[:_SAMPLE]
    theirs = np.asarray(converted.predict_proba(sample), dtype=np.float64)[:, 1]
    ours = booster.predict(xgboost.DMatrix(sample, feature_names=names))
    largest = float(np.max(np.abs(theirs - ours), initial=0.0))
    if not largest <= TOLERANCE:
        raise ComponentError('conversion-differs', f'daal4py answers differ from those of XGBoost by {largest:.2e}; allowed is {TOLERANCE:g}')
    return Conversion('daal4py', str(getattr(daal4py, '__version__', 'unknown')), None, seconds, largest)
