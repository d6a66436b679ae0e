"""The step: probabilities of the test rows into `predictions.csv`; by daal4py where it is installed, else by XGBoost, and the report says which."""

import csv
import importlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

from sluice_credit_infer.params import check_params
from sluice_protocol import DATASET, ComponentError, Outcome, StepArguments, TypedOutput, file_digest, thread_count
from sluice_tabular import read_npz

PREDICTIONS = 'predictions.csv'
THRESHOLD = 0.5


@dataclass(frozen=True)
class Inference:
    """Probability of the second class for each row, and who computed it."""

    probabilities: NDArray[np.float64]
    accelerator: dict[str, object]
    packages: dict[str, str]
    seconds: float


def infer_step(arguments: StepArguments) -> Outcome:
    """Inputs `model`: the folder of credit-convert; `data`: the folder of credit-preprocess."""
    check_params(arguments.params)
    features, labels = read_npz(arguments.input('data') / 'test.npz', 'features', 'labels')
    booster = _booster(arguments.input('model') / 'model' / 'booster.json')
    found = infer(booster, features, thread_count(os.environ))
    _write(arguments.out / PREDICTIONS, labels, found.probabilities)
    return Outcome(
        metrics={'rows': len(labels), 'inferenceSeconds': round(found.seconds, 4)},
        params={},
        artifacts=[file_digest(arguments.out / PREDICTIONS)],
        packages={'numpy': np.__version__, 'xgboost': xgboost.__version__, **found.packages},
        accelerator=found.accelerator,
        outputs={'predictions': TypedOutput(DATASET, PREDICTIONS, {'rows': len(labels), 'accelerator': found.accelerator['kind']})},
    )


def infer(booster: xgboost.Booster, features: NDArray[np.float32], threads: int) -> Inference:
    """Converts first where daal4py is there; the conversion is not part of the time."""
    try:
        daal4py = importlib.import_module('daal4py')
        builders = importlib.import_module('daal4py.mb')
    except ImportError as error:
        booster.set_param({'nthread': threads})
        started = time.monotonic()
        found = booster.predict(xgboost.DMatrix(features, feature_names=booster.feature_names, nthread=threads))
        absent: dict[str, object] = {'kind': 'absent', 'wanted': 'daal4py', 'reason': f'{type(error).__name__}: {error}', 'cpuThreads': threads}
        return Inference(np.asarray(found, dtype=np.float64), absent, {}, time.monotonic() - started)
    version = str(getattr(daal4py, '__version__', 'unknown'))
    converted = builders.convert_model(booster)
    started = time.monotonic()
    probabilities = np.asarray(converted.predict_proba(features), dtype=np.float64)[:, 1]
    seconds = time.monotonic() - started
    return Inference(probabilities, {'kind': 'daal4py', 'version': version, 'cpuThreads': threads}, {'daal4py': version}, seconds)


def _booster(path: Path) -> xgboost.Booster:
    if not path.is_file():
        raise ComponentError('data-missing', f'input model holds no model/{path.name}; give the folder of credit-convert')
    try:
        return xgboost.Booster(model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise ComponentError('model-invalid', f'{path.name} is not a model of XGBoost: {str(error).splitlines()[-1][:200]}') from error


def _write(path: Path, labels: NDArray[np.int8], probabilities: NDArray[np.float64]) -> None:
    with path.open('w', encoding='utf-8', newline='') as file:
        lines = csv.writer(file, lineterminator='\n')
        lines.writerow(('truth', 'label', 'probability'))
        lines.writerows(
            (truth, int(probability > THRESHOLD), repr(probability))
            for truth, probability in zip(labels.tolist(), probabilities.tolist(), strict=True)
        )
