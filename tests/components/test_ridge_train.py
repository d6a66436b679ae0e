"""ridge-train: published figures, a model that is served, and a tracking server that is told, by REST or by the package."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlflow_server import Tracking, tracking_server
from served import serving
from sluice_protocol import Component, folder_digests, model_digest, run_component
from sluice_ridge_train.main import train_step
from sluice_ridge_train.mlflow_rest import RestFailure, RestTracker
from steps import ROOT, report_of, run_step

EXAMPLE = ROOT / 'examples' / 'diabetes'


@pytest.fixture(scope='module')
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set as scikit-learn brings it: the same numbers as the public file."""
    file = tmp_path_factory.mktemp('patients') / 'part-0.csv'
    assert run_step('ridge-train', '--out', file, code=[str(EXAMPLE / 'generate.py')]).code == 0
    return file


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with tracking_server() as held:
        yield held


def train(gold: Path, out: Path, params: Mapping[str, object] | None = None) -> int:
    argv = ['--input', f'gold={gold}', '--params-json', json.dumps(params or {}), '--out', str(out)]
    return run_component(Component('ridge-train', '1'), train_step, argv)


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('URI', 'TOKEN', 'USERNAME', 'PASSWORD'):
        monkeypatch.delenv(f'MLFLOW_TRACKING_{name}', raising=False)
    for name in ('MLFLOW_RUN_ID', 'MLFLOW_EXPERIMENT_NAME', 'MLFLOW_EXPERIMENT_ID'):
        monkeypatch.delenv(name, raising=False)


def test_the_published_figures_are_reproduced_by_the_process(gold: Path, tmp_path: Path) -> None:
    ended = run_step('ridge-train', '--input', f'gold={gold}', '--out', tmp_path)

    report = report_of(tmp_path)
    assert ended.code == 0, ended.stderr
    assert report['metrics']['mse'] == pytest.approx(3424.8567, abs=5e-5)
    assert report['metrics']['r2'] == pytest.approx(0.332117, abs=5e-7)
    assert report['metrics']['alpha'] == 0.03
    assert report['metrics']['mse'] < report['metrics']['meanMse']
    assert report['metrics']['mseOtherSplitsLow'] < report['metrics']['mse'] <= report['metrics']['mseOtherSplitsHigh']
    assert report['data']['mlflow'] == {'status': 'absent', 'reason': 'MLFLOW_TRACKING_URI is not set'}
    assert report['model']['digest'] == model_digest(folder_digests(tmp_path / 'model'))
    assert [file['path'] for file in report['model']['files']] == ['model.json']
    assert (tmp_path / 'actuals_vs_predictions.png').read_bytes().startswith(b'\x89PNG')
    assert len(report['plots'][0]['points']) == report['metrics']['testRows'] == 89


@pytest.mark.parametrize(('share', 'seed', 'mse', 'r2'), [(0.2, 42, 2872.7528, 0.457782), (0.25, 0, 3182.6194, 0.358913)])
def test_other_splits_give_their_published_figures(gold: Path, tmp_path: Path, share: float, seed: int, mse: float, r2: float) -> None:
    assert train(gold, tmp_path, {'testShare': share, 'seed': seed}) == 0
    metrics = report_of(tmp_path)['metrics']
    assert (metrics['mse'], metrics['r2']) == (pytest.approx(mse, abs=5e-5), pytest.approx(r2, abs=5e-7))


def test_the_example_request_gets_the_published_predictions(gold: Path, tmp_path: Path) -> None:
    assert train(gold, tmp_path) == 0
    report = report_of(tmp_path)
    request = json.loads((EXAMPLE / 'request.json').read_text())
    rows = [[float(value) for value in line.split(',')[:10]] for line in gold.read_text().splitlines()[1:]]
    assert request == {'data': [rows[362], rows[249], rows[271]]}

    with serving(tmp_path / 'model', report['model']['digest']) as server:
        status, answer = server.ask('POST', '/score', request)
        assert status == 200
        assert [item['value'] for item in answer['predictions']] == pytest.approx([235.1124, 246.7987, 163.6878], abs=5e-5)

        golden = report['golden']
        for path, key in (('/invocations', 'instances'), ('/v1/models/diabetes:predict', 'instances'), ('/score', 'data')):
            status, answer = server.ask('POST', path, {key: golden['rows']})
            assert [list(item) for item in (*answer['predictions'], *golden['predictions'])] == [['value']] * 2 * len(golden['rows'])
            assert [item['value'] for item in answer['predictions']] == pytest.approx([item['value'] for item in golden['predictions']], abs=1e-9)
        status, text = server.ask('POST', '/invocations', {'instances': request['data']}, Accept='text/csv')
        assert [float(line) for line in text.splitlines()] == pytest.approx([235.1124, 246.7987, 163.6878], abs=5e-5)
        tensor = {'name': 'x', 'shape': [3, 10], 'datatype': 'FP64', 'data': request['data']}
        status, answer = server.ask('POST', '/v2/models/diabetes/infer', {'inputs': [tensor]})
        assert [(item['name'], item['shape'], len(item['data'])) for item in answer['outputs']] == [('value', [3], 3)]
        assert server.ask('GET', '/v2/models/diabetes')[1]['outputs'] == [{'name': 'value', 'datatype': 'FP64', 'shape': [-1]}]
        assert server.ask('POST', '/v2/models/diabetes/infer', {'inputs': [tensor], 'outputs': [{'name': 'label'}]})[0] == 400
        status, answer = server.ask('POST', '/score', {'data': [[59, *request['data'][0][1:]]]})
        assert (status, 'data[0][0] (age) is 59; allowed is -1 to 1' in answer['error']) == (400, True)


@pytest.mark.parametrize(
    ('params', 'text', 'code'),
    [
        ({'alpha': -1}, None, 'params'),
        ({'alphas': 1}, None, 'params'),
        ({}, 'age,sex\n', 'gold-header'),
        ({}, 'raw', 'gold-value'),
        ({}, 'few', 'too-few-rows'),
    ],
)
def test_what_is_wrong_is_named(gold: Path, tmp_path: Path, params: dict[str, object], text: str | None, code: str) -> None:
    lines = gold.read_text().splitlines()
    texts = {None: lines, 'raw': [lines[0], '59,' + lines[1].split(',', 1)[1]], 'few': lines[:20]}
    (tmp_path / 'gold.csv').write_text('\n'.join(texts.get(text, [str(text)])) + '\n')
    assert train(tmp_path / 'gold.csv', tmp_path / 'out', params) == 1
    assert report_of(tmp_path / 'out')['error']['code'] == code


def told(gold: Path, out: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, object]:
    """Trains with the server in the environment, and gives what the report says of it."""
    monkeypatch.setenv('MLFLOW_TRACKING_URI', tracking.origin + '/')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr('sluice_ridge_train.mlflow_rest.time.sleep', lambda seconds: None)
    assert train(gold, out) == 0
    report = report_of(out)
    assert report['metrics']['tracked'] == (report['data']['mlflow']['status'] == 'logged')
    found: dict[str, object] = report['data']['mlflow']
    return found


def test_a_server_gets_metrics_parameters_picture_and_model(
    gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = told(gold, tmp_path, tracking, monkeypatch, MLFLOW_EXPERIMENT_NAME='diabetes & co', MLFLOW_TRACKING_TOKEN='TOP-SECRET')

    run = tracking.runs['run0']
    assert said == {'status': 'logged', 'how': 'rest', 'runId': 'run0'}
    assert tracking.experiments == {'diabetes & co': '1'}
    assert (run['info']['status'], run['info']['experiment_id']) == ('FINISHED', '1')
    assert (run['metrics']['alpha'], run['metrics']['mse']) == (0.03, pytest.approx(3424.8567, abs=5e-5))
    assert run['params'] == {'alpha': '0.03', 'testShare': '0.2', 'seed': '0', 'goldenRows': '32'}
    assert run['tags']['sluice.modelDigest'] == report_of(tmp_path)['model']['digest']
    assert tracking.files == {
        '1/run0/artifacts/actuals_vs_predictions.png': (tmp_path / 'actuals_vs_predictions.png').read_bytes(),
        '1/run0/artifacts/model/model.json': (tmp_path / 'model' / 'model.json').read_bytes(),
    }
    assert {authorization for _, _, authorization in tracking.seen} == {'Bearer TOP-SECRET'}
    assert 'TOP-SECRET' not in (tmp_path / 'run-report.json').read_text()


def test_a_run_that_is_given_is_used(gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.runs['mine'] = {'info': {'run_id': 'mine', 'status': 'SCHEDULED', 'artifact_uri': 'mlflow-artifacts:/9/mine/artifacts'}, 'tags': {}, 'metrics': {}, 'params': {}}
    said = told(gold, tmp_path, tracking, monkeypatch, MLFLOW_RUN_ID='mine', MLFLOW_TRACKING_USERNAME='u', MLFLOW_TRACKING_PASSWORD='p')
    assert said['runId'] == 'mine'
    assert list(tracking.runs) == ['mine']
    assert tracking.runs['mine']['info']['status'] == 'FINISHED'
    assert '9/mine/artifacts/actuals_vs_predictions.png' in tracking.files
    assert {authorization for _, _, authorization in tracking.seen} == {'Basic dTpw'}


def test_a_run_whose_creation_was_not_answered_is_found_again(gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.lost = {'runs/create': 1, 'experiments/create': 1, 'runs/log-batch': 1}
    tracking.busy = {'runs/update': 2, 'experiments/get-by-name': 1}
    assert told(gold, tmp_path, tracking, monkeypatch)['runId'] == 'run0'
    assert list(tracking.runs) == ['run0']
    assert tracking.paths().count('runs/create') == 1
    assert tracking.runs['run0']['info']['status'] == 'FINISHED'
    assert tracking.experiments == {'Default': '1'}


def test_a_creation_that_did_not_happen_is_repeated(gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.busy = {'runs/create': 2}
    assert told(gold, tmp_path, tracking, monkeypatch)['runId'] == 'run0'
    assert (len(tracking.runs), tracking.paths().count('runs/create')) == (1, 3)


def test_a_server_that_fails_costs_the_entry_and_not_the_model(gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.busy = {'runs/log-batch': 99}
    said = told(gold, tmp_path, tracking, monkeypatch)
    assert (said['status'], '503' in str(said['reason'])) == ('failed', True)
    assert tracking.runs['run0']['info']['status'] == 'FAILED'
    assert report_of(tmp_path)['status'] == 'succeeded'


def test_an_artifact_root_of_clients_with_keys_is_said(gold: Path, tmp_path: Path, tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.root = 's3://bucket'
    said = told(gold, tmp_path, tracking, monkeypatch)
    assert (said['status'], 's3:' in str(said['reason']), tracking.files) == ('logged', True, {})


def test_a_redirection_is_not_followed(tracking: Tracking) -> None:
    tracking.moved = {'experiments/get-by-name'}
    with pytest.raises(RestFailure) as caught:
        RestTracker(tracking.origin, {'MLFLOW_TRACKING_TOKEN': 'TOP-SECRET'}, pause=0).log_run({}, {}, {}, {}, 0)
    assert caught.value.status == 307
    assert tracking.paths() == ['experiments/get-by-name']


def test_a_scheme_that_needs_the_package_is_recorded(gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'databricks://host/x?token=TOP-SECRET')
    assert train(gold, tmp_path) == 0
    said = report_of(tmp_path)['data']['mlflow']
    assert said['status'] == 'absent' and said['reason'].startswith('databricks: needs the package mlflow')
    assert 'TOP-SECRET' not in (tmp_path / 'run-report.json').read_text()


PACKAGE = """
import contextlib, pathlib, types
__version__ = '2.16.2'
CALLS = []
class Run:
    info = types.SimpleNamespace(run_id='abc')
@contextlib.contextmanager
def start_run():
    CALLS.append(('start', None)); yield Run(); CALLS.append(('end', None))
def log_params(given): CALLS.append(('params', given))
def set_tags(given): CALLS.append(('tags', given))
def log_metrics(given): CALLS.append(('metrics', given))
def log_artifact(path): CALLS.append(('artifact', pathlib.Path(path).name))
def log_artifacts(path, name):
    CALLS.append(('artifacts', (sorted(one.name for one in pathlib.Path(path).iterdir()), name)))
    if FAIL: raise OSError('https://host/x?sig=TOP-SECRET refused')
FAIL = False
"""


@pytest.mark.parametrize('fails', [False, True])
def test_the_package_is_used_where_it_is_installed(gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    (tmp_path / 'lib').mkdir()
    (tmp_path / 'lib' / 'mlflow.py').write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / 'lib')
    monkeypatch.setitem(sys.modules, 'mlflow', sys)
    monkeypatch.delitem(sys.modules, 'mlflow')
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'azureml://host/x')
    import mlflow

    monkeypatch.setattr(mlflow, 'FAIL', fails)
    assert train(gold, tmp_path / 'out') == 0
    calls, report = dict(mlflow.CALLS), report_of(tmp_path / 'out')
    assert calls['metrics']['mse'] == report['metrics']['mse'] and calls['metrics']['alpha'] == 0.03
    assert (calls['artifact'], calls['artifacts']) == ('actuals_vs_predictions.png', (['model.json'], 'model'))
    assert report['packages']['mlflow'] == '2.16.2'
    assert report['data']['mlflow']['status'] == ('failed' if fails else 'logged')
    assert 'TOP-SECRET' not in (tmp_path / 'out' / 'run-report.json').read_text()
