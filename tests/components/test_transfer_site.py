"""Data of the site: read below its folder and nowhere else, and proved like everything that is fetched."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sluice_transfer.site import ROOT
from steps import report_of
from transfers import error_of, fetch

ROWS = b'location,b3001\nO02,-75\n'


def entry(url: str, content: bytes = ROWS, **changes: Any) -> dict[str, Any]:
    return {'name': 'gold/a.csv', 'url': url, 'sha256': hashlib.sha256(content).hexdigest(), 'bytes': len(content), **changes}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / 'site'
    (folder / 'ble').mkdir(parents=True)
    (folder / 'ble/a.csv').write_bytes(ROWS)
    (tmp_path / 'elsewhere.csv').write_bytes(ROWS)
    monkeypatch.setenv(ROOT, str(folder))
    return folder


def test_files_of_the_site_are_copied_and_proved(root: Path, tmp_path: Path) -> None:
    assert fetch([entry('site://ble/a.csv'), entry(f'file://{root}/ble/a.csv', name='gold/b.csv')], tmp_path / 'out') == 0
    assert (tmp_path / 'out/gold/a.csv').read_bytes() == ROWS
    assert report_of(tmp_path / 'out')['metrics']['files'] == 2


@pytest.mark.parametrize(
    'url',
    [
        'site://../elsewhere.csv',
        'site://ble/../../elsewhere.csv',
        'site:///etc/passwd',
        'site://ble/link.csv',
        'site://ble',
        'site://',
        'site://.hidden',
        'file:///etc/passwd',
        'file://host/etc/passwd',
        'file://ROOT/../elsewhere.csv',
        'file://ROOT/%2e%2e/elsewhere.csv',
    ],
)
def test_nothing_outside_of_the_folder_is_read(root: Path, tmp_path: Path, url: str) -> None:
    (root / 'ble/link.csv').symlink_to(tmp_path / 'elsewhere.csv')

    assert fetch([entry(url.replace('ROOT', str(root)))], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == 'site-refused'
    assert not (tmp_path / 'out/gold/a.csv').exists()


@pytest.mark.parametrize(
    ('changed', 'code'),
    [
        (entry('site://ble/none.csv'), 'not-found'),
        (entry('site://ble/a.csv', bytes=len(ROWS) - 1), 'size-mismatch'),
        (entry('site://ble/a.csv', bytes=len(ROWS) + 1), 'size-mismatch'),
        (entry('site://ble/a.csv', sha256='0' * 64), 'sha256-mismatch'),
    ],
)
def test_other_content_than_promised_is_refused(root: Path, tmp_path: Path, changed: dict[str, Any], code: str) -> None:
    assert fetch([changed], tmp_path / 'out') == 1
    assert error_of(tmp_path / 'out')[0] == code
    assert [path.name for path in (tmp_path / 'out').rglob('*') if path.is_file()] == ['run-report.json']


def test_a_step_without_the_volume_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROOT, raising=False)

    assert fetch([entry('site://ble/a.csv')], tmp_path) == 1
    assert ROOT in error_of(tmp_path)[1]
