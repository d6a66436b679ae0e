"""Data that is at the site already: `site://dataset/file` and `file:///…`, read below one folder and nowhere else.

The folder is named by the pod's environment (`SLUICE_SITE_ROOT`), never by the document that asks for the file.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sluice_protocol import ComponentError
from sluice_transfer.http import BLOCK

ROOT = 'SLUICE_SITE_ROOT'
_SEGMENT = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._=+-]{0,127}')


def is_site(url: str) -> bool:
    """Whether a URL speaks of the site's own files; `file://` does so only where a site has given its folder."""
    return url.startswith('site://') or (url.startswith('file://') and bool(os.environ.get(ROOT)))


def site_file(url: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The file that a site URL names; `site-refused` where it is not below the site's folder, also by a link."""
    root = environment.get(ROOT, '')
    if not root or not Path(root).is_dir():
        raise ComponentError('site-refused', f'{url} is data of the site, and {ROOT} names no folder here: this step has no data volume')
    base = Path(root).resolve()
    path = base / _relative(url, base)
    if not path.resolve().is_relative_to(base):
        raise ComponentError('site-refused', f'{url} leads out of the folder of the site')
    if not path.exists():
        raise ComponentError('not-found', f'{url}: the site has no such file')
    if not stat.S_ISREG(path.stat().st_mode):
        raise ComponentError('site-refused', f'{url} is not a file')
    return path.resolve()


def _relative(url: str, base: Path) -> Path:
    if url.startswith('site://'):
        relative = url.removeprefix('site://')
    else:
        parts = urlsplit(url)
        whole = unquote(parts.path)
        if parts.netloc or parts.query or parts.fragment or not whole.startswith(f'{base}/'):
            raise ComponentError('site-refused', 'a file:// address is taken below the folder of the site only')
        relative = whole.removeprefix(f'{base}/')
    if not all(_SEGMENT.fullmatch(segment) for segment in relative.split('/')):
        raise ComponentError('site-refused', f'{url[:200]} is refused: expected site://dataset/file of letters, digits and . _ = + -')
    return Path(relative)


def copy_site_file(url: str, target: Path, limit: int) -> str:
    """Copies a file of the site and returns its SHA-256; exactly `limit` bytes, as the manifest says."""
    sha = hashlib.sha256()
    size = 0
    try:
        with target.open('xb') as copy:
            for block in _blocks(site_file(url)):
                size += len(block)
                if size > limit:
                    break
                sha.update(block)
                copy.write(block)
    except OSError as error:
        raise ComponentError('disk', f'{url} cannot be copied: {error.strerror}') from error
    if size != limit:
        found = f'more than {limit}' if size > limit else str(size)
        raise ComponentError('size-mismatch', f'{url} has {found} bytes, {limit} were promised')
    return sha.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open('rb') as source:
        while block := source.read(BLOCK):
            yield block
