"""The step around the core: reads gold, trains, writes the model folder and its archive, and tells the protocol.

Layout below the out folder: `model/`, `model.tar.gz`, `run-report.json`.
"""

import os
import shutil
from pathlib import Path

import numpy
import sklearn

from sluice_ble_train.core import Trained, train_and_judge
from sluice_ble_train.model_files import write_model
from sluice_ble_train.params import parse_params
from sluice_ble_train.readings import BEACONS, NOT_HEARD, STRONGEST, read_gold
from sluice_protocol import (
    FileDigest,
    ModelDescription,
    Outcome,
    StepArguments,
    folder_digests,
    limit_threads,
    model_digest,
    rows_stay,
    write_archive,
)

MODEL_FOLDER = 'model'
ARCHIVE = 'model.tar.gz'
_PLOT_POINTS = 200
EXAMPLE_ROW = [(NOT_HEARD + STRONGEST) // 2] * len(BEACONS)
"""Made up, for a look whether an endpoint answers at all."""


def train_step(arguments: StepArguments) -> Outcome:
    """Inputs `gold` and, where rows must stay, `releasable`; leaves the model and returns what the report says about it."""
    params = parse_params(arguments.params)
    readings = read_gold(arguments.input('gold'))
    released = read_gold(arguments.input('releasable')) if 'releasable' in arguments.inputs else None
    trained = train_and_judge(readings, params, released, stay=rows_stay(os.environ))
    model = _write(arguments.out, trained)
    return Outcome(
        metrics=trained.metrics,
        slices=trained.slices,
        params=params.to_json(),
        artifacts=[model.archive],
        model=model,
        plots=[_loss_plot(trained.network.loss)],
        golden=trained.golden,
        data={
            'rows': len(readings),
            'files': list(readings.files),
            'features': list(BEACONS),
            'label': 'location',
            'notHeard': NOT_HEARD,
            'exampleRow': EXAMPLE_ROW,
        },
        packages={'numpy': numpy.__version__, 'scikit-learn': sklearn.__version__},
        accelerator={'kind': 'none', 'cpuThreads': limit_threads(os.environ)},
    )


def _write(out: Path, trained: Trained) -> ModelDescription:
    folder = out / MODEL_FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    write_model(folder, trained.network)
    files = folder_digests(folder)
    archive = write_archive(folder, out / ARCHIVE)
    return ModelDescription(
        digest=model_digest(files),
        files=files,
        archive=FileDigest(path=ARCHIVE, sha256=archive.sha256, bytes=archive.bytes),
    )


def _loss_plot(loss: tuple[float, ...]) -> dict[str, object]:
    """The training loss by epoch, thinned to a few hundred points: reports are read whole."""
    step = max(1, -(-len(loss) // _PLOT_POINTS))
    return {
        'name': 'training-loss',
        'kind': 'line',
        'x': 'epoch',
        'y': 'loss',
        'points': [[epoch + 1, round(loss[epoch], 6)] for epoch in range(0, len(loss), step)],
    }
