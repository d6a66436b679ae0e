"""The two documents that say what to transfer: the manifest of files to fetch and the targets of files to export.

Both are JSON, given as text or as a file. Names become paths on disk, so they are held to a narrow alphabet.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol import REPORT_NAME, ComponentError, parse_json_object, read_text

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
MAX_FILES = 10_000
_SEGMENT = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._=+-]{0,127}')
_SHA256 = re.compile(r'[0-9a-f]{64}')
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r'[\x20-\x7e\t]{0,4096}')
# What the transport itself must decide; a document that sets them could frame a request of its own.
_OWN_HEADERS = frozenset({'transfer-encoding', 'connection', 'expect', 'te', 'trailer', 'upgrade', 'proxy-authorization'})
DEFAULT_EXPORT_HEADERS = {'x-ms-blob-type': 'BlockBlob', 'If-None-Match': '*'}


@dataclass(frozen=True)
class ManifestFile:
    """A file to fetch: where it goes (relative), where it comes from, and what it must be."""

    name: str
    url: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class ExportTarget:
    """A file to send. `headUrl` or `readUrl` let an existing object be compared; an `optional` file may be absent."""

    name: str
    url: str
    headers: Mapping[str, str]
    headUrl: str | None
    readUrl: str | None
    optional: bool


def load_document(text_or_path: str, what: str) -> dict[str, object]:
    """JSON text where the argument begins with `{`, otherwise the file of that name."""
    if text_or_path.lstrip().startswith('{'):
        return parse_json_object(text_or_path, what)
    return parse_json_object(read_text(Path(text_or_path), what, MAX_DOCUMENT_BYTES), what)


def parse_manifest(document: Mapping[str, object]) -> list[ManifestFile]:
    """`{files: [{name, url, sha256, bytes}]}`, names unique also where upper and lower case are one."""
    files = [
        ManifestFile(
            name=_name(entry, where),
            url=_text(entry, 'url', where),
            sha256=parse_sha256(_text(entry, 'sha256', where), f'{where}.sha256'),
            bytes=_size(entry, where),
        )
        for where, entry in _entries(document, 'the manifest', frozenset({'name', 'url', 'sha256', 'bytes'}))
    ]
    for file in files:
        if file.name == REPORT_NAME:
            raise ComponentError('manifest', f'the manifest names {REPORT_NAME}, which is the report of the fetch itself')
    _unique([file.name for file in files], 'the manifest')
    return files


def parse_targets(document: Mapping[str, object]) -> list[ExportTarget]:
    """`{files: [{name, url, headers?, headUrl?, readUrl?, optional?}]}`, run reports last: they say that all is there.

    Order is kept otherwise. One file may go to several places, but each place once.
    """
    known = frozenset({'name', 'url', 'headers', 'headUrl', 'readUrl', 'optional'})
    targets = [
        ExportTarget(
            name=_name(entry, where),
            url=_text(entry, 'url', where),
            headers=parse_headers(entry['headers'], f'{where}.headers') if 'headers' in entry else DEFAULT_EXPORT_HEADERS,
            headUrl=_text(entry, 'headUrl', where) if 'headUrl' in entry else None,
            readUrl=_text(entry, 'readUrl', where) if 'readUrl' in entry else None,
            optional=_flag(entry, 'optional', where),
        )
        for where, entry in _entries(document, 'the targets', known)
    ]
    _unique_targets(targets)
    return sorted(targets, key=lambda target: target.name.split('/')[-1] == REPORT_NAME)


def parse_headers(value: object, what: str) -> dict[str, str]:
    """Header names and values that cannot break out of their line."""
    if not isinstance(value, dict):
        raise ComponentError('manifest', f'{what} must be an object of strings')
    for name, content in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ComponentError('manifest', f'{what}: {name!r} is not a header that may be set')
        if not isinstance(content, str) or not _HEADER_VALUE.fullmatch(content):
            raise ComponentError('manifest', f'{what}: the value of {name} is not printable ASCII text')
    return value


def parse_sha256(value: str, what: str) -> str:
    """64 lower-case hex characters."""
    if not _SHA256.fullmatch(value):
        raise ComponentError('manifest', f'{what} is not a SHA-256 in lower-case hex (64 characters)')
    return value


def _entries(document: Mapping[str, object], what: str, known: frozenset[str]) -> list[tuple[str, dict[str, object]]]:
    files = document.get('files')
    if set(document) != {'files'} or not isinstance(files, list):
        raise ComponentError('manifest', f'{what} must be an object with the one key "files", a list')
    if not 1 <= len(files) <= MAX_FILES:
        raise ComponentError('manifest', f'{what} lists {len(files)} files; expected 1 to {MAX_FILES}')
    entries: list[tuple[str, dict[str, object]]] = []
    for index, entry in enumerate(files):
        where = f'{what} files[{index}]'
        if not isinstance(entry, dict):
            raise ComponentError('manifest', f'{where} must be an object')
        if unknown := sorted(set(entry) - known):
            raise ComponentError('manifest', f'{where} has the unknown key {unknown[0]!r} (known: {", ".join(sorted(known))})')
        entries.append((where, entry))
    return entries


def _name(entry: Mapping[str, object], where: str) -> str:
    name = _text(entry, 'name', where)
    if len(name) > 512 or not all(_SEGMENT.fullmatch(segment) for segment in name.split('/')):
        raise ComponentError(
            'manifest',
            f'{where}.name {name[:100]!r} is refused: expected a relative path whose segments are letters, digits and . _ = + - '
            'and do not begin with a dot',
        )
    return name


def _text(entry: Mapping[str, object], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or value == '':
        raise ComponentError('manifest', f'{where}.{key} must be a text that is not empty')
    return value


def _size(entry: Mapping[str, object], where: str) -> int:
    value = entry.get('bytes')
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ComponentError('manifest', f'{where}.bytes must be a whole number, 0 or more')
    return value


def _flag(entry: Mapping[str, object], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise ComponentError('manifest', f'{where}.{key} must be true or false')
    return value


def _unique_targets(targets: Sequence[ExportTarget]) -> None:
    places = [target.url.split('?')[0] for target in targets]
    for target, place in zip(targets, places, strict=True):
        if places.count(place) > 1:
            raise ComponentError('manifest', f'the targets name the place of {target.name} twice')


def _unique(names: Sequence[str], what: str) -> None:
    folded = [name.lower() for name in names]
    for name in names:
        if folded.count(name.lower()) > 1:
            raise ComponentError('manifest', f'{what} names {name} twice')
        if any(other.startswith(name.lower() + '/') for other in folded):
            raise ComponentError('manifest', f'{what} uses {name} both as a file and as a folder')
