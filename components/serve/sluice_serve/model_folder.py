"""Reads the model folder once into memory and proves its modelDigest; what is loaded is exactly what was proved.

Nothing of the model is parsed before this.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sluice_protocol import ComponentError, FileDigest, folder_files, model_digest

MAX_MODEL_BYTES = 2 * 1024**3


def read_verified(folder: Path, expected: str, limit: int = MAX_MODEL_BYTES) -> Mapping[str, bytes]:
    """File contents by relative path; fails with `model-digest` where the folder is not the expected model."""
    contents: dict[str, bytes] = {}
    left = limit
    for name, path in folder_files(folder):
        with path.open('rb') as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise ComponentError('model-too-large', f'the model in {folder} is larger than {limit} bytes')
        contents[name] = content
    found = model_digest(FileDigest(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items())
    if found != expected:
        raise ComponentError(
            'model-digest',
            f'the model in {folder} ({len(contents)} files) has modelDigest {found}, but SLUICE_MODEL_DIGEST says {expected}; '
            'it was changed or is another model, and is not loaded',
        )
    return contents
