"""Kubeflow keeps the files of successful steps only, so a step that failed sends its report away itself.

The address comes as an input parameter of the step, within `--executor-input`: one PUT that creates, nothing else. Whatever happens to
it changes neither the report nor the exit code.
"""

import http.client
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from sluice_protocol.redact import redact_urls
from sluice_protocol.report import REPORT_NAME

PARAMETER = 'failure_report'
_MAX_BYTES = 1024 * 1024
_SECONDS = 10
_PAUSES = (1.0, 2.0)
# A blob that is there already is from an attempt whose answer was lost, or from an earlier one.
_THERE = (409, 412)
_HEADERS = {'Content-Type': 'application/json', 'x-ms-blob-type': 'BlockBlob', 'If-None-Match': '*'}


def failure_address(executor_input: object) -> str | None:
    """The one parameter of the input whose name begins with `failure_report`; None where there is none."""
    inputs = executor_input.get('inputs') if isinstance(executor_input, Mapping) else None
    values = inputs.get('parameterValues') if isinstance(inputs, Mapping) else None
    if not isinstance(values, Mapping):
        return None
    named = [value for name, value in values.items() if str(name).startswith(PARAMETER)]
    return named[0] if len(named) == 1 and isinstance(named[0], str) else None


def send_failure(executor_input: object, out: Path, pauses: tuple[float, ...] = _PAUSES) -> bool:
    """Sends the report in `out`; True when it is there. Says on stderr what stood in the way."""
    address = failure_address(executor_input)
    if address is None:
        return False
    try:
        report = (out / REPORT_NAME).read_bytes()
    except OSError as error:
        return _unsent(f'it cannot be read: {error.strerror}')
    if len(report) > _MAX_BYTES:
        return _unsent(f'it has {len(report)} bytes, {_MAX_BYTES} are sent at most')
    problem = ''
    for pause in (*pauses, None):
        try:
            status = _put(address, report)
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f'{type(error).__name__}: {error}'
        else:
            if 200 <= status < 300 or status in _THERE:
                return True
            problem = f'answer {status}'
            if status < 500 and status != 429:
                break
        if pause is not None:
            time.sleep(pause)
    return _unsent(problem)


def _put(address: str, body: bytes) -> int:
    """One PUT without redirects: a signed address is for this host only."""
    parts = urlsplit(address)
    if parts.scheme not in ('https', 'http') or not parts.hostname:
        raise ValueError('the address is no URL')
    connection, path = _connect(parts, parts.hostname)
    try:
        connection.request('PUT', path, body=body, headers=_HEADERS)
        response = connection.getresponse()
        response.read(_MAX_BYTES)
        return response.status
    finally:
        connection.close()


def _connect(parts: SplitResult, host: str) -> tuple[http.client.HTTPConnection, str]:
    """The connection and what is asked of it: by the proxy that the environment names, because a site may have no other way out."""
    # Imported here: only a step that failed needs it.
    from urllib.request import getproxies, proxy_bypass

    path = (parts.path or '/') + (f'?{parts.query}' if parts.query else '')
    named = getproxies().get(parts.scheme)
    proxy = urlsplit(named if '://' in named else f'http://{named}') if named and not proxy_bypass(parts.netloc) else None
    if proxy is None or not proxy.hostname:
        kind = http.client.HTTPSConnection if parts.scheme == 'https' else http.client.HTTPConnection
        return kind(host, parts.port, timeout=_SECONDS), path
    if parts.scheme == 'https':
        tunnel = http.client.HTTPSConnection(proxy.hostname, proxy.port or 8080, timeout=_SECONDS)
        tunnel.set_tunnel(host, parts.port or 443)
        return tunnel, path
    return http.client.HTTPConnection(proxy.hostname, proxy.port or 8080, timeout=_SECONDS), f'http://{parts.netloc}{path}'


def _unsent(problem: str) -> bool:
    print(redact_urls(f'the report of the failure could not be sent away: {problem}'), file=sys.stderr, flush=True)
    return False
