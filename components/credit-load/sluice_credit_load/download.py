"""Fetches a table from a URL that an allow-list names; everything else is refused before a connection is made.

Who may set a parameter must not be able to make a node inside the network read any address of it.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, urlsplit

from sluice_protocol import ComponentError

ALLOW = 'SLUICE_DATA_URL_ALLOW'
MAX_BYTES = 1024**3
ATTEMPTS = 3
IDLE_SECONDS = 30
WHOLE_SECONDS = 900
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def check_allowed(url: str, parameter: str, environment: Mapping[str, str]) -> None:
    """Fails with `url-refused` unless the URL begins with an allowed prefix.

    The environment's list is the operator's and binds; the parameter's counts only where there is none, else it may narrow.
    """
    lists = [text for text in (environment.get(ALLOW, ''), parameter) if text.strip()]
    parts = _parts(url)
    shown = f'{parts.scheme}://{parts.netloc}{parts.path}'
    if not lists:
        raise ComponentError('data-url-refused', f'{shown} is not allowed: no list of allowed addresses is set ({ALLOW}, or data_url_allow)')
    for text in lists:
        if not any(_covers(_parts(prefix.strip()), parts) for prefix in text.split(',') if prefix.strip()):
            raise ComponentError('data-url-refused', f'{shown} is not allowed; allowed is what begins with one of: {text}')


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ('http', 'https') and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ComponentError('data-url-refused', 'data_url cannot be parsed; expected https://host/path') from None
    # Encoded dots and slashes, backslashes and `..` could lead out of an allowed folder on the other side.
    if not plain or '@' in parts.netloc or parts.fragment or re.search(r'[^\x21-\x7e]|\\|%2e|%2f|%5c|/\.\.?(/|$)', f'{parts.netloc}{parts.path}', re.I):
        raise ComponentError('data-url-refused', 'data_url is refused: expected a plain https://host/path without user, fragment, ".." or escapes')
    return parts


def _covers(prefix: SplitResult, url: SplitResult) -> bool:
    if (prefix.scheme, prefix.hostname, prefix.port) != (url.scheme, url.hostname, url.port):
        return False
    path = prefix.path or '/'
    return url.path == path or (path.endswith('/') and url.path.startswith(path))


def download(url: str, target: Path) -> None:
    """Streams the URL into a file. Fails with `download`; tries again where another attempt may succeed."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(url, target)
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            final = status is not None and status not in _PASSING
            if final or attempt == ATTEMPTS:
                reason = f'was answered {status}' if status is not None else f'failed: {type(error).__name__}: {error}'
                raise ComponentError('download', f'GET {url} {reason} (attempt {attempt} of {ATTEMPTS})') from error
            time.sleep(0.5 * 2 ** (attempt - 1))
    raise AssertionError('there is at least one attempt')


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An allowed address must not lead to one that is not."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def _attempt(url: str, target: Path) -> None:
    opener = urllib.request.build_opener(_NoRedirect)
    deadline = time.monotonic() + WHOLE_SECONDS
    size = 0
    request = urllib.request.Request(url, headers={'Accept-Encoding': 'identity', 'User-Agent': 'sluice-credit-load'})
    with opener.open(request, timeout=IDLE_SECONDS) as answer, target.open('wb') as file:
        while block := answer.read1(256 * 1024):
            size += len(block)
            if size > MAX_BYTES:
                raise ComponentError('download', f'GET {url}: more than {MAX_BYTES} bytes')
            if time.monotonic() > deadline:
                raise ComponentError('download', f'GET {url}: not complete after {WHOLE_SECONDS} s')
            file.write(block)
        if answer.length:
            raise http.client.IncompleteRead(b'', answer.length)
