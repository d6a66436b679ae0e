"""The step: arrays of features into `booster.json`, XGBoost's own JSON. Never a pickle.

With the input `base` the trees of an earlier model stay and new ones are added (incremental update), on the same features only.
"""

import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import xgboost

from sluice_credit_train.params import parse_params
from sluice_protocol import (
    MODEL,
    ComponentError,
    Outcome,
    StepArguments,
    TypedOutput,
    file_digest,
    parse_json_object,
    read_text,
    thread_count,
)
from sluice_tabular import Preprocessing, read_npz

TRAIN_ARRAYS, PREPROCESSING, BOOSTER = 'train.npz', 'preprocessing.json', 'booster.json'


class TrainLoss(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # xgboost has no types
    """The loss on all training rows after the last round.

    Asked here because the booster still knows its answers for them: what `train` returns is a copy that must walk every tree again, a third
    of the training's own time.
    """

    def __init__(self, rows: xgboost.DMatrix) -> None:
        super().__init__()
        self.rows = rows
        self.value = math.nan

    def after_training(self, model: xgboost.Booster) -> xgboost.Booster:
        self.value = float(str(model.eval(self.rows, 'train')).rpartition(':')[2])
        return model


def train_step(arguments: StepArguments) -> Outcome:
    """Input `data`: the folder of credit-preprocess; optionally `base`: the folder of an earlier credit-train."""
    params = parse_params(arguments.params)
    data, out = arguments.input('data'), arguments.out
    threads = thread_count(os.environ)
    names = _feature_names(data / PREPROCESSING)
    features, labels = read_npz(data / TRAIN_ARRAYS, 'features', 'labels')
    base = _base(arguments, data)
    rounds = params.updateRounds if base is not None else params.rounds
    started = time.monotonic()
    matrix = xgboost.DMatrix(features, labels, feature_names=names, nthread=threads)
    loss = TrainLoss(matrix)
    booster = xgboost.train(params.for_xgboost(threads), matrix, num_boost_round=rounds, xgb_model=base, verbose_eval=False, callbacks=[loss])
    seconds = time.monotonic() - started
    (out / BOOSTER).write_bytes(bytes(booster.save_raw('json')))
    # Part of the model: without it the trees mean nothing.
    shutil.copyfile(data / PREPROCESSING, out / PREPROCESSING)
    return Outcome(
        metrics={
            'rounds': rounds,
            'trees': booster.num_boosted_rounds(),
            'trainRows': len(labels),
            'trainLogloss': loss.value,
            'trainSeconds': round(seconds, 3),
        },
        params={name: value for name, value in vars(params).items() if name != ('rounds' if base is not None else 'updateRounds')},
        artifacts=[file_digest(out / BOOSTER), file_digest(out / PREPROCESSING)],
        data={'features': names, 'update': base is not None},
        packages={'numpy': np.__version__, 'xgboost': xgboost.__version__},
        accelerator={'kind': 'none', 'cpuThreads': threads},
        outputs={'model': TypedOutput(MODEL, BOOSTER, {'framework': 'xgboost', 'trees': booster.num_boosted_rounds()})},
    )


def _feature_names(path: Path) -> list[str]:
    try:
        return list(Preprocessing.from_json(parse_json_object(read_text(path, 'the transforms'), path.name)).features())
    except (KeyError, TypeError, ValueError) as error:
        raise ComponentError('preprocessing-invalid', f'{path.name}: {type(error).__name__}: {error}') from error


def _base(arguments: StepArguments, data: Path) -> xgboost.Booster | None:
    """The model to build on, where one was given. Its features must be made by the very same transforms."""
    if 'base' not in arguments.inputs:
        return None
    folder = arguments.input('base')
    booster, transforms = folder / BOOSTER, folder / PREPROCESSING
    if not booster.is_file() or not transforms.is_file():
        raise ComponentError('base-invalid', f'input base: {folder.name} holds no {BOOSTER} and {PREPROCESSING}; give a folder of credit-train')
    if json.loads(read_text(transforms, 'the transforms')) != json.loads(read_text(data / PREPROCESSING, 'the transforms')):
        raise ComponentError(
            'base-differs', 'input base was trained on features made by other transforms; preprocess with those of the base, or train anew'
        )
    try:
        return xgboost.Booster(model_file=str(booster))
    except xgboost.core.XGBoostError as error:
        raise ComponentError('base-invalid', f'input base: {BOOSTER} is not a model of XGBoost: {str(error).splitlines()[-1][:200]}') from error
