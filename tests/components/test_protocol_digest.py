"""Digests and archives: identity of a model, whatever it is packed in and wherever that happens."""

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from sluice_protocol import ComponentError, folder_digests, model_digest, redact_urls, write_archive


def folder(path: Path) -> Path:
    (path / 'sub').mkdir(parents=True)
    (path / 'b.json').write_bytes(b'{}')
    (path / 'a.npz').write_bytes(b'\x00\x01')
    (path / 'sub' / 'c').write_bytes(b'c')
    return path


def test_model_digest_is_the_hash_of_sorted_path_and_digest_lines(tmp_path: Path) -> None:
    def hexed(content: bytes) -> str:
        return hashlib.sha256(content).hexdigest()

    by_hand = hashlib.sha256(
        f'a.npz\0{hexed(bytes([0, 1]))}\nb.json\0{hexed(b"{}")}\nsub/c\0{hexed(b"c")}\n'.encode()
    ).hexdigest()

    files = folder_digests(folder(tmp_path / 'm'))

    assert [(file.path, file.bytes) for file in files] == [('a.npz', 2), ('b.json', 2), ('sub/c', 1)]
    assert model_digest(files) == by_hand
    assert model_digest(reversed(files)) == by_hand


def test_model_digest_sees_a_renamed_file_and_a_changed_byte(tmp_path: Path) -> None:
    model = folder(tmp_path / 'm')
    before = model_digest(folder_digests(model))
    (model / 'b.json').write_bytes(b'{ ')
    changed = model_digest(folder_digests(model))
    (model / 'b.json').write_bytes(b'{}')
    (model / 'b.json').rename(model / 'd.json')
    assert len({before, changed, model_digest(folder_digests(model))}) == 3


def test_an_empty_model_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match='holds no file'):
        model_digest(folder_digests(tmp_path))


def test_links_and_control_characters_are_refused(tmp_path: Path) -> None:
    model = folder(tmp_path / 'm')
    (model / 'link').symlink_to('/etc/passwd')
    with pytest.raises(ComponentError) as caught:
        folder_digests(model)
    assert caught.value.code == 'file-kind'
    (model / 'link').unlink()
    (model / 'sub' / 'link').symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ComponentError, match='sub/link'):
        folder_digests(model)
    (model / 'sub' / 'link').unlink()
    (model / 'a\nb').write_text('')
    with pytest.raises(ComponentError) as named:
        folder_digests(model)
    assert named.value.code == 'file-name'


def test_an_archive_is_the_same_bytes_whenever_and_wherever_it_is_made(tmp_path: Path) -> None:
    first, second = folder(tmp_path / 'one'), folder(tmp_path / 'two')
    for number, path in enumerate(sorted(second.rglob('*'))):
        os.utime(path, (number, number))
        if path.is_file():
            path.chmod(0o600)

    a = write_archive(first, tmp_path / 'first.tar.gz')
    b = write_archive(second, tmp_path / 'other-name.tar.gz')

    assert (a.sha256, a.bytes) == (b.sha256, b.bytes)
    assert (tmp_path / 'first.tar.gz').read_bytes()[4:8] == bytes(4)
    with tarfile.open(tmp_path / 'first.tar.gz') as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == ['a.npz', 'b.json', 'sub/c']
        assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {(0, 0, 0, '', 0o644)}
        tar.extractall(tmp_path / 'again')
    assert model_digest(folder_digests(tmp_path / 'again')) == model_digest(folder_digests(first))


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('GET https://h/p?sig=x failed', 'GET https://h/p?[redacted] failed'),
        ("'http://u:p@h:1/p#frag'", "'http://h:1/p?[redacted]'"),
        ('http://127.0.0.1:1/a/b?sv=1&sig=a%2B and s3://b/k?x=1', 'http://127.0.0.1:1/a/b?[redacted] and s3://b/k?[redacted]'),
        ('what? nothing', 'what? nothing'),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact_urls(text) == shown
