"""The seven credit-risk steps: published figures from the public file, what each leaves, and what it says about bad input."""

import csv
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit import GRAPH, Credit, as_process, in_process, run_graph
from sluice_protocol import folder_digests, model_digest
from steps import ROOT, report_of

PUBLIC = ROOT.parent / 'shared' / 'data' / 'credit_risk_dataset.csv'
HARMLESS = '{"rounds": 3}'


@pytest.mark.skipif(not PUBLIC.exists(), reason='real data absent: ../shared/data/credit_risk_dataset.csv')
def test_the_published_figures_are_reproduced(tmp_path: Path) -> None:
    found = run_graph(tmp_path, PUBLIC, {'seed': 0}, as_process)

    metrics = found.report['metrics']
    assert metrics['auc'] == pytest.approx(0.9466, abs=5e-5)
    assert metrics['accuracy'] == pytest.approx(0.9358, abs=5e-5)
    assert [metrics[f'{name}s'] for name in ('trueNegative', 'falsePositive', 'falseNegative', 'truePositive')] == [6435, 47, 476, 1188]
    assert (metrics['precisionDefault'], metrics['recallDefault']) == (pytest.approx(0.962, abs=5e-4), pytest.approx(0.714, abs=5e-4))
    assert metrics['majorityAccuracy'] == pytest.approx(0.7957, abs=5e-5)
    assert (metrics['features'], metrics['trainRows'], metrics['testRows']) == (26, 24435, 8146)
    assert report_of(tmp_path / 'load')['metrics']['missingValues'] == 895 + 3116
    assert report_of(tmp_path / 'train')['metrics']['trees'] == 500


def test_the_last_report_is_that_of_the_run(credit: Credit) -> None:
    report, out = credit.report, credit.root / 'roc'
    metrics = report['metrics']
    assert 0.75 < metrics['auc'] <= 1 and metrics['accuracy'] > metrics['majorityAccuracy']
    assert metrics['testRows'] == sum(metrics[name] for name in ('trueNegatives', 'falsePositives', 'falseNegatives', 'truePositives')) == 375
    assert report['model']['digest'] == model_digest(folder_digests(credit.root / 'convert' / 'model'))
    with tarfile.open(out / 'model.tar.gz') as tar:
        assert tar.getnames() == ['booster.json', 'model.json', 'preprocessing.json']
    assert {file['path'] for file in report['artifacts']} == {'model.tar.gz', 'roc.png', 'roc.json', 'per-class.csv'}
    assert {name['name']: name['type'].removeprefix('system.') for name in report['outputs']} == {
        'metrics': 'Metrics',
        'roc': 'ClassificationMetrics',
        'per_class': 'Dataset',
        'plot': 'Artifact',
        'model': 'Model',
    }
    for prefix in ('loan_grade=', 'person_home_ownership='):
        assert sum(part['n'] for part in report['slices'] if part['name'].startswith(prefix)) == metrics['testRows']


def test_no_step_writes_a_pickle(credit: Credit) -> None:
    for path in credit.root.rglob('*'):
        if path.is_file():
            assert path.suffix in ('.json', '.csv', '.npz', '.png', '.gz'), path
            assert path.read_bytes()[:2] not in (b'\x80\x03', b'\x80\x04', b'\x80\x05'), path


def test_the_curve_and_the_table_say_what_the_metrics_say(credit: Credit) -> None:
    out, metrics = credit.root / 'roc', credit.report['metrics']
    curve = json.loads((out / 'roc.json').read_text())
    points = [(point['falsePositiveRate'], point['recall'], point['confidenceThreshold']) for point in curve['confidenceMetrics']]
    assert points[0] == (0, 0, 1.0) and points[-1][:2] == (1, 1)
    assert points == sorted(points, key=lambda point: (point[0], point[1], -point[2])) and len(points) <= 202
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:]))
    assert area == pytest.approx(metrics['auc'], abs=0.01)
    assert curve['confusionMatrix']['rows'] == [
        {'row': [metrics['trueNegatives'], metrics['falsePositives']]},
        {'row': [metrics['falseNegatives'], metrics['truePositives']]},
    ]
    assert [item['displayName'] for item in curve['confusionMatrix']['annotationSpecs']] == ['Non-Default', 'Default']
    with (out / 'per-class.csv').open() as file:
        table = {row['class']: row for row in csv.DictReader(file)}
    assert list(table) == ['Non-Default', 'Default', 'accuracy', 'macro avg', 'weighted avg']
    assert float(table['Default']['recall']) == pytest.approx(metrics['recallDefault'], abs=1e-6)
    assert float(table['accuracy']['f1']) == pytest.approx(metrics['accuracy'], abs=1e-6)
    assert int(table['Default']['support']) + int(table['Non-Default']['support']) == metrics['testRows']
    assert (out / 'roc.png').read_bytes().startswith(b'\x89PNG')


def test_scores_are_those_of_scikit_learn(credit: Credit) -> None:
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    found = np.loadtxt(credit.root / 'infer' / 'predictions.csv', delimiter=',', skiprows=1)
    precision, recall, f1, support = precision_recall_fscore_support(found[:, 0], found[:, 1])
    metrics = credit.report['metrics']
    assert metrics['auc'] == pytest.approx(roc_auc_score(found[:, 0], found[:, 2]))
    for place, name in enumerate(('NonDefault', 'Default')):
        assert [metrics[f'{key}{name}'] for key in ('precision', 'recall', 'f1')] == pytest.approx([precision[place], recall[place], f1[place]])
    assert support.sum() == metrics['testRows']


def test_what_is_not_installed_is_recorded_as_absent(credit: Credit) -> None:
    said = credit.report['accelerator']
    assert (said['kind'], said['wanted'], said['metrics']['kind'], said['metrics']['wanted']) == ('absent', 'daal4py', 'absent', 'scikit-learn-intelex')
    assert 'daal4py' in said['reason']
    assert report_of(credit.root / 'convert')['accelerator']['kind'] == 'absent'
    assert {'xgboost', 'scikit-learn', 'numpy', 'python'} == set(credit.report['packages'])


DAAL = """
__version__ = '2026.1'
"""
BUILDERS = """
import numpy, xgboost
class Converted:
    def __init__(self, booster):
        self.booster = booster
    def predict_proba(self, rows):
        second = self.booster.predict(xgboost.DMatrix(rows, feature_names=self.booster.feature_names)) + {shift}
        return numpy.column_stack([1 - second, second])
convert_model = Converted
"""


def accelerate(monkeypatch: pytest.MonkeyPatch, folder: Path, shift: float) -> None:
    """Modules of those names: what is tested is how they are called and what is recorded, not their speed."""
    for path, text in (
        ('daal4py/__init__.py', DAAL),
        ('daal4py/mb.py', BUILDERS.format(shift=shift)),
        ('sklearnex/__init__.py', DAAL),
        ('sklearnex/metrics.py', 'from sklearn.metrics import roc_auc_score\n'),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        name = path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')
        # Set and taken away again, so that the undoing of this test forgets the module.
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(folder)


def step(credit: Credit, name: str, out: Path, *more: str, **changed: Path) -> int:
    """One step on the folders of the shared run, some replaced."""
    paths = {**{key: credit.root / folder for key, folder in GRAPH[name].items()}, **changed}
    given = [word for key, path in paths.items() for word in ('--input', f'{key}={path}')]
    return in_process(name, [*given, *more, '--out', str(out)])


def test_what_is_installed_is_used_and_recorded(credit: Credit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerate(monkeypatch, tmp_path / 'lib', 0.0)
    assert step(credit, 'convert', tmp_path / 'convert') == 0
    assert step(credit, 'infer', tmp_path / 'infer') == 0
    assert step(credit, 'roc', tmp_path / 'roc', predictions=tmp_path / 'infer') == 0
    converted, judged = report_of(tmp_path / 'convert'), report_of(tmp_path / 'roc')
    assert converted['accelerator'] == {'kind': 'daal4py', 'version': '2026.1'}
    assert converted['metrics']['largestDifference'] == 0
    assert (judged['accelerator']['kind'], judged['accelerator']['metrics']['kind']) == ('daal4py', 'scikit-learn-intelex')
    assert judged['packages']['daal4py'] == judged['packages']['scikit-learn-intelex'] == '2026.1'
    assert judged['metrics'] == credit.report['metrics']


def test_a_conversion_that_answers_otherwise_fails(credit: Credit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerate(monkeypatch, tmp_path / 'lib', 0.01)
    assert step(credit, 'convert', tmp_path / 'out') == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'conversion-differs'


def test_the_same_rows_give_the_same_model_whatever_the_threads(credit: Credit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ('1', '2'):
        monkeypatch.setenv('OMP_NUM_THREADS', limit)
        assert step(credit, 'train', tmp_path / limit, '--params-json', HARMLESS) == 0
    one, two = (report_of(tmp_path / limit) for limit in ('1', '2'))
    assert one['artifacts'] == two['artifacts']
    assert [report['accelerator']['cpuThreads'] for report in (one, two)] == [1, 2]


def test_the_training_loss_is_that_of_all_training_rows(credit: Credit, tmp_path: Path) -> None:
    import xgboost
    from sklearn.metrics import log_loss

    assert step(credit, 'train', tmp_path / 'more', '--params-json', '{"updateRounds": 5}', base=credit.root / 'train') == 0
    arrays = np.load(credit.root / 'preprocess' / 'train.npz')
    for folder in (credit.root / 'train', tmp_path / 'more'):
        booster = xgboost.Booster(model_file=str(folder / 'booster.json'))
        found = booster.predict(xgboost.DMatrix(arrays['features'], feature_names=booster.feature_names))
        assert report_of(folder)['metrics']['trainLogloss'] == pytest.approx(log_loss(arrays['labels'], found.astype(np.float64)), abs=1e-6)


def test_an_incremental_update_keeps_the_trees_and_adds_some(credit: Credit, tmp_path: Path) -> None:
    assert step(credit, 'train', tmp_path / 'more', '--params-json', '{"updateRounds": 5}', base=credit.root / 'train') == 0
    trees = lambda folder: json.loads((folder / 'booster.json').read_text())['learner']['gradient_booster']['model']['trees']  # noqa: E731
    before, after = trees(credit.root / 'train'), trees(tmp_path / 'more')
    assert (len(before), len(after)) == (40, 45)
    assert after[:40] == before
    metrics = report_of(tmp_path / 'more')['metrics']
    assert metrics['trainLogloss'] < report_of(credit.root / 'train')['metrics']['trainLogloss']


def test_an_update_on_features_of_other_transforms_is_refused(credit: Credit, tmp_path: Path) -> None:
    shutil.copytree(credit.root / 'train', tmp_path / 'base')
    path = tmp_path / 'base' / 'preprocessing.json'
    changed = json.loads(path.read_text())
    changed['transforms'][0]['value'] += 1
    path.write_text(json.dumps(changed))
    assert step(credit, 'train', tmp_path / 'out', base=tmp_path / 'base') == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'base-differs'
    (tmp_path / 'base' / 'booster.json').write_text('{}')
    shutil.copyfile(credit.root / 'preprocess' / 'preprocessing.json', path)
    assert step(credit, 'train', tmp_path / 'out', base=tmp_path / 'base') == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'base-invalid'


def without(credit: Credit, tmp_path: Path, folder: str, name: str, content: str | None = None) -> Path:
    """A copy of a step's folder with one file gone or replaced."""
    copy = Path(shutil.copytree(credit.root / folder, tmp_path / 'copy'))
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_text(content)
    return copy


@pytest.mark.parametrize(
    ('name', 'key', 'folder', 'file', 'content', 'code'),
    [
        ('split', 'data', 'load', 'credit.csv', None, 'data-missing'),
        ('split', 'data', 'load', 'credit.csv', 'a,b\n1,2\n', 'data-header'),
        ('split', 'data', 'load', 'credit.csv', 'a,origin\n1,x\n', 'data-value'),
        ('split', 'data', 'load', 'credit.csv', 'a,origin\n1,0\n', 'too-few-rows'),
        ('preprocess', 'data', 'split', 'columns.json', '{}', 'columns-invalid'),
        ('train', 'data', 'preprocess', 'train.npz', 'no zip', 'arrays-invalid'),
        ('convert', 'model', 'train', 'booster.json', None, 'data-missing'),
        ('convert', 'model', 'train', 'booster.json', '{"learner": 3}', 'model-invalid'),
        ('convert', 'model', 'train', 'preprocessing.json', '{}', 'preprocessing-invalid'),
        ('infer', 'model', 'convert', 'model/booster.json', None, 'data-missing'),
        ('roc', 'predictions', 'infer', 'predictions.csv', 'truth,label,probability\n1,1,0.9\n', 'predictions-differ'),
        ('roc', 'predictions', 'infer', 'predictions.csv', 'truth,label,probability\n1,1,nan\n', 'predictions-invalid'),
        ('roc', 'predictions', 'infer', 'predictions.csv', 'x\n', 'predictions-invalid'),
        ('roc', 'model', 'convert', 'model/model.json', None, 'data-missing'),
    ],
)
def test_a_folder_that_is_not_what_it_should_be_is_named(
    credit: Credit, tmp_path: Path, name: str, key: str, folder: str, file: str, content: str | None, code: str
) -> None:
    assert step(credit, name, tmp_path / 'out', **{key: without(credit, tmp_path, folder, file, content)}) == 1
    error = report_of(tmp_path / 'out')['error']
    assert error['code'] == code, error


def test_every_step_knows_the_parameters_of_all_and_no_others() -> None:
    known = []
    for name in ('load', 'split', 'preprocess', 'train', 'convert', 'infer', 'roc'):
        module: Any = __import__(f'sluice_credit_{name}.params', fromlist=['x'])
        declared = getattr(module, 'DECLARED', {})
        assert not set(declared) & module.SIBLINGS, name
        known.append(set(declared) | module.SIBLINGS)
    assert all(one == known[0] for one in known)
