"""The run report: its parts as frozen records, its JSON, and the write that makes it appear whole or not at all.

Nothing but finite numbers gets in: JSON has no NaN, and a gate must never compare with one.
"""

import json
import math
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluice_protocol.digest import FileDigest
from sluice_protocol.errors import ComponentError
from sluice_protocol.kubeflow import TypedOutput

PROTOCOL = 1
REPORT_NAME = 'run-report.json'
_METRIC = re.compile(r'[A-Za-z][A-Za-z0-9_.-]{0,79}')


@dataclass(frozen=True)
class Component:
    """Who reports: the name of the folder under components/ and the version of its code."""

    name: str
    version: str


@dataclass(frozen=True)
class Slice:
    """Metrics of a part of the test rows; `n` is how many rows it has."""

    name: str
    n: int
    metrics: Mapping[str, float]


Cell = float | str | bool | None
"""A value of a row as JSON holds it: a category is its text, what is missing is None."""


@dataclass(frozen=True)
class Prediction:
    """The class that the training side answers with for a golden row: its label, its probability, and the best few of both."""

    label: str
    probability: float | None = None
    top: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class PredictedValue:
    """The number that the training side answers with for a golden row."""

    value: float


@dataclass(frozen=True)
class GoldenSet:
    """Raw input rows, as a caller sends them, with the training side's own predictions; every target must repeat them within `tolerance`.

    `columns` are the names of the values of a row, in their order, where the rows have names. Predictions are all of one kind.
    """

    rows: Sequence[Sequence[Cell]]
    predictions: Sequence[Prediction] | Sequence[PredictedValue]
    tolerance: float
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class ModelDescription:
    """The model folder by file, its modelDigest, and the archive that packs it (paths relative to the out folder)."""

    digest: str
    files: Sequence[FileDigest]
    archive: FileDigest


@dataclass(frozen=True)
class Outcome:
    """What a step hands to the protocol when it succeeded."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    slices: Sequence[Slice] = ()
    params: Mapping[str, object] | None = None
    artifacts: Sequence[FileDigest] = ()
    model: ModelDescription | None = None
    plots: Sequence[Mapping[str, object]] = ()
    golden: GoldenSet | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    accelerator: Mapping[str, object] = field(default_factory=lambda: {'kind': 'none'})
    outputs: Mapping[str, TypedOutput] = field(default_factory=dict)


def finite(value: object, what: str) -> int | float:
    """A JSON number; NaN, infinity, booleans and anything that is no number are refused. Takes numpy scalars too."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ComponentError('report-invalid', f'{what} is {value!r}, not a number')
    if isinstance(value, numbers.Integral):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ComponentError('report-invalid', f'{what} is {number}; a run report holds finite numbers only')
    return number


def metrics_json(metrics: Mapping[str, float], what: str) -> dict[str, int | float]:
    """Metric names and finite values."""
    for name in metrics:
        if not _METRIC.fullmatch(name):
            raise ComponentError('report-invalid', f'{what}: {name!r} is not a metric name (letters, digits, _ . -)')
    return {name: finite(value, f'{what} {name}') for name, value in metrics.items()}


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """The part of a report that the step itself knows; optional parts are left out, never null."""
    report: dict[str, object] = {
        'metrics': metrics_json(outcome.metrics, 'metric'),
        'slices': [
            {'name': part.name, 'n': part.n, 'metrics': metrics_json(part.metrics, f'slice {part.name}')} for part in outcome.slices
        ],
        'artifacts': [file.to_json() for file in outcome.artifacts],
        'plots': [dict(plot) for plot in outcome.plots],
        'data': dict(outcome.data),
        'packages': dict(outcome.packages),
        'accelerator': dict(outcome.accelerator),
    }
    if outcome.model is not None:
        report['model'] = {
            'digest': outcome.model.digest,
            'files': [file.to_json() for file in outcome.model.files],
            'archive': outcome.model.archive.to_json(),
        }
    if outcome.outputs:
        report['outputs'] = [
            {'name': name, 'type': output.type, **({'path': output.path} if output.path is not None else {})}
            for name, output in outcome.outputs.items()
        ]
    if outcome.golden is not None:
        report['golden'] = golden_json(outcome.golden)
    return report


def golden_json(golden: GoldenSet) -> dict[str, object]:
    """A golden set; rows and predictions must pair up, because they are compared one by one."""
    if len(golden.rows) != len(golden.predictions):
        raise ComponentError('report-invalid', f'{len(golden.rows)} golden rows but {len(golden.predictions)} predictions')
    if len({type(prediction) for prediction in golden.predictions}) > 1:
        raise ComponentError('report-invalid', 'golden predictions are classes or numbers, not both in one set')
    if golden.columns and (odd := [row for row in golden.rows if len(row) != len(golden.columns)]):
        raise ComponentError('report-invalid', f'a golden row has {len(odd[0])} values, but {len(golden.columns)} columns are named')
    return {
        **({'columns': list(golden.columns)} if golden.columns else {}),
        'rows': [[cell_json(value, 'golden row') for value in row] for row in golden.rows],
        'predictions': [_prediction_json(prediction) for prediction in golden.predictions],
        'tolerance': finite(golden.tolerance, 'golden tolerance'),
    }


def cell_json(value: object, what: str) -> int | float | str | bool | None:
    """A value of a row: a text, true, false, None, or a finite number."""
    if value is None or isinstance(value, bool):
        return value
    return str(value) if isinstance(value, str) else finite(value, what)


def _prediction_json(prediction: Prediction | PredictedValue) -> dict[str, object]:
    if isinstance(prediction, PredictedValue):
        return {'value': finite(prediction.value, 'golden value')}
    found: dict[str, object] = {'label': prediction.label}
    if prediction.probability is not None:
        found['probability'] = finite(prediction.probability, 'golden probability')
    if prediction.top:
        found['top'] = [{'label': label, 'probability': finite(value, 'golden probability')} for label, value in prediction.top]
    return found


def write_report(out: Path, report: Mapping[str, object]) -> Path:
    """Writes `run-report.json` under a temporary name, flushes it to disk, then renames: readers see all of it or nothing."""
    try:
        text = json.dumps(report, allow_nan=False, ensure_ascii=False, indent=1)
    except (ValueError, TypeError) as error:
        raise ComponentError('report-invalid', f'the run report cannot be written as JSON: {error}') from error
    target = out / REPORT_NAME
    temporary = out / f'.{REPORT_NAME}.{os.getpid()}'
    with temporary.open('w', encoding='utf-8') as file:
        file.write(text + '\n')
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, target)
    return target
