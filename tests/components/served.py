"""Starts the model server as a process on a free port and asks it questions."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steps import environment


@dataclass(frozen=True)
class Trained:
    """A model that ble-train left, with what its report says about it."""

    folder: Path
    digest: str
    golden: dict[str, Any]


def same(golden: dict[str, Any], labels: list[str], probabilities: list[float]) -> bool:
    """Whether answers agree with a golden set as a promotion compares them: label, and probability within the tolerance."""
    expected = golden['predictions']
    return [item['label'] for item in expected] == labels and all(
        abs(item['probability'] - value) <= golden['tolerance'] for item, value in zip(expected, probabilities, strict=True)
    )


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    log: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and parsed JSON (text where it is none). Bodies that are not bytes are sent as JSON."""
        status, answer, _ = self.raw(method, path, body, **headers)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode()

    def raw(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        try:
            sent = {name.replace('_', '-'): value for name, value in headers.items()}
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body=content, headers={'Content-Type': 'application/json', **sent})
            response = connection.getresponse()
            return response.status, response.read(), {name.lower(): value for name, value in response.headers.items()}
        finally:
            connection.close()


@contextmanager
def serving(model: Path, digest: str, **settings: str) -> Iterator[Served]:
    extra = {'SLUICE_MODEL_DIR': str(model), 'SLUICE_MODEL_DIGEST': digest, 'SLUICE_HOST': '127.0.0.1', 'PORT': '0', **settings}
    command = [sys.executable, '-m', 'sluice_serve', 'serve']
    process = subprocess.Popen(command, env=environment('serve', extra), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        assert '"event": "ready"' in first, first + process.stderr.read()
        served = Served(process, json.loads(first)['port'])
        stderr = process.stderr
        reader = threading.Thread(target=lambda: served.log.extend(stderr), daemon=True)
        reader.start()
        yield served
    finally:
        process.kill()
        process.wait(timeout=20)
