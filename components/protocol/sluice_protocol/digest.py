"""SHA-256 of files and folders, and the modelDigest: the identity of a model whatever it is packed in.

modelDigest = SHA-256 over the sorted lines `path NUL sha256 LF` of the model folder (UTF-8, `/` between segments).
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol.errors import ComponentError

_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class FileDigest:
    """A file by its path relative to the folder that owns it, with SHA-256 in lower-case hex and size in bytes."""

    path: str
    sha256: str
    bytes: int

    def to_json(self) -> dict[str, object]:
        return {'path': self.path, 'sha256': self.sha256, 'bytes': self.bytes}


def file_digest(path: Path, name: str | None = None) -> FileDigest:
    """Streams `path` once; `name` is what the digest calls it (default: the file's own name)."""
    sha = hashlib.sha256()
    size = 0
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            size += len(block)
    return FileDigest(path=name if name is not None else path.name, sha256=sha.hexdigest(), bytes=size)


def folder_files(folder: Path) -> list[tuple[str, Path]]:
    """Every regular file below `folder` as (relative path, path), sorted; links and special files are refused."""
    if not folder.is_dir():
        raise ComponentError('folder-missing', f'{folder} is not a folder')
    found: list[tuple[str, Path]] = []
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            relative = path.relative_to(folder).as_posix()
            if not stat.S_ISREG(mode):
                raise ComponentError('file-kind', f'{relative} in {folder} is a link or a special file; only regular files are allowed')
            if any(ord(character) < 32 for character in relative):
                raise ComponentError('file-name', f'{relative!r} in {folder} has a control character in its name')
            found.append((relative, path))
    return sorted(found, key=lambda item: item[0].encode())


def folder_digests(folder: Path) -> list[FileDigest]:
    """Digests of all files below `folder`, sorted by path."""
    return [file_digest(path, relative) for relative, path in folder_files(folder)]


def model_digest(files: Iterable[FileDigest]) -> str:
    """The modelDigest of a folder's files, in lower-case hex."""
    lines = sorted(f'{file.path}\0{file.sha256}\n'.encode() for file in files)
    if not lines:
        raise ComponentError('model-empty', 'the model folder holds no file, so it has no digest')
    return hashlib.sha256(b''.join(lines)).hexdigest()
