"""The last step: predictions into scores, table, curve and picture; packs the model; its run report is the run's."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sluice_credit_roc.golden import golden_set
from sluice_credit_roc.params import golden_rows
from sluice_credit_roc.predictions import Predictions, read_predictions
from sluice_credit_roc.scores import Backend, ClassScore, Curve, accuracy, class_scores, confusion, find_backend, roc_curve, slices
from sluice_plots import Line, line_chart
from sluice_protocol import (
    CLASSIFICATION_METRICS,
    DATASET,
    METRICS,
    MODEL,
    REPORT_NAME,
    ComponentError,
    FileDigest,
    ModelDescription,
    Outcome,
    StepArguments,
    TypedOutput,
    file_digest,
    folder_digests,
    model_digest,
    parse_json_object,
    read_text,
    thread_count,
    write_archive,
)
from sluice_tabular import read_npz, read_schema

ARCHIVE, PICTURE, CURVE, TABLE = 'model.tar.gz', 'roc.png', 'roc.json', 'per-class.csv'
TABLE_COLUMNS = ('class', 'precision', 'recall', 'f1', 'support')


def judge_step(arguments: StepArguments) -> Outcome:
    """Inputs `predictions`: the folder of credit-infer; `model`: of credit-convert; `data`: of credit-preprocess."""
    wanted = golden_rows(arguments.params)
    inferred, converted, data, out = *(arguments.input(name) for name in ('predictions', 'model', 'data')), arguments.out
    predictions = read_predictions(inferred / 'predictions.csv')
    raw, labels = read_npz(data / 'test.npz', 'raw', 'labels')
    if not np.array_equal(labels, predictions.truth):
        raise ComponentError('predictions-differ', 'the predictions belong to other test rows than those of the input data')
    schema = read_schema(data / 'columns.json')
    backend = find_backend()
    per_class = class_scores(predictions, schema.classes)
    curve = roc_curve(predictions)
    auc = float(backend.metrics.roc_auc_score(predictions.truth, predictions.probabilities))
    metrics = _metrics(auc, per_class, predictions, _report(data))
    table = _table(per_class, metrics['accuracy'])
    _write_table(out / TABLE, table)
    confidence = _classification_metrics(curve, predictions, schema.classes)
    (out / CURVE).write_text(json.dumps({'auc': auc, **confidence}, indent=1) + '\n', encoding='utf-8')
    (out / PICTURE).write_bytes(_picture(curve, auc))
    model = _pack(converted / 'model', out)
    inference = _report(inferred)
    return Outcome(
        metrics=metrics,
        slices=slices(schema, raw, predictions, backend),
        params={'goldenRows': wanted},
        artifacts=[model.archive, *(file_digest(out / name) for name in (PICTURE, CURVE, TABLE))],
        model=model,
        plots=[_table_plot(table), _plot(curve)],
        golden=golden_set(schema, raw, predictions, wanted),
        data={'features': [column.name for column in schema.columns], 'label': schema.label.name, 'classes': list(schema.classes)},
        packages={**_texts(inference.get('packages')), 'numpy': np.__version__, **backend.packages},
        accelerator=_accelerator(inference, backend),
        outputs={
            'metrics': TypedOutput(METRICS, None, {name: metrics[name] for name in ('auc', 'accuracy')}),
            'roc': TypedOutput(CLASSIFICATION_METRICS, CURVE, confidence),
            'per_class': TypedOutput(DATASET, TABLE),
            'plot': TypedOutput('system.Artifact', PICTURE),
            'model': TypedOutput(MODEL, ARCHIVE, {'modelDigest': model.digest}),
        },
    )


def _metrics(auc: float, per_class: Sequence[ClassScore], predictions: Predictions, data: Mapping[str, object]) -> dict[str, float]:
    negatives, false_positives, false_negatives, positives = confusion(predictions)
    ratios = {
        f'{name}{"".join(score.name.split("-"))}': getattr(score, name) for score in per_class for name in ('precision', 'recall', 'f1')
    }
    before = data.get('metrics')
    known = before if isinstance(before, dict) else {}
    return {
        'auc': auc,
        'accuracy': accuracy(predictions.truth, predictions.labels),
        'majorityAccuracy': max(score.support for score in per_class) / len(predictions),
        **ratios,
        'trueNegatives': negatives,
        'falsePositives': false_positives,
        'falseNegatives': false_negatives,
        'truePositives': positives,
        **{name: known[name] for name in ('trainRows', 'features') if name in known},
        'testRows': len(predictions),
    }


def _table(per_class: Sequence[ClassScore], overall: float) -> list[tuple[str, float | None, float | None, float, int]]:
    """Like scikit-learn's classification report: a line per class, then accuracy and the two means."""
    rows = sum(score.support for score in per_class)
    lines: list[tuple[str, float | None, float | None, float, int]] = [
        *((score.name, score.precision, score.recall, score.f1, score.support) for score in per_class),
        ('accuracy', None, None, overall, rows),
    ]
    for name, weights in (('macro avg', [1 / len(per_class)] * len(per_class)), ('weighted avg', [score.support / rows for score in per_class])):
        precision, recall, f1 = (
            sum(weight * getattr(score, key) for weight, score in zip(weights, per_class, strict=True)) for key in ('precision', 'recall', 'f1')
        )
        lines.append((name, precision, recall, f1, rows))
    return lines


def _write_table(path: Path, table: Sequence[tuple[str, float | None, float | None, float, int]]) -> None:
    with path.open('w', encoding='utf-8', newline='') as file:
        lines = csv.writer(file, lineterminator='\n')
        lines.writerow(TABLE_COLUMNS)
        lines.writerows((name, *('' if ratio is None else f'{ratio:.6f}' for ratio in ratios), rows) for name, *ratios, rows in table)


def _table_plot(table: Sequence[tuple[str, float | None, float | None, float, int]]) -> dict[str, object]:
    lines = [[name, *(None if ratio is None else round(ratio, 6) for ratio in ratios), rows] for name, *ratios, rows in table]
    return {'name': 'per-class', 'kind': 'table', 'columns': list(TABLE_COLUMNS), 'rows': lines}


def _classification_metrics(curve: Curve, predictions: Predictions, classes: Sequence[str]) -> dict[str, object]:
    """Metadata as Kubeflow's `system.ClassificationMetrics` has it (facts/kubeflow.md §2)."""
    negatives, false_positives, false_negatives, positives = confusion(predictions)
    return {
        'confidenceMetrics': [
            {'confidenceThreshold': threshold, 'recall': hits, 'falsePositiveRate': rate} for rate, hits, threshold in curve.points
        ],
        'confusionMatrix': {
            'annotationSpecs': [{'displayName': name} for name in classes],
            'rows': [{'row': [negatives, false_positives]}, {'row': [false_negatives, positives]}],
        },
    }


def _plot(curve: Curve) -> dict[str, object]:
    points = [[round(rate, 6), round(hits, 6)] for rate, hits, _ in curve.points]
    return {'name': 'roc', 'kind': 'line', 'x': 'false positive rate', 'y': 'true positive rate', 'points': points}


def _picture(curve: Curve, auc: float) -> bytes:
    return line_chart(
        title='ROC curve, class Default',
        x_label='false positive rate',
        y_label='true positive rate',
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        lines=[
            Line(((0.0, 0.0), (1.0, 1.0)), (150, 150, 150), 'chance', dashed=True),
            Line(tuple((rate, hits) for rate, hits, _ in curve.points), (31, 93, 168), f'AUC {auc:.4f}'),
        ],
    )


def _pack(folder: Path, out: Path) -> ModelDescription:
    if not (folder / 'model.json').is_file():
        raise ComponentError('data-missing', 'input model holds no model/model.json; give the folder of credit-convert')
    files = folder_digests(folder)
    archive = write_archive(folder, out / ARCHIVE)
    return ModelDescription(model_digest(files), files, FileDigest(ARCHIVE, archive.sha256, archive.bytes))


def _report(folder: Path) -> Mapping[str, object]:
    """The run report of an earlier step."""
    return parse_json_object(read_text(folder / REPORT_NAME, 'the run report', 16 * 1024 * 1024), f'{REPORT_NAME} of an earlier step')


def _accelerator(inference: Mapping[str, object], backend: Backend) -> dict[str, object]:
    """`kind` is what inference used; `absent` says that a wanted accelerator was not there, and which."""
    said = inference.get('accelerator')
    found = dict(said) if isinstance(said, dict) else {'kind': 'absent'}
    metrics = {'kind': backend.kind, **({'wanted': 'scikit-learn-intelex', 'reason': backend.reason} if backend.reason else {})}
    return {**found, 'metrics': metrics, 'cpuThreads': thread_count(os.environ)}


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items() if name != 'python'} if isinstance(value, dict) else {}
