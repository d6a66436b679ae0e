"""export and publish against a real HTTP server: what leaves is proved, and what is there already is told from what is not."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from blob_store import Store, keep_but_lose_the_answer, refuse_before_reading, status
from sluice_transfer.main import main
from steps import report_of
from transfers import QUICK, error_of


def export(store: Store, folder: Path, targets: list[dict[str, Any]], out: Path) -> int:
    return main(['export', '--from', str(folder), '--targets', json.dumps({'files': targets}), '--out', str(out), *QUICK])


@pytest.fixture
def result(tmp_path: Path) -> Path:
    folder = tmp_path / 'result'
    folder.mkdir()
    (folder / 'run-report.json').write_text('{"status": "succeeded"}')
    (folder / 'model.tar.gz').write_bytes(b'archive' * 50_000)
    return folder


def test_export_sends_the_report_last_with_azures_headers(store: Store, result: Path, tmp_path: Path) -> None:
    targets = [{'name': name, 'url': store.url(f'/runs/{name}')} for name in ('run-report.json', 'model.tar.gz')]

    assert export(store, result, targets, tmp_path / 'out') == 0

    assert [(method, path) for method, path, _ in store.seen] == [('PUT', '/runs/model.tar.gz'), ('PUT', '/runs/run-report.json')]
    headers = store.seen[0][2]
    assert (headers['x-ms-blob-type'], headers['if-none-match'], headers['content-length']) == ('BlockBlob', '*', '350000')
    assert store.objects['/runs/model.tar.gz'] == b'archive' * 50_000
    assert report_of(tmp_path / 'out')['metrics'] == {'files': 2, 'bytes': 350_023, 'sent': 2}
    assert (result / 'run-report.json').read_text() == '{"status": "succeeded"}'


def test_one_file_goes_to_several_places_and_reports_keep_their_order(store: Store, result: Path, tmp_path: Path) -> None:
    names = ['steps/run-report.json', 'model.tar.gz', 'run-report.json']
    files = [{'name': name.split('/')[-1], 'url': store.url(f'/r/{name}')} for name in names]

    assert export(store, result, files, tmp_path / 'out') == 0
    sent = [path for method, path, _ in store.seen if method == 'PUT']
    assert sent == ['/r/model.tar.gz', '/r/steps/run-report.json', '/r/run-report.json']
    assert export(store, result, [files[0], files[0]], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'manifest'


def test_export_sends_given_headers_and_no_others_of_its_own_choice(store: Store, result: Path, tmp_path: Path) -> None:
    target = {'name': 'model.tar.gz', 'url': store.url('/x'), 'headers': {'X-Amz-Meta-A': 'b', 'Content-Type': 'application/gzip'}}
    assert export(store, result, [target], tmp_path / 'out') == 0
    headers = store.seen[0][2]
    assert headers['x-amz-meta-a'] == 'b'
    assert headers['content-type'] == 'application/gzip'
    assert 'x-ms-blob-type' not in headers and 'if-none-match' not in headers


@pytest.mark.parametrize('azure', [True, False])
def test_what_is_there_and_the_same_is_done(store: Store, result: Path, tmp_path: Path, azure: bool) -> None:
    store.azure = azure
    content = (result / 'model.tar.gz').read_bytes()
    store.objects['/x'] = content
    store.metadata['/x'] = {'x_ms_meta_sha256': hashlib.sha256(content).hexdigest()}
    for check in ({'readUrl': store.url('/x')}, {'headUrl': store.url('/x')}):
        assert export(store, result, [{'name': 'model.tar.gz', 'url': store.url('/x'), **check}], tmp_path / 'out') == 0
        assert report_of(tmp_path / 'out')['metrics']['sent'] == 0
        assert report_of(tmp_path / 'out')['data']['files'][0]['how'] == 'already-there'


def test_a_lost_answer_is_found_out_by_reading(store: Store, result: Path, tmp_path: Path) -> None:
    store.troubles['PUT', '/x'] = [keep_but_lose_the_answer]
    target = {'name': 'model.tar.gz', 'url': store.url('/x'), 'readUrl': store.url('/x')}
    assert export(store, result, [target], tmp_path / 'out') == 0
    assert store.methods('/x') == ['PUT', 'PUT', 'GET']


@pytest.mark.parametrize(
    ('there', 'checks'),
    [
        (b'other', {'readUrl': '/x'}),
        (b'archive' * 50_000 + b'!', {'readUrl': '/x'}),
        (b'archive' * 50_000, {}),
        (b'archive' * 50_000, {'headUrl': '/x'}),
    ],
)
def test_what_is_there_and_different_or_unknown_is_an_error(
    store: Store, result: Path, tmp_path: Path, there: bytes, checks: dict[str, str]
) -> None:
    store.objects['/x'] = there
    target = {'name': 'model.tar.gz', 'url': store.url('/x'), **{key: store.url(path) for key, path in checks.items()}}
    assert export(store, result, [target], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'already-exists'
    assert store.objects['/x'] == there


def test_other_conflicts_are_errors_and_s3s_race_is_tried_again(store: Store, result: Path, tmp_path: Path) -> None:
    target = {'name': 'model.tar.gz', 'url': store.url('/x')}
    store.troubles['PUT', '/x'] = [status(409, x_ms_error_code='BlobImmutableDueToPolicy')]
    assert export(store, result, [target], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out') == ('http-error', f'PUT {store.origin}/x was answered 409 BlobImmutableDueToPolicy')
    store.troubles['PUT', '/x'] = [status(409, b'<Error><Code>ConditionalRequestConflict</Code></Error>')]
    assert export(store, result, [target], tmp_path / 'out') == 0


def test_a_missing_file_stops_export_before_anything_is_sent(store: Store, result: Path, tmp_path: Path) -> None:
    targets: list[dict[str, Any]] = [{'name': name, 'url': store.url(f'/{name}')} for name in ('model.tar.gz', 'gone.bin')]
    assert export(store, result, targets, tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'export-missing'
    assert store.seen == []
    targets[1]['optional'] = True
    assert export(store, result, targets, tmp_path / 'out') == 0
    assert list(store.objects) == ['/model.tar.gz']


def test_a_link_is_not_exported(store: Store, result: Path, tmp_path: Path) -> None:
    (result / 'link').symlink_to('/etc/hostname')
    assert export(store, result, [{'name': 'link', 'url': store.url('/x')}], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'export-missing'


def test_export_never_writes_its_report_over_the_one_it_sends(store: Store, result: Path) -> None:
    before = (result / 'run-report.json').read_text()
    targets = [{'name': 'run-report.json', 'url': store.url('/x')}]
    same = str(result / '..' / 'result')
    assert main(['export', '--from', str(result), '--targets', json.dumps({'files': targets}), '--out', same]) == 2
    assert store.seen == []
    assert before == (result / 'run-report.json').read_text()


@pytest.mark.parametrize('headers', [{'Transfer-Encoding': 'chunked'}, {'A b': 'c'}, {'A': 'x\r\nB: y'}, {'A': 1}, []])
def test_headers_that_could_frame_a_request_are_refused(store: Store, result: Path, tmp_path: Path, headers: object) -> None:
    target = {'name': 'model.tar.gz', 'url': store.url('/x'), 'headers': headers}
    assert export(store, result, [target], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'manifest'
    assert store.seen == []


def publish(store: Store, archive: str, sha256: str, out: Path, headers: dict[str, str] | None = None) -> int:
    signed = headers if headers is not None else {'If-None-Match': '*', 'x-amz-meta-sha256': sha256}
    target = ['--url', store.url('/models/m.tar.gz'), '--headers', json.dumps(signed)]
    return main(['publish', '--archive', archive, *target, '--sha256', sha256, '--out', str(out), *QUICK])


def test_publish_carries_a_proved_archive_once(store: Store, tmp_path: Path) -> None:
    content = b'archive' * 100_000
    store.objects['/src'] = content
    sha256 = hashlib.sha256(content).hexdigest()

    assert publish(store, store.url('/src'), sha256, tmp_path / 'one') == 0
    assert publish(store, store.url('/src'), sha256, tmp_path / 'two') == 0

    assert store.objects['/models/m.tar.gz'] == content
    assert store.seen[1][2]['x-amz-meta-sha256'] == sha256
    assert [report_of(tmp_path / name)['data']['how'] for name in ('one', 'two')] == ['sent', 'already-there']
    assert 'TOP-SECRET' not in (tmp_path / 'one/run-report.json').read_text()


def test_publish_takes_a_file_and_needs_no_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / 'a.tar.gz').write_bytes(b'abc')
    sha256 = hashlib.sha256(b'abc').hexdigest()
    call = ['publish', '--archive', str(tmp_path / 'a.tar.gz'), '--url', store.url('/models/m.tar.gz'), '--sha256', sha256]
    assert main(call) == 0
    assert store.objects['/models/m.tar.gz'] == b'abc'


def test_publish_sends_nothing_that_is_not_the_archive(store: Store, tmp_path: Path) -> None:
    store.objects['/src'] = b'tampered'
    assert publish(store, store.url('/src'), hashlib.sha256(b'archive').hexdigest(), tmp_path) == 1
    assert error_of(tmp_path)[0] == 'sha256-mismatch'
    assert store.methods('/models/m.tar.gz') == []


@pytest.mark.parametrize('size', [10, 30_000_000])
def test_an_expired_url_is_told_as_such_even_in_the_middle_of_a_large_body(store: Store, tmp_path: Path, size: int) -> None:
    (tmp_path / 'a').write_bytes(os.urandom(1000) * (size // 1000 + 1))
    sha256 = hashlib.sha256((tmp_path / 'a').read_bytes()).hexdigest()
    store.troubles['PUT', '/models/m.tar.gz'] = [refuse_before_reading] * 3
    assert publish(store, str(tmp_path / 'a'), sha256, tmp_path / 'out') == 1
    code, message = error_of(tmp_path / 'out')
    assert (code, 'AccessDenied' in message, 'expired' in message) == ('access-refused', True, True)


@pytest.mark.parametrize(
    ('headers', 'code'),
    [({'Content-Length': '4'}, 'size-mismatch'), ({'Host': 'elsewhere'}, 'url-refused'), ({'Connection': 'close'}, 'manifest')],
)
def test_signed_headers_that_cannot_hold_are_refused_before_sending(
    store: Store, tmp_path: Path, headers: dict[str, str], code: str
) -> None:
    (tmp_path / 'a').write_bytes(b'abc')
    assert publish(store, str(tmp_path / 'a'), hashlib.sha256(b'abc').hexdigest(), tmp_path / 'out', headers) == 1
    assert error_of(tmp_path / 'out')[0] == code
    assert store.seen == []


def test_signed_host_and_length_that_hold_are_not_sent_twice(store: Store, tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(b'abc')
    headers = {'host': store.origin.removeprefix('http://'), 'content-length': '3'}
    assert publish(store, str(tmp_path / 'a'), hashlib.sha256(b'abc').hexdigest(), tmp_path / 'out', headers) == 0
    assert store.objects['/models/m.tar.gz'] == b'abc'
