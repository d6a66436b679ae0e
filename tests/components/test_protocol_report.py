"""The run report: whole or absent, finite or failed, and in step with the exit code."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice_protocol import Component, ComponentError, GoldenSet, Outcome, PredictedValue, Prediction, Slice, StepArguments, run_component
from steps import environment, report_of, run_step

COMPONENT = Component('test-step', '1.2.3')


def test_success_is_exit_0_and_a_complete_report(tmp_path: Path) -> None:
    (tmp_path / 'in.csv').write_text('x')
    params = tmp_path / 'params.json'
    params.write_text('{"seed": 3}')
    seen: list[StepArguments] = []
    numpy_rows: Any = np.int64(7)
    float64: Any = np.float64

    def work(arguments: StepArguments) -> Outcome:
        seen.append(arguments)
        return Outcome(metrics={'top1': 0.5, 'rows': numpy_rows}, slices=[Slice('column=A', 2, {'top1': float64(1)})])

    out = tmp_path / 'deep' / 'out'
    code = run_component(COMPONENT, work, ['--input', f'gold={tmp_path / "in.csv"}', '--params', str(params), '--out', str(out)])

    report = report_of(out)
    assert code == 0
    assert seen[0].input('gold') == tmp_path / 'in.csv'
    assert report['protocol'] == 1
    assert report['component'] == {'name': 'test-step', 'version': '1.2.3'}
    assert (report['status'], 'error' in report) == ('succeeded', False)
    assert report['params'] == {'seed': 3}
    assert report['metrics'] == {'top1': 0.5, 'rows': 7}
    assert report['slices'] == [{'name': 'column=A', 'n': 2, 'metrics': {'top1': 1.0}}]
    assert report['packages']['python'].startswith('3.')
    assert report['times']['startedAt'].endswith('Z') and report['times']['startedAt'] <= report['times']['finishedAt']
    assert sorted(path.name for path in out.iterdir()) == ['run-report.json']


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf, np.float64('nan'), True, '0.5', None])
def test_a_metric_that_is_no_finite_number_fails_the_step(tmp_path: Path, value: object) -> None:
    code = run_component(COMPONENT, lambda _: Outcome(metrics={'top1': value}), ['--out', str(tmp_path)])  # type: ignore[dict-item]

    text = (tmp_path / 'run-report.json').read_text()
    assert code == 1
    assert json.loads(text)['status'] == 'failed'
    assert json.loads(text)['error']['code'] == 'report-invalid'
    assert 'top1' in json.loads(text)['error']['message']
    assert 'NaN' not in text and 'Infinity' not in text


def test_nan_in_a_slice_or_in_data_fails_the_step_too(tmp_path: Path) -> None:
    for outcome in (Outcome(slices=[Slice('a', 1, {'m': math.nan})]), Outcome(data={'mean': math.nan}), Outcome(plots=[{'y': [math.inf]}])):
        assert run_component(COMPONENT, lambda _, found=outcome: found, ['--out', str(tmp_path)]) == 1  # type: ignore[misc]
        assert report_of(tmp_path)['error']['code'] == 'report-invalid'


def test_golden_rows_and_predictions_must_pair_up(tmp_path: Path) -> None:
    golden = GoldenSet(rows=[[1], [2]], predictions=[Prediction('a', 0.9)], tolerance=1e-6)

    assert run_component(COMPONENT, lambda _: Outcome(golden=golden), ['--out', str(tmp_path)]) == 1
    assert report_of(tmp_path)['error']['code'] == 'report-invalid'


def test_golden_rows_are_written_as_callers_write_them(tmp_path: Path) -> None:
    rows = [[24, 'RENT', None, True, np.float64(0.5), np.int64(3)], [0, '', 1.5, False, -2, 4]]
    classes = GoldenSet(rows, [Prediction('a', 0.9, (('a', 0.9), ('b', 0.1))), Prediction('b')], 1e-6, ('a', 'b', 'c', 'd', 'e', 'f'))
    numbers = GoldenSet([[1], [2]], [PredictedValue(235.5), PredictedValue(np.float64(-1))], 1e-6)

    for golden in (classes, numbers):
        assert run_component(COMPONENT, lambda _, golden=golden: Outcome(golden=golden), ['--out', str(tmp_path / str(len(golden.columns)))]) == 0  # type: ignore[misc]

    assert report_of(tmp_path / '6')['golden'] == {
        'columns': ['a', 'b', 'c', 'd', 'e', 'f'],
        'rows': [[24, 'RENT', None, True, 0.5, 3], [0, '', 1.5, False, -2, 4]],
        'predictions': [
            {'label': 'a', 'probability': 0.9, 'top': [{'label': 'a', 'probability': 0.9}, {'label': 'b', 'probability': 0.1}]},
            {'label': 'b'},
        ],
        'tolerance': 1e-6,
    }
    assert report_of(tmp_path / '0')['golden'] == {'rows': [[1], [2]], 'predictions': [{'value': 235.5}, {'value': -1}], 'tolerance': 1e-6}


@pytest.mark.parametrize(
    'golden',
    [
        GoldenSet([[math.nan]], [PredictedValue(1)], 0),
        GoldenSet([[b'x']], [PredictedValue(1)], 0),  # type: ignore[list-item]  # what a careless component would do
        GoldenSet([[1]], [PredictedValue(math.inf)], 0),
        GoldenSet([[1], [2]], [PredictedValue(1), Prediction('a')], 0),  # type: ignore[arg-type]
        GoldenSet([[1, 2]], [Prediction('a')], 0, ('one',)),
    ],
)
def test_golden_rows_that_nobody_could_send_or_compare_fail_the_step(tmp_path: Path, golden: GoldenSet) -> None:
    assert run_component(COMPONENT, lambda _: Outcome(golden=golden), ['--out', str(tmp_path)]) == 1
    assert report_of(tmp_path)['error']['code'] == 'report-invalid'


def test_an_error_on_purpose_keeps_its_code(tmp_path: Path) -> None:
    def work(_: StepArguments) -> Outcome:
        raise ComponentError('gold-header', 'part-0.csv line 1: missing b3004')

    assert run_component(COMPONENT, work, ['--out', str(tmp_path), '--params-json', '{"a": 1}']) == 1
    report = report_of(tmp_path)
    assert report['status'] == 'failed'
    assert report['error'] == {'code': 'gold-header', 'message': 'part-0.csv line 1: missing b3004'}
    assert report['params'] == {'a': 1}
    assert report['metrics'] == {}


@pytest.mark.parametrize('error', [ValueError('odd'), SystemExit(0), KeyboardInterrupt(), RecursionError('deep')])
def test_every_other_way_out_is_a_failed_report(tmp_path: Path, error: BaseException) -> None:
    def work(_: StepArguments) -> Outcome:
        raise error

    assert run_component(COMPONENT, work, ['--out', str(tmp_path)]) == 1
    report = report_of(tmp_path)
    assert report['error']['code'] == 'unexpected'
    assert type(error).__name__ in report['error']['message']


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    def work(_: StepArguments) -> Outcome:
        import no_such_package_anywhere  # noqa: F401

        return Outcome()

    assert run_component(COMPONENT, work, ['--out', str(tmp_path)]) == 1
    error = report_of(tmp_path)['error']
    assert error['code'] == 'package-missing'
    assert 'no_such_package_anywhere' in error['message'] and 'requirements.txt' in error['message']


def test_signatures_of_urls_reach_neither_report_nor_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: StepArguments) -> Outcome:
        raise ValueError('cannot open https://user:pw@host/path/file?sig=SECRET&se=1 now')

    assert run_component(COMPONENT, work, ['--out', str(tmp_path)]) == 1
    captured = capsys.readouterr()
    for text in (captured.out, captured.err, (tmp_path / 'run-report.json').read_text()):
        assert 'SECRET' not in text and 'pw@' not in text
    assert 'https://host/path/file?[redacted] now' in report_of(tmp_path)['error']['message']


def test_the_report_of_an_earlier_attempt_does_not_survive_one_that_dies(tmp_path: Path) -> None:
    assert run_component(COMPONENT, lambda _: Outcome(), ['--out', str(tmp_path)]) == 0
    code = f"""
import os, sys
from sluice_protocol import Component, run_component
sys.exit(run_component(Component('x', '1'), lambda _: os._exit(137), ['--out', {str(tmp_path)!r}]))
"""
    assert run_step('transfer', code=['-c', code]).code == 137
    assert not (tmp_path / 'run-report.json').exists()


def test_sigterm_is_a_failure_that_is_reported(tmp_path: Path) -> None:
    code = f"""
import sys, time, pathlib
from sluice_protocol import Component, run_component
def work(arguments):
    (arguments.out / 'begun').touch()
    time.sleep(60)
sys.exit(run_component(Component('x', '1'), work, ['--out', {str(tmp_path)!r}]))
"""
    process = subprocess.Popen([sys.executable, '-c', code], env=environment('transfer'), stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / 'begun').exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1
    assert report_of(tmp_path)['error']['code'] == 'terminated'


def test_queueing_is_told_where_the_submission_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SLUICE_QUEUED_AT', '2020-01-01T00:00:00Z')
    run_component(COMPONENT, lambda _: Outcome(), ['--out', str(tmp_path)])
    assert report_of(tmp_path)['times']['queuedSeconds'] > 86_400

    monkeypatch.setenv('SLUICE_QUEUED_AT', 'yesterday')
    run_component(COMPONENT, lambda _: Outcome(), ['--out', str(tmp_path)])
    assert 'queuedSeconds' not in report_of(tmp_path)['times']
