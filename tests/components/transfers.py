"""What the tests of transfer share: a running store, manifest entries, and quick retries."""

import hashlib
import json
from pathlib import Path
from typing import Any

from blob_store import Store
from sluice_transfer.main import main
from steps import report_of

QUICK = ['--params-json', '{"attempts": 3, "backoffSeconds": 0, "idleSeconds": 5}']


def entry(store: Store, path: str, name: str, content: bytes, **changes: Any) -> dict[str, Any]:
    """A manifest entry for an object of the store."""
    sha256 = hashlib.sha256(content).hexdigest()
    return {'name': name, 'url': store.url(path), 'sha256': sha256, 'bytes': len(content), **changes}


def fetch(files: list[dict[str, Any]], out: Path) -> int:
    return main(['fetch', '--manifest', json.dumps({'files': files}), '--out', str(out), *QUICK])


def error_of(out: Path) -> tuple[str, str]:
    """Code and message of a failed report."""
    error = report_of(out)['error']
    return error['code'], error['message']
