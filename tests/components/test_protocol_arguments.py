"""The command line of a step: what is refused, under which code, and that a wrong call leaves a report as well."""

from pathlib import Path

import pytest

from sluice_protocol import Component, ComponentError, Outcome, parse_step_arguments, run_component
from sluice_protocol.threads import limit_threads, threads_from_limit
from steps import report_of

COMPONENT = Component('test-step', '1.2.3')


@pytest.mark.parametrize(
    ('argv', 'code'),
    [
        ([], 'usage'),
        (['--wrong'], 'usage'),
        (['--ou', 'x'], 'usage'),
        (['--input', 'gold'], 'usage'),
        (['--input', '=x'], 'usage'),
        (['--input', 'Gold=/'], 'usage'),
        (['--input', 'gold=/', '--input', 'gold=/'], 'usage'),
        (['--input', 'gold=/nowhere/at/all'], 'input-missing'),
        (['--params', 'a', '--params-json', '{}'], 'usage'),
        (['--params', '/nowhere/at/all.json'], 'file-unreadable'),
        (['--params-json', '{'], 'json'),
        (['--params-json', '[1]'], 'json'),
        (['--params-json', 'null'], 'json'),
        (['--params-json', '{"a": NaN}'], 'json'),
        (['--params-json', '{"a": 1e999}'], 'json'),
        (['--params-json', '{"a": 1, "a": 2}'], 'json'),
        (['--params-json', '[' * 100_000], 'json'),
    ],
)
def test_a_wrong_call_is_exit_2_with_a_report(tmp_path: Path, argv: list[str], code: str) -> None:
    out = [] if argv == [] else ['--out', str(tmp_path)]

    assert run_component(COMPONENT, lambda _: Outcome(), [*argv, *out]) == 2
    if out:
        report = report_of(tmp_path)
        assert (report['status'], report['error']['code']) == ('failed', code)


def test_a_params_file_that_is_not_utf8_or_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'p.json'
    for content, code in ((b'{"a": "\xff"}', 'file-encoding'), (b' ' * (1024 * 1024 + 1), 'file-too-large')):
        file.write_bytes(content)
        with pytest.raises(ComponentError) as caught:
            parse_step_arguments('step', ['--out', str(tmp_path), '--params', str(file)])
        assert caught.value.code == code


def test_an_input_that_was_not_given_is_named(tmp_path: Path) -> None:
    arguments = parse_step_arguments('step', ['--out', str(tmp_path), '--input', f'silver={tmp_path}'])
    with pytest.raises(ComponentError, match="'gold' was not given \\(given: silver\\)"):
        arguments.input('gold')


def test_a_path_may_hold_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / 'day=1').mkdir()
    arguments = parse_step_arguments('step', ['--out', str(tmp_path), '--input', f'gold={tmp_path}/day=1'])
    assert arguments.input('gold').name == 'day=1'


@pytest.mark.parametrize(('limit', 'threads'), [(None, 1), ('', 1), ('4', 4), ('1.5', 1), ('500m', 1), ('2500m', 2), ('0', 1)])
def test_threads_follow_the_cpu_limit(limit: str | None, threads: int) -> None:
    assert threads_from_limit(limit) == threads


@pytest.mark.parametrize('limit', ['four', '-1', '1e3', '2 cores', '1.2345'])
def test_a_cpu_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match='SLUICE_CPU_LIMIT'):
        threads_from_limit(limit)


def test_thread_variables_that_are_set_already_stay() -> None:
    environment = {'SLUICE_CPU_LIMIT': '2', 'OMP_NUM_THREADS': '7'}
    assert limit_threads(environment) == 2
    assert environment['OMP_NUM_THREADS'] == '7'
    assert environment['OPENBLAS_NUM_THREADS'] == '2'
