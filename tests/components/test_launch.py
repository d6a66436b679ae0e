"""Steps from wheels: the archive is deterministic and importable, outputs and exports reach the volume whole, failures keep their report."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'components'))
sys.path.insert(0, str(ROOT / 'components' / 'protocol'))
sys.dont_write_bytecode = True

import wheels  # noqa: E402
from sluice_launch import main as launch  # noqa: E402

IMAGE = f'registry.test/sluice/ble-train@sha256:{"a" * 64}'
STEP = """
import sys, pathlib
from sluice_protocol import step
@step('tiny', '1')
def work(arguments):
    (arguments.out / 'model.bin').write_bytes(arguments.input('gold').read_bytes())
    if arguments.params.get('fail'): raise ValueError('no')
    return {'rows': 1}
work.run()
"""


def run(tmp_path: Path, params: dict, exports: list[dict]) -> subprocess.CompletedProcess:
    package = tmp_path / 'code' / 'sluice_tiny'
    package.mkdir(parents=True, exist_ok=True)
    (package / '__init__.py').write_text('')
    (package / '__main__.py').write_text(STEP)
    (tmp_path / 'gold.csv').write_text('a\n1\n')
    payload = {
        'module': 'sluice_tiny',
        'args': ['--input', f'gold={tmp_path / "gold.csv"}', '--params-json', json.dumps(params), '--out', {'output': 'result'}],
        'outputs': {'result': str(tmp_path / 'volume' / 'work' / 'result')},
        'exports': exports,
        'environment': {'SLUICE_CPU_LIMIT': '1'},
    }
    path = os.pathsep.join([str(tmp_path / 'code'), str(ROOT / 'components' / 'protocol')])
    command = [sys.executable, '-c', 'from sluice_launch.main import main; main()', json.dumps(payload)]
    return subprocess.run(command, env={'PATH': os.environ['PATH'], 'PYTHONPATH': path}, capture_output=True, text=True, timeout=60, check=False)


def export(tmp_path: Path, file: str, optional: bool = False) -> dict:
    return {'output': 'result', 'file': file, 'to': str(tmp_path / 'volume' / 'runs' / 'r1' / file), 'optional': optional}


def test_outputs_and_exports_reach_the_volume(tmp_path: Path) -> None:
    ended = run(tmp_path, {}, [export(tmp_path, 'run-report.json'), export(tmp_path, 'model.bin')])
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / 'volume/runs/r1/run-report.json').read_text())
    assert report['metrics'] == {'rows': 1}
    assert (tmp_path / 'volume/runs/r1/model.bin').read_text() == 'a\n1\n'
    assert (tmp_path / 'volume/work/result/model.bin').is_file()
    assert not list((tmp_path / 'volume').rglob('*.part'))


def test_a_failed_step_leaves_its_report_and_fails_the_task(tmp_path: Path) -> None:
    ended = run(tmp_path, {'fail': True}, [export(tmp_path, 'run-report.json', optional=True), export(tmp_path, 'model.bin')])
    assert ended.returncode != 0
    assert 'the step ended with code 1' in ended.stderr
    assert json.loads((tmp_path / 'volume/runs/r1/run-report.json').read_text())['status'] == 'failed'
    # What a run must have is not believed of a step that failed.
    assert not (tmp_path / 'volume/runs/r1/model.bin').exists()


@pytest.mark.parametrize(
    ('given', 'experiment', 'registry'),
    [
        ({}, None, None),
        ({'MLFLOW_TRACKING_URI': 'databricks'}, None, None),
        ({'MLFLOW_TRACKING_URI': 'azureml://ml.example/mlflow/v1.0/x'}, 'diabetes', 'azureml://ml.example/mlflow/v1.0/x'),
        ({'MLFLOW_TRACKING_URI': 'azureml://y', 'MLFLOW_EXPERIMENT_NAME': 'own', 'MLFLOW_REGISTRY_URI': 'azureml://z'}, 'own', 'azureml://z'),
        ({'MLFLOW_TRACKING_URI': 'https://mlflow.example', 'MLFLOW_EXPERIMENT_ID': '7'}, None, 'https://mlflow.example'),
    ],
)
def test_another_tracking_server_is_the_only_one(given: dict, experiment: str | None, registry: str | None) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith('MLFLOW_')}
    with mock.patch.dict(os.environ, plain, clear=True), mock.patch.object(launch, '_run', lambda _module, _arguments: 0):
        launch.launch({'module': 'any', 'environment': given, 'experiment': 'team/diabetes'})
        assert os.environ.get('MLFLOW_EXPERIMENT_NAME') == experiment
        assert os.environ.get('MLFLOW_REGISTRY_URI') == registry


def test_an_export_that_is_missing_fails_the_task(tmp_path: Path) -> None:
    ended = run(tmp_path, {}, [export(tmp_path, 'nothing.bin')])
    assert ended.returncode != 0
    assert 'nothing.bin was to be exported' in ended.stderr
    assert run(tmp_path, {}, [export(tmp_path, 'nothing.bin', optional=True)]).returncode == 0


def test_a_wheel_is_deterministic_importable_and_pinned_by_its_image(tmp_path: Path) -> None:
    first, second = (wheels.build('ble-train', IMAGE, tmp_path / name) for name in ('a', 'b'))
    assert first.name == f'sluice_ble_train-0+{"a" * 16}-py3-none-any.whl'
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    names = zipfile.ZipFile(first).namelist()
    assert 'sluice_launch/main.py' in names
    assert 'sluice_ble_train/__main__.py' in names
    assert f'sluice_ble_train-0+{"a" * 16}.dist-info/RECORD' in names
    program = 'import sluice_launch.main, sluice_protocol, sluice_ble_train; print(sluice_launch.main.__file__)'
    ended = subprocess.run([sys.executable, '-c', program], env={'PYTHONPATH': str(first)}, capture_output=True, text=True, timeout=60, check=True)
    assert '.whl/' in ended.stdout


def test_a_tag_is_refused() -> None:
    with pytest.raises(ValueError, match='no image by digest'):
        wheels.wheel_name('ble-train', 'sluice/ble-train:latest')
