"""The step: the trained trees and their transforms become the folder `model/`; daal4py takes the trees where it is installed.

daal4py's converted model exists in memory only (its one file form is a pickle), so what is kept is the proof that it converts.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import xgboost

from sluice_credit_convert.daal import Conversion, convert
from sluice_credit_convert.params import check_params
from sluice_protocol import (
    MODEL,
    ComponentError,
    Outcome,
    StepArguments,
    TypedOutput,
    folder_digests,
    model_digest,
    parse_json_object,
    read_text,
)
from sluice_tabular import Preprocessing, read_npz, read_schema

MODEL_NAME = 'credit-risk'
FORMAT = 'sluice-trees/1'
FOLDER, BOOSTER, PREPROCESSING, DESCRIPTION = 'model', 'booster.json', 'preprocessing.json', 'model.json'


def convert_step(arguments: StepArguments) -> Outcome:
    """Inputs `model`: the folder of credit-train; `data`: the folder of credit-preprocess."""
    check_params(arguments.params)
    source, data = arguments.input('model'), arguments.input('data')
    booster = _booster(source / BOOSTER)
    transforms = _transforms(source / PREPROCESSING)
    if booster.num_features() != len(transforms.features()):
        raise ComponentError('model-invalid', f'the trees take {booster.num_features()} features, the transforms give {len(transforms.features())}')
    (features,) = read_npz(data / 'test.npz', 'features')
    schema = read_schema(data / 'columns.json')
    conversion = convert(booster, features, list(transforms.features()))
    folder = _write(arguments.out, source, schema.classes)
    files = folder_digests(folder)
    return Outcome(
        metrics={'trees': booster.num_boosted_rounds(), 'features': booster.num_features(), **conversion.metrics()},
        params={},
        artifacts=[type(file)(f'{FOLDER}/{file.path}', file.sha256, file.bytes) for file in files],
        data={'modelDigest': model_digest(files)},
        packages={'numpy': np.__version__, 'xgboost': xgboost.__version__, **conversion.packages()},
        accelerator=conversion.to_json(),
        outputs={'model': TypedOutput(MODEL, FOLDER, {'framework': 'xgboost', 'accelerator': conversion.kind})},
    )


def _booster(path: Path) -> xgboost.Booster:
    if not path.is_file():
        raise ComponentError('data-missing', f'input model holds no {path.name}; give the folder of credit-train')
    try:
        return xgboost.Booster(model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise ComponentError('model-invalid', f'{path.name} is not a model of XGBoost: {str(error).splitlines()[-1][:200]}') from error


def _transforms(path: Path) -> Preprocessing:
    try:
        return Preprocessing.from_json(parse_json_object(read_text(path, 'the transforms'), path.name))
    except (KeyError, TypeError, ValueError) as error:
        raise ComponentError('preprocessing-invalid', f'{path.name}: {type(error).__name__}: {error}') from error


def _write(out: Path, source: Path, classes: tuple[str, ...]) -> Path:
    if len(classes) != 2:
        raise ComponentError('columns-invalid', f'columns.json names {len(classes)} classes; these trees know two')
    folder = out / FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    shutil.copyfile(source / BOOSTER, folder / BOOSTER)
    shutil.copyfile(source / PREPROCESSING, folder / PREPROCESSING)
    description = {'format': FORMAT, 'name': MODEL_NAME, 'preprocessing': PREPROCESSING, 'booster': BOOSTER, 'classes': list(classes)}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + '\n', encoding='utf-8')
    return folder
