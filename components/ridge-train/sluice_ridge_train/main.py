"""The step around the core: reads gold, writes model, archive and picture, tells a tracking server where one is named."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import sklearn

from sluice_plots import Line, Points, scatter_chart
from sluice_protocol import (
    METRICS,
    MODEL,
    FileDigest,
    ModelDescription,
    Outcome,
    StepArguments,
    TypedOutput,
    file_digest,
    folder_digests,
    model_digest,
    thread_count,
    write_archive,
)
from sluice_ridge_train.core import SCHEMA, Trained, train_and_judge
from sluice_ridge_train.params import parse_params
from sluice_ridge_train.tracking import Tracked, track
from sluice_tabular import csv_files, read_table

MODEL_NAME = 'diabetes'
FORMAT = 'sluice-linear/1'
FOLDER, ARCHIVE, PICTURE = 'model', 'model.tar.gz', 'actuals_vs_predictions.png'


def train_step(arguments: StepArguments) -> Outcome:
    """Input `gold`: a CSV file or a folder of them."""
    params = parse_params(arguments.params)
    out = arguments.out
    table = read_table(csv_files(arguments.input('gold'), 'input gold'), SCHEMA)
    trained = train_and_judge(table, params)
    model = _write(out, trained)
    (out / PICTURE).write_bytes(_picture(trained))
    tracked = track(
        os.environ,
        params={name: str(value) for name, value in vars(params).items()},
        metrics={name: trained.metrics[name] for name in ('alpha', 'mse', 'rmse', 'mae', 'r2')},
        tags={'sluice.modelDigest': model.digest, 'sluice.component': 'ridge-train'},
        picture=out / PICTURE,
        model=out / FOLDER,
    )
    return Outcome(
        metrics={**trained.metrics, 'tracked': int(tracked.status == 'logged')},
        params=vars(params),
        artifacts=[model.archive, file_digest(out / PICTURE)],
        model=model,
        plots=[_plot(trained)],
        golden=trained.golden,
        data=_data(len(table), table.files, tracked),
        packages={'numpy': np.__version__, 'scikit-learn': sklearn.__version__, **tracked.packages},
        accelerator={'kind': 'none', 'cpuThreads': thread_count(os.environ)},
        outputs={
            'metrics': TypedOutput(METRICS, None, trained.metrics),
            'plot': TypedOutput('system.Artifact', PICTURE),
            'model': TypedOutput(MODEL, ARCHIVE, {'modelDigest': model.digest}),
        },
    )


def _data(rows: int, files: tuple[str, ...], tracked: Tracked) -> dict[str, object]:
    names = [column.name for column in SCHEMA.columns]
    return {'rows': rows, 'files': list(files), 'features': names, 'label': SCHEMA.label.name, 'mlflow': tracked.to_json()}


def _write(out: Path, trained: Trained) -> ModelDescription:
    folder = out / FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    description = {
        'format': FORMAT,
        'name': MODEL_NAME,
        'features': [column.to_json() for column in SCHEMA.columns],
        'weights': trained.weights.tolist(),
        'intercept': trained.intercept,
        'target': SCHEMA.label.name,
    }
    (folder / 'model.json').write_text(json.dumps(description, indent=1, allow_nan=False) + '\n', encoding='utf-8')
    files = folder_digests(folder)
    archive = write_archive(folder, out / ARCHIVE)
    return ModelDescription(model_digest(files), files, FileDigest(ARCHIVE, archive.sha256, archive.bytes))


def _pairs(trained: Trained) -> list[tuple[float, float]]:
    return list(zip(trained.actual.tolist(), trained.predicted.tolist(), strict=True))


def _plot(trained: Trained) -> dict[str, object]:
    points = [[round(actual, 6), round(predicted, 6)] for actual, predicted in _pairs(trained)]
    return {'name': 'actuals-vs-predictions', 'kind': 'points', 'x': 'actual', 'y': 'predicted', 'points': points[:500]}


def _picture(trained: Trained) -> bytes:
    both = np.concatenate([trained.actual, trained.predicted])
    room = 0.05 * float(np.ptp(both)) or 1.0
    ends = (float(both.min()) - room, float(both.max()) + room)
    return scatter_chart(
        title=f'Actuals and predictions, mse {trained.metrics["mse"]:.1f}',
        x_label='actual',
        y_label='predicted',
        x_range=ends,
        y_range=ends,
        lines=[Line(((ends[0], ends[0]), (ends[1], ends[1])), (150, 150, 150), 'equal', dashed=True)],
        points=[Points(_pairs(trained), (31, 93, 168), 'test rows')],
    )
