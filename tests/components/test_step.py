"""A step in three lines, declared parameters, and what Kubeflow is told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice_protocol import (
    CLASSIFICATION_METRICS,
    DATASET,
    MODEL,
    Component,
    ComponentError,
    Number,
    Outcome,
    StepArguments,
    Text,
    TypedOutput,
    Whole,
    read_params,
    run_component,
    step,
    thread_count,
)
from steps import environment, report_of

SCRIPT = """
from sluice_protocol import step

@step('row-count', '1.0.0')
def count_rows(arguments):
    return {'rows': len(arguments.input('gold').read_text().splitlines()) - 1}

count_rows.run()
"""


def start(script: Path, *args: object, **extra: str) -> int:
    command = [sys.executable, str(script), *map(str, args)]
    return subprocess.run(command, env=environment('transfer', extra), capture_output=True, timeout=30, check=False).returncode


def test_a_script_joins_with_three_lines(tmp_path: Path) -> None:
    (tmp_path / 'job.py').write_text(SCRIPT)
    (tmp_path / 'gold.csv').write_text('a\n1\n2\n')

    code = start(tmp_path / 'job.py', '--input', f'gold={tmp_path / "gold.csv"}', '--out', tmp_path / 'out')

    report = report_of(tmp_path / 'out')
    assert (code, report['status'], report['metrics']) == (0, 'succeeded', {'rows': 2})
    assert report['component'] == {'name': 'row-count', 'version': '1.0.0'}


def test_a_step_that_fails_or_is_called_wrongly_reports_it(tmp_path: Path) -> None:
    (tmp_path / 'job.py').write_text(SCRIPT)

    assert start(tmp_path / 'job.py', '--out', tmp_path / 'out') == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'input-missing'
    assert start(tmp_path / 'job.py', '--out', tmp_path / 'out', '--wrong') == 2
    assert report_of(tmp_path / 'out')['error']['code'] == 'usage'
    assert start(tmp_path / 'job.py', '--out', tmp_path / 'out', SLUICE_CPU_LIMIT='four') == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'cpu-limit'


def test_an_imported_step_does_not_run_and_can_be_called() -> None:
    @step('twice', '1')
    def twice(arguments: StepArguments) -> dict[str, float]:
        return {'twice': 2 * float(str(arguments.params['x']))}

    twice.run()  # this module is not the program, so nothing happens and the process goes on
    assert twice(StepArguments({}, {'x': 3}, Path('.'))) == Outcome(metrics={'twice': 6})


DECLARED = {'rounds': Whole(500, 1, 1000), 'share': Number(0.25, 0, 1), 'name': Text('a', 3)}


def test_parameters_have_defaults_bounds_and_siblings() -> None:
    given = {'rounds': 80.0, 'share': 1, 'other': object()}
    assert read_params('step', DECLARED, given, {'other'}) == {'rounds': 80, 'share': 1.0, 'name': 'a'}


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        ({'rounds': 0}, 'a whole number from 1 to 1000'),
        ({'rounds': True}, 'a whole number'),
        ({'rounds': 1.5}, 'a whole number'),
        ({'share': '0.5'}, 'a number from 0 to 1'),
        ({'share': float('nan')}, 'a number from 0 to 1'),
        ({'name': 'long'}, 'at most 3 characters'),
        ({'name': 'a\n'}, 'in one line'),
        ({'round': 1}, "'round' is not a parameter of step (known: rounds, share, name)"),
    ],
)
def test_parameters_that_are_wrong_are_named(given: dict[str, object], told: str) -> None:
    with pytest.raises(ComponentError) as caught:
        read_params('step', DECLARED, given)
    assert caught.value.code == 'params'
    assert told in caught.value.message


def test_all_wrong_parameters_are_told_at_once() -> None:
    with pytest.raises(ComponentError, match=r'rounds is 0.*share is 2.*typo'):
        read_params('step', DECLARED, {'rounds': 0, 'share': 2, 'typo': 1})


@pytest.mark.parametrize(
    ('variables', 'threads'),
    [({}, 1), ({'SLUICE_CPU_LIMIT': '4'}, 4), ({'SLUICE_CPU_LIMIT': '4', 'OMP_NUM_THREADS': '2'}, 2), ({'OMP_NUM_THREADS': '2,1'}, 1)],
)
def test_the_number_of_threads_is_the_one_that_libraries_use(variables: dict[str, str], threads: int) -> None:
    assert thread_count(variables) == threads


def executor_input(tmp_path: Path, **artifacts: dict[str, Any]) -> str:
    """As Kubeflow fills `{{$}}`."""
    described = {name: {'artifacts': [{'name': name, 'type': {}, 'uri': f's3://bucket/{name}', **more}]} for name, more in artifacts.items()}
    return json.dumps({'inputs': {}, 'outputs': {'artifacts': described, 'outputFile': str(tmp_path / 'kfp' / 'executor_output.json')}})


def work(arguments: StepArguments) -> Outcome:
    (arguments.out / 'table.csv').write_text('a\n1\n')
    (arguments.out / 'model').mkdir(exist_ok=True)
    (arguments.out / 'model' / 'm.json').write_text('{}')
    curve = {'confidenceMetrics': [{'confidenceThreshold': 1.0, 'recall': 0.0, 'falsePositiveRate': 0.0}]}
    return Outcome(
        metrics={'auc': 0.9, 'rows': 10},
        outputs={
            'roc': TypedOutput(CLASSIFICATION_METRICS, None, curve),
            'table': TypedOutput(DATASET, 'table.csv', {'rows': 1}),
            'model': TypedOutput(MODEL, 'model'),
        },
    )


def run(tmp_path: Path, given: str) -> int:
    return run_component(Component('step', '1'), work, ['--out', str(tmp_path / 'out'), '--executor-input', given])


def test_kubeflow_gets_metadata_and_files_of_what_it_asks_for(tmp_path: Path) -> None:
    places = {name: {'customPath': str(tmp_path / 'mount' / name)} for name in ('table', 'model')}
    assert run(tmp_path, executor_input(tmp_path, metrics={}, roc={}, result={}, **places)) == 0

    said = json.loads((tmp_path / 'kfp' / 'executor_output.json').read_text())['artifacts']
    assert set(said) == {'metrics', 'roc', 'table', 'model'}  # nothing is said about `result`, which the step does not know
    assert said['metrics']['artifacts'] == [{'name': 'metrics', 'uri': 's3://bucket/metrics', 'metadata': {'auc': 0.9, 'rows': 10}}]
    assert said['roc']['artifacts'][0]['metadata']['confidenceMetrics'][0]['confidenceThreshold'] == 1.0
    assert said['table']['artifacts'][0]['metadata'] == {'rows': 1}
    assert (tmp_path / 'mount' / 'table').read_text() == 'a\n1\n'
    assert (tmp_path / 'mount' / 'model' / 'm.json').read_text() == '{}'
    assert report_of(tmp_path / 'out')['outputs'] == [
        {'name': 'roc', 'type': 'system.ClassificationMetrics'},
        {'name': 'table', 'type': 'system.Dataset', 'path': 'table.csv'},
        {'name': 'model', 'type': 'system.Model', 'path': 'model'},
    ]


def test_without_kubeflow_nothing_is_written_for_it(tmp_path: Path) -> None:
    assert run_component(Component('step', '1'), work, ['--out', str(tmp_path / 'out')]) == 0
    assert not (tmp_path / 'kfp').exists()


@pytest.mark.parametrize(
    ('given', 'code', 'reported'),
    [
        ('{}', 1, 'executor-input'),
        ('{"outputs": 3}', 1, 'executor-input'),
        ('{"outputs": {"artifacts": {"metrics": {"artifacts": []}}, "outputFile": "/tmp/never"}}', 1, 'executor-input'),
        ('{"outputs": {"artifacts": {}, "outputFile": 3}}', 1, 'executor-input'),
        ('[]', 2, 'json'),
        ('{', 2, 'json'),
    ],
)
def test_an_executor_input_that_is_none_fails_the_step(tmp_path: Path, given: str, code: int, reported: str) -> None:
    assert run(tmp_path, given) == code
    assert report_of(tmp_path / 'out')['error']['code'] == reported


def test_metadata_that_is_no_json_fails_the_step(tmp_path: Path) -> None:
    def broken(arguments: StepArguments) -> Outcome:
        return Outcome(outputs={'roc': TypedOutput(CLASSIFICATION_METRICS, None, {'threshold': float('inf')})})

    given = executor_input(tmp_path, roc={})
    assert run_component(Component('step', '1'), broken, ['--out', str(tmp_path / 'out'), '--executor-input', given]) == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'report-invalid'
    assert not (tmp_path / 'kfp' / 'executor_output.json').exists()


def test_an_unknown_type_is_a_mistake_of_the_component() -> None:
    with pytest.raises(ValueError, match=r'system\.Metric'):
        TypedOutput('system.Metric')
