"""Sends files with PUT, and tells "it is already there and is the same" from "something else is there".

Export carries results to the store; publish carries an archive to its content-addressed key.
"""

import hashlib
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sluice_protocol import ComponentError, FileDigest, file_digest
from sluice_transfer.documents import ExportTarget
from sluice_transfer.http import exchange, public_name, read_blocks, refusal, retrying, split_url
from sluice_transfer.settings import Patience

Put = Literal['sent', 'already-there']
_SHA_HEADERS = ('x-ms-meta-sha256', 'x-amz-meta-sha256')


@dataclass(frozen=True)
class Exported:
    """A file that is now at its target, and whether this run put it there."""

    file: FileDigest
    how: Put

    def to_json(self) -> dict[str, object]:
        return {**self.file.to_json(), 'how': self.how}


def export_all(targets: list[ExportTarget], source: Path, patience: Patience) -> list[Exported]:
    """Sends every target's file; all of them are looked at before the first is sent."""
    present = [(target, path) for target in targets if (path := _source(source, target)) is not None]
    return [_export(target, path, patience) for target, path in present]


def _export(target: ExportTarget, path: Path, patience: Patience) -> Exported:
    file = file_digest(path, target.name)
    how = put_file(target.url, path, target.headers, patience)
    if how == 'already-there':
        retrying(patience, lambda: _require_same(target, file, patience))
    return Exported(file=file, how=how)


def put_file(url: str, path: Path, headers: Mapping[str, str], patience: Patience) -> Put:
    """PUTs a file; an object that exists already is an answer, not an error, because a lost response leads there too."""
    sent = _request_headers(url, path, headers)

    def attempt() -> Put:
        with exchange('PUT', url, sent, patience, body=path) as response:
            if 200 <= response.status < 300:
                return 'sent'
            if _exists(response):
                return 'already-there'
            raise refusal('PUT', url, response)

    return retrying(patience, attempt)


def _exists(response: http.client.HTTPResponse) -> bool:
    """412 for `If-None-Match: *` (S3, Azure), or Azure's 409 of that name; other conflicts are errors."""
    return response.status == 412 or (response.status == 409 and response.headers.get('x-ms-error-code') == 'BlobAlreadyExists')


def _request_headers(url: str, path: Path, headers: Mapping[str, str]) -> dict[str, str]:
    """The given headers as they were signed; host and length are the transport's, but must agree where they are stated."""
    size = path.stat().st_size
    parts = split_url(url)
    sent = {'Content-Type': 'application/octet-stream'}
    for name, value in headers.items():
        lower = name.lower()
        if lower == 'content-length' and value != str(size):
            raise ComponentError('size-mismatch', f'{path.name} has {size} bytes, the URL was signed for {value}')
        if lower == 'host' and value.lower() != parts.netloc.lower():
            raise ComponentError('url-refused', f'the signed host {value} is not the host of the URL ({parts.netloc})')
        if lower == 'content-type':
            sent.pop('Content-Type', None)
        if lower not in ('content-length', 'host'):
            sent[name] = value
    return sent


def _require_same(target: ExportTarget, file: FileDigest, patience: Patience) -> None:
    """Fails with `already-exists` unless what is at the target is provably this file."""
    found: str | None = None
    if target.headUrl is not None:
        found = _stated_digest(target.headUrl, patience)
    if found is None and target.readUrl is not None:
        found = _read_digest(target.readUrl, file.bytes, patience)
    if found is None:
        raise ComponentError(
            'already-exists',
            f'{public_name(target.url)} exists already and cannot be compared with {file.path}: '
            'give readUrl, or headUrl with sha256 metadata',
        )
    if found != f'{file.sha256} {file.bytes}':
        raise ComponentError('already-exists', f'{public_name(target.url)} exists already with other content than {file.path}')


def _stated_digest(url: str, patience: Patience) -> str | None:
    """`<sha256> <bytes>` from an object's metadata; None where it carries no digest."""
    with exchange('HEAD', url, {}, patience) as response:
        if response.status != 200:
            raise refusal('HEAD', url, response)
        sha256 = next((value for name in _SHA_HEADERS if (value := response.headers.get(name))), None)
        return f'{sha256} {response.headers.get("Content-Length")}' if sha256 else None


def _read_digest(url: str, expected: int, patience: Patience) -> str:
    """`<sha256> <bytes>` of an object's content; reading stops once it is longer than `expected`."""
    sha = hashlib.sha256()
    size = 0
    with exchange('GET', url, {'Accept-Encoding': 'identity'}, patience) as response:
        if response.status != 200:
            raise refusal('GET', url, response)
        for block in read_blocks(response, patience.fileSeconds):
            sha.update(block)
            size += len(block)
            if size > expected:
                break
    return f'{sha.hexdigest()} {size}'


def _source(folder: Path, target: ExportTarget) -> Path | None:
    path = folder / target.name
    if not path.exists() and target.optional:
        return None
    if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise ComponentError('export-missing', f'{target.name} is not a regular file below {folder}; nothing was sent')
    return path
