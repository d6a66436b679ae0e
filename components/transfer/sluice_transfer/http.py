"""One HTTP exchange with a signed URL: checked, timed, never redirected, and never named with its query.

http.client rather than urllib: a refused upload often answers before the body is read, and that answer must be seen.
"""

import http.client
import re
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from sluice_protocol import ComponentError
from sluice_transfer.settings import Patience

BLOCK = 256 * 1024
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_ERROR_BODY = 16 * 1024
Result = TypeVar('Result')


class Passing(Exception):
    """An attempt failed in a way that the next one may not: refused connection, silence, 5xx, a cut-off body."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def split_url(url: str) -> SplitResult:
    """An http or https URL with a host; anything else is refused (`url-refused`) without repeating its query."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ('http', 'https') and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ComponentError('url-refused', 'a URL cannot be parsed; expected https://host/path?query') from None
    if not usable or parts.username is not None or parts.fragment or re.search(r'[^\x21-\x7e]', url):
        raise ComponentError('url-refused', f'the URL {name_of(parts)} is refused: expected http(s)://host/path?query, percent-encoded')
    return parts


def name_of(parts: SplitResult) -> str:
    """Scheme, host and path: all of a URL that may be shown."""
    port = f':{parts.port}' if parts.port else ''
    return f'{parts.scheme}://{parts.hostname or ""}{port}{parts.path}'


def public_name(url: str) -> str:
    """`name_of` for a URL as text."""
    return name_of(split_url(url))


@contextmanager
def exchange(
    method: str, url: str, headers: Mapping[str, str], patience: Patience, body: Path | None = None
) -> Iterator[http.client.HTTPResponse]:
    """Sends one request and yields its response; network trouble becomes `Passing`, inside the block too."""
    parts = split_url(url)
    connection, path = _connect(parts, patience.idleSeconds)
    try:
        yield _send(connection, method, path, headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise Passing(f'{method} {name_of(parts)}: {type(error).__name__}: {error}') from error
    finally:
        connection.close()


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: Path | None
) -> http.client.HTTPResponse:
    if body is None:
        connection.request(method, path, headers=dict(headers))
        return connection.getresponse()
    with body.open('rb') as content:
        try:
            connection.request(method, path, body=content, headers={**headers, 'Content-Length': str(body.stat().st_size)})
        except (BrokenPipeError, ConnectionResetError):
            # The server stopped reading: what it said before (403, 412) is worth more than the broken pipe.
            return connection.getresponse()
    return connection.getresponse()


def _connect(parts: SplitResult, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    host = parts.hostname or ''
    port = parts.port or (443 if parts.scheme == 'https' else 80)
    path = (parts.path or '/') + (f'?{parts.query}' if parts.query else '')
    proxy = _proxy_for(parts)
    if parts.scheme == 'https':
        context = ssl.create_default_context()
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context, blocksize=BLOCK), path
        tunnel = http.client.HTTPSConnection(proxy[0], proxy[1], timeout=timeout, context=context, blocksize=BLOCK)
        tunnel.set_tunnel(host, port)
        return tunnel, path
    if proxy is None:
        return http.client.HTTPConnection(host, port, timeout=timeout, blocksize=BLOCK), path
    return http.client.HTTPConnection(proxy[0], proxy[1], timeout=timeout, blocksize=BLOCK), f'http://{parts.netloc}{path}'


def _proxy_for(parts: SplitResult) -> tuple[str, int] | None:
    """The proxy that the environment names for this scheme and host (`https_proxy`, `no_proxy` and the like)."""
    address = urllib.request.getproxies().get(parts.scheme)
    if not address or urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urlsplit(address if '://' in address else f'http://{address}')
    return (proxy.hostname, proxy.port or 8080) if proxy.hostname else None


def read_blocks(response: http.client.HTTPResponse, seconds: float) -> Iterator[bytes]:
    """The body in blocks; a server that drips bytes for longer than `seconds` is given up."""
    deadline = time.monotonic() + seconds
    while block := response.read1(BLOCK):
        yield block
        if time.monotonic() > deadline:
            raise Passing(f'the answer was not complete after {seconds:g} s')


def refusal(method: str, url: str, response: http.client.HTTPResponse) -> ComponentError | Passing:
    """What an answer that is no success means: to be tried again, or an error with a code of its own."""
    status = response.status
    reason = error_code(response)
    text = f'{method} {public_name(url)} was answered {status}{f" {reason}" if reason else ""}'
    if status in _RETRY_STATUS or reason == 'ConditionalRequestConflict':
        return Passing(text, _retry_after(response))
    if 300 <= status < 400:
        return ComponentError('redirected', f'{text}; signed URLs are not followed elsewhere: sign the final address')
    if status in (401, 403):
        return ComponentError('access-refused', f'{text}; the signature is wrong or has expired, or lacks this right: sign a new URL')
    if status == 404:
        return ComponentError('not-found', f'{text}; there is nothing at this address')
    return ComponentError('http-error', text)


def error_code(response: http.client.HTTPResponse) -> str:
    """The storage service's own code (`BlobAlreadyExists`, `AccessDenied`). Only that: the bodies repeat what was signed."""
    header = response.headers.get('x-ms-error-code')
    if header:
        return re.sub(r'[^A-Za-z0-9]', '', header)[:80]
    match = re.search(rb'<Code>([A-Za-z0-9]{1,80})</Code>', response.read(_MAX_ERROR_BODY))
    return match.group(1).decode() if match else ''


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    value = response.headers.get('Retry-After', '')
    return min(float(value), 30.0) if re.fullmatch(r'[0-9]{1,6}', value) else None


def retrying(patience: Patience, attempt: Callable[[], Result], pause: Callable[[float], None] = time.sleep) -> Result:
    """Calls `attempt` until it does not raise `Passing`; the pauses double. Gives up with code `network`."""
    for number in range(1, patience.attempts + 1):
        try:
            return attempt()
        except Passing as error:
            if number == patience.attempts:
                raise ComponentError('network', f'{error} (attempt {number} of {patience.attempts}, given up)') from error
            pause(error.wait if error.wait is not None else patience.backoffSeconds * 2 ** (number - 1))
    raise AssertionError('attempts is at least 1')
