"""Deterministic tar.gz: the same folder gives the same bytes on every machine, so an archive can be compared by digest.

SageMaker wants one gzip tar without links (facts/sagemaker.md §1.1).
"""

import gzip
import tarfile
from pathlib import Path

from sluice_protocol.digest import FileDigest, file_digest, folder_files


def write_archive(folder: Path, archive: Path) -> FileDigest:
    """Packs the regular files of `folder` (paths relative to it, sorted by name) and returns the archive's digest."""
    files = folder_files(folder)
    # filename='' keeps the archive's own name out of the gzip header; mtime=0 keeps the clock out.
    with (
        archive.open('wb') as raw,
        gzip.GzipFile(filename='', mode='wb', compresslevel=6, fileobj=raw, mtime=0) as zipped,
        tarfile.TarFile(fileobj=zipped, mode='w', format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in files:
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open('rb') as content:
                tar.addfile(entry, content)
    return file_digest(archive)
