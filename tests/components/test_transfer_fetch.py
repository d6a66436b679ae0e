"""fetch against a real HTTP server: what arrives is proved before it gets its name, and no name leads elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from blob_store import Store, cut_off, hang_up, status
from sluice_transfer.main import main
from steps import report_of, run_step
from transfers import QUICK, entry, error_of, fetch


def test_fetch_brings_files_and_reports_them(store: Store, tmp_path: Path) -> None:
    store.objects |= {'/c/a.csv': b'one', '/c/b.csv': b'x' * 700_000, '/c/empty': b''}
    files = [
        entry(store, '/c/a.csv', 'a.csv', b'one'),
        entry(store, '/c/b.csv', 'deep/b.csv', b'x' * 700_000),
        entry(store, '/c/empty', 'e', b''),
    ]

    assert fetch(files, tmp_path) == 0

    report = report_of(tmp_path)
    assert (tmp_path / 'a.csv').read_bytes() == b'one'
    assert (tmp_path / 'deep/b.csv').read_bytes() == b'x' * 700_000
    assert report['metrics'] == {'files': 3, 'bytes': 700_003}
    assert [file['path'] for file in report['artifacts']] == ['a.csv', 'deep/b.csv', 'e']
    assert sorted(path.name for path in tmp_path.rglob('*') if path.is_file()) == ['a.csv', 'b.csv', 'e', 'run-report.json']


def test_fetch_runs_as_a_process_with_a_manifest_file(store: Store, tmp_path: Path) -> None:
    store.objects['/c/a.csv'] = b'one'
    (tmp_path / 'm.json').write_text(json.dumps({'files': [entry(store, '/c/a.csv', 'a.csv', b'one')]}))

    ended = run_step('transfer', 'fetch', '--manifest', tmp_path / 'm.json', '--out', tmp_path / 'out')

    assert ended.code == 0, ended.stderr
    assert (tmp_path / 'out/a.csv').read_bytes() == b'one'


@pytest.mark.parametrize('trouble', [hang_up, cut_off, status(503), status(500), status(429, Retry_After='0'), status(408)])
def test_passing_trouble_is_tried_again(store: Store, tmp_path: Path, trouble: Any) -> None:
    store.objects['/c/a'] = b'content'
    store.troubles['GET', '/c/a'] = [trouble, trouble]

    assert fetch([entry(store, '/c/a', 'a', b'content')], tmp_path) == 0
    assert (tmp_path / 'a').read_bytes() == b'content'
    assert store.methods('/c/a') == ['GET'] * 3


@pytest.mark.parametrize('trouble', [hang_up, cut_off, status(503)])
def test_lasting_trouble_is_given_up_and_leaves_nothing(store: Store, tmp_path: Path, trouble: Any) -> None:
    store.troubles['GET', '/c/a'] = [trouble] * 9

    assert fetch([entry(store, '/c/a', 'a', b'content')], tmp_path) == 1
    assert error_of(tmp_path)[0] == 'network'
    assert 'attempt 3 of 3' in error_of(tmp_path)[1]
    assert [path.name for path in tmp_path.iterdir()] == ['run-report.json']


@pytest.mark.parametrize(
    ('trouble', 'code'),
    [
        (status(403, b'<Error><Code>AuthenticationFailed</Code><D>sig=TOP-SECRET</D></Error>'), 'access-refused'),
        (status(401), 'access-refused'),
        (status(404), 'not-found'),
        (status(302, Location='http://127.0.0.1:1/elsewhere'), 'redirected'),
        (status(400), 'http-error'),
        (status(206, b'content'), 'http-error'),
    ],
)
def test_refusals_are_not_tried_again(store: Store, tmp_path: Path, trouble: Any, code: str) -> None:
    store.troubles['GET', '/c/a'] = [trouble]

    assert fetch([entry(store, '/c/a', 'a', b'content')], tmp_path) == 1
    assert error_of(tmp_path)[0] == code
    assert store.methods('/c/a') == ['GET']


@pytest.mark.parametrize(
    ('content', 'changes', 'code'),
    [
        (b'content', {'sha256': '0' * 64}, 'sha256-mismatch'),
        (b'content', {'bytes': 6}, 'size-mismatch'),
        (b'content', {'bytes': 8}, 'size-mismatch'),
    ],
)
def test_what_is_not_as_promised_is_not_kept(store: Store, tmp_path: Path, content: bytes, changes: dict[str, Any], code: str) -> None:
    store.objects['/c/a'] = content

    assert fetch([entry(store, '/c/a', 'a', content, **changes)], tmp_path) == 1
    assert error_of(tmp_path)[0] == code
    assert [path.name for path in tmp_path.iterdir()] == ['run-report.json']


@pytest.mark.parametrize(
    'name',
    ['../a', 'a/../../b', '/etc/x', 'a//b', './a', 'a/.', '.hidden', 'a\\b', 'c:x', 'a\0b', 'a\nb', '', 'run-report.json', 'x' * 129, 'ä'],
)
def test_names_that_could_escape_are_refused_before_anything_is_asked(store: Store, tmp_path: Path, name: str) -> None:
    out = tmp_path / 'in' / 'out'
    assert fetch([entry(store, '/c/a', name, b'')], out) == 1
    assert error_of(out)[0] == 'manifest'
    assert store.seen == []
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == [out / 'run-report.json']


def test_a_link_that_leads_out_is_not_followed(store: Store, tmp_path: Path) -> None:
    store.objects['/c/a'] = b'x'
    out, outside = tmp_path / 'out', tmp_path / 'outside'
    out.mkdir()
    outside.mkdir()
    (out / 'sub').symlink_to(outside, target_is_directory=True)

    assert fetch([entry(store, '/c/a', 'sub/a', b'x')], out) == 1
    assert error_of(out)[0] == 'path-escape'
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    'url',
    [
        'file:///etc/passwd',
        'ftp://h/x',
        'http://',
        'http://u:p@h/x',
        'http://h/x#f',
        'http://h/a b',
        'http://h:99999/x',
        'x',
        'http://[::1/x',
        'http://h/\r\nHost: x',
    ],
)
def test_urls_that_are_none_are_refused(tmp_path: Path, url: str) -> None:
    assert fetch([{'name': 'a', 'url': url, 'sha256': '0' * 64, 'bytes': 1}], tmp_path) == 1
    assert error_of(tmp_path)[0] == 'url-refused'


@pytest.mark.parametrize(
    'manifest',
    [
        '{}',
        '{"files": []}',
        '{"files": {}}',
        '{"files": [1]}',
        '{"files": [{"name": "a"}]}',
        '{"files": [{"name": "a", "url": "http://h/x", "sha256": "ABC", "bytes": 1}]}',
        '{"files": [{"name": "a", "url": "http://h/x", "sha256": "' + '0' * 64 + '", "bytes": -1}]}',
        '{"files": [{"name": "a", "url": "http://h/x", "sha256": "' + '0' * 64 + '", "bytes": true}]}',
        '{"files": [{"name": "a", "url": "http://h/x", "sha256": "' + '0' * 64 + '", "bytes": 1, "mode": 7}]}',
        '{"files": [], "more": 1}',
    ],
)
def test_manifests_of_another_shape_are_refused(tmp_path: Path, manifest: str) -> None:
    assert main(['fetch', '--manifest', manifest, '--out', str(tmp_path), *QUICK]) == 1
    assert error_of(tmp_path)[0] == 'manifest'


@pytest.mark.parametrize('names', [('a', 'a'), ('a', 'A'), ('a', 'a/b')])
def test_names_that_would_overwrite_each_other_are_refused(store: Store, tmp_path: Path, names: tuple[str, str]) -> None:
    assert fetch([entry(store, '/c/a', name, b'') for name in names], tmp_path) == 1
    assert error_of(tmp_path)[0] == 'manifest'


def test_a_proxy_is_used_where_the_environment_names_one(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('no_proxy')
    monkeypatch.delenv('NO_PROXY', raising=False)
    monkeypatch.setenv('http_proxy', store.origin)
    store.objects['/c/a'] = b'x'
    files = [{**entry(store, '/c/a', 'a', b'x'), 'url': 'http://storage.invalid/c/a?sig=1'}]
    assert fetch(files, tmp_path) == 0
    assert store.seen[0][2]['host'] == 'storage.invalid'


@pytest.mark.parametrize('params', ['{"attempts": 0}', '{"attempts": 1.5}', '{"tries": 3}', '{"idleSeconds": "1"}'])
def test_bad_parameters_are_a_wrong_call(tmp_path: Path, params: str) -> None:
    assert main(['fetch', '--manifest', '{"files": []}', '--out', str(tmp_path), '--params-json', params]) == 2
    assert error_of(tmp_path)[0] == 'params'
