"""Fetches the files of a manifest and proves each by size and SHA-256 before it gets its name.

What is half there has a temporary name that no step reads.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from sluice_protocol import ComponentError, FileDigest
from sluice_transfer.documents import ManifestFile
from sluice_transfer.http import Passing, exchange, public_name, read_blocks, refusal, retrying
from sluice_transfer.settings import Patience
from sluice_transfer.site import copy_site_file, is_site


def fetch_all(files: list[ManifestFile], out: Path, patience: Patience) -> list[FileDigest]:
    """Every file of the manifest, in its order, below `out`."""
    return [fetch_file(file, _place(out, file.name), patience) for file in files]


def fetch_file(file: ManifestFile, target: Path, patience: Patience) -> FileDigest:
    """One file; fails with `size-mismatch` or `sha256-mismatch` where the content is not what was promised."""
    partial = target.with_name(f'.{target.name}.{os.getpid()}.part')
    try:
        partial.unlink(missing_ok=True)
        if is_site(file.url):
            sha256 = copy_site_file(file.url, partial, file.bytes)
        else:
            sha256 = retrying(patience, lambda: download(file.url, partial, file.bytes, patience, exact=True))
        if sha256 != file.sha256:
            source = file.url if is_site(file.url) else public_name(file.url)
            raise ComponentError('sha256-mismatch', f'{file.name} from {source} has SHA-256 {sha256}, the manifest says {file.sha256}')
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return FileDigest(path=file.name, sha256=sha256, bytes=file.bytes)


def download(url: str, target: Path, limit: int, patience: Patience, *, exact: bool) -> str:
    """Streams a URL into a file and returns its SHA-256. More than `limit` bytes (or, with `exact`, fewer) is refused."""
    sha = hashlib.sha256()
    size = 0
    with exchange('GET', url, {'Accept-Encoding': 'identity'}, patience) as response:
        if response.status != 200:
            raise refusal('GET', url, response)
        # Local trouble (a full disk) must not look like the network's, so the file is written by functions that say so.
        with _create(target) as file:
            for block in read_blocks(response, patience.fileSeconds):
                size += len(block)
                if size > limit:
                    raise ComponentError('size-mismatch', f'{public_name(url)} sends more than the {limit} bytes that were promised')
                sha.update(block)
                _write(file, block, target)
        if response.length:
            raise Passing(f'GET {public_name(url)}: the connection closed {response.length} bytes early')
    if exact and size != limit:
        raise ComponentError('size-mismatch', f'{public_name(url)} has {size} bytes, {limit} were promised')
    return sha.hexdigest()


def _create(target: Path) -> BinaryIO:
    try:
        target.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.fdopen(os.open(target, flags, 0o644), 'wb')
    except OSError as error:
        raise ComponentError('disk', f'{target.name} cannot be written: {error.strerror}') from error


def _write(file: BinaryIO, block: bytes, target: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise ComponentError('disk', f'{target.name} cannot be written: {error.strerror}') from error


def _place(out: Path, name: str) -> Path:
    """The path of a manifest name below `out`; a link that leads out of it is refused."""
    target = out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(out.resolve()):
        raise ComponentError('path-escape', f'{name} would be written outside the out folder')
    return target
