"""Signed URLs are keys: their queries reach no report, no output and no error, whatever goes wrong."""

import json
from pathlib import Path

import pytest

from blob_store import Store
from sluice_transfer.main import main
from transfers import QUICK, entry


def test_no_signature_is_ever_shown(store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store.objects['/c/there'] = b'other'
    (tmp_path / 'm').write_bytes(b'm')
    secret = 'TOP-SECRET'
    urls = [
        store.url('/c/gone'),
        f'ftp://h/x?sig={secret}',
        f'http://h:bad/x?sig={secret}',
        f'http://127.0.0.1:1/x?sig={secret}',
        f'http://127.0.0.1:1/x y?sig={secret}',
    ]
    manifests = [json.dumps({'files': [{**entry(store, '/c/gone', 'a', b'x'), 'url': url}]}) for url in urls]
    publish = ['publish', '--archive', store.url('/c/gone'), '--url', store.url('/c/x'), '--sha256', '0' * 64]
    calls = [
        *(['fetch', '--manifest', manifest] for manifest in manifests),
        ['fetch', '--manifest', manifests[0][:-1]],
        ['export', '--from', str(tmp_path), '--targets', json.dumps({'files': [{'name': 'm', 'url': store.url('/c/there')}]})],
        publish,
        [*publish, '--no-such', store.url('/c/y')],
        [*publish, '--headers', '{"A": "' + store.url('/c/y')],
    ]
    for number, call in enumerate(calls):
        assert main([*call, '--out', str(tmp_path / f'o{number}'), *QUICK]) != 0
        text = (tmp_path / f'o{number}' / 'run-report.json').read_text()
        assert json.loads(text)['status'] == 'failed'
        assert secret not in text
    captured = capfd.readouterr()
    assert captured.err.count(' failed: ') + captured.err.count('was called wrongly') == len(calls)
    assert secret not in captured.out + captured.err
