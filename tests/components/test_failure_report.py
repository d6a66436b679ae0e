"""A step that failed sends its report away itself, where Kubeflow's input says so, and is as failed as before whatever comes of it."""

import json
from pathlib import Path

import pytest

from blob_store import running_store, status
from sluice_protocol import Component, ComponentError, Outcome, StepArguments, run_component
from sluice_protocol.failure import failure_address, send_failure

COMPONENT = Component('dig', '1.2.3')


def dig(arguments: StepArguments) -> Outcome:
    if arguments.params.get('fails'):
        raise ComponentError('sensor-broken', 'replace beacon b3004, see https://store.example/b3004?sig=TOP-SECRET')
    return Outcome(metrics={'depth': 1})


def told(address: str) -> dict[str, object]:
    return {'inputs': {'parameterValues': {'params': '{}', 'failure_report_train': address}}, 'outputs': {'outputFile': '/dev/null'}}


def call(out: Path, address: str, *more: str) -> int:
    return run_component(COMPONENT, dig, ['--out', str(out), '--executor-input', json.dumps(told(address)), *more])


def test_a_failed_step_leaves_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_store() as store:
        code = call(tmp_path, store.url('/r/steps/train/run-report.json'), '--params-json', '{"fails": true}')
        sent = json.loads(store.objects['/r/steps/train/run-report.json'])
        [(_, _, headers)] = store.seen

    assert code == 1
    assert sent == json.loads((tmp_path / 'run-report.json').read_text())
    assert (sent['status'], sent['error']['code']) == ('failed', 'sensor-broken')
    assert (headers['if-none-match'], headers['x-ms-blob-type']) == ('*', 'BlockBlob')
    assert 'TOP-SECRET' not in json.dumps(sent) + ''.join(capsys.readouterr())


def test_a_wrong_call_leaves_one_too(tmp_path: Path) -> None:
    with running_store() as store:
        code = call(tmp_path, store.url('/report'), '--nonsense')
        sent = json.loads(store.objects['/report'])

    assert (code, sent['error']['code']) == (2, 'usage')


def test_it_goes_through_the_proxy_of_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'run-report.json').write_text('{}')
    with running_store() as proxy:
        monkeypatch.setenv('http_proxy', proxy.url('/'))
        monkeypatch.delenv('no_proxy', raising=False)

        assert send_failure(told('http://store.outside.test/report?sig=TOP-SECRET'), tmp_path)
        [(method, path, headers)] = proxy.seen

    assert (method, path, headers['host']) == ('PUT', '/report', 'store.outside.test')


def test_a_step_that_succeeded_sends_nothing(tmp_path: Path) -> None:
    with running_store() as store:
        assert call(tmp_path, store.url('/report')) == 0
        assert store.seen == []


def test_it_is_tried_again_where_that_may_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'run-report.json').write_text('{}')
    with running_store() as store:
        address = store.url('/report')
        store.troubles['PUT', '/report'] = [status(503)]
        assert send_failure(told(address), tmp_path, (0.0, 0.0))
        assert store.methods('/report') == ['PUT', 'PUT']
        # It is there already: that is all that was wanted.
        assert send_failure(told(address), tmp_path, (0.0, 0.0))

        store.seen.clear()
        store.troubles['PUT', '/other'] = [status(403)]
        assert not send_failure(told(store.url('/other')), tmp_path, (0.0, 0.0))
        assert store.methods('/other') == ['PUT']
    assert not send_failure(told(address), tmp_path, (0.0,))
    said = capsys.readouterr().err
    assert 'answer 403' in said
    assert 'TOP-SECRET' not in said


@pytest.mark.parametrize(
    'given',
    [
        None,
        [],
        {},
        {'inputs': []},
        {'inputs': {'parameterValues': {'params': 'x'}}},
        {'inputs': {'parameterValues': {'failure_report_a': 'http://a', 'failure_report_b': 'http://b'}}},
        {'inputs': {'parameterValues': {'failure_report_a': 7}}},
    ],
)
def test_without_one_address_nothing_is_sent(given: object, tmp_path: Path) -> None:
    assert failure_address(given) is None
    assert not send_failure(given, tmp_path)


@pytest.mark.parametrize('address', ['ftp://host/x', 'https://', 'report', 'http://host:notaport/x'])
def test_an_address_that_is_none_is_said(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'run-report.json').write_text('{}')

    assert not send_failure(told(address), tmp_path, ())
    assert 'could not be sent away' in capsys.readouterr().err
