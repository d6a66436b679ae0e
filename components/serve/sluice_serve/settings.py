"""The environment of the server, read once at start; all problems are told together.

An empty variable counts as unset.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol import ComponentError

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,127}')
_SHA256 = re.compile(r'[0-9a-f]{64}')


@dataclass(frozen=True)
class Settings:
    """Where the model is and what it must be, where to listen, and the limits of one request."""

    modelDir: Path
    modelDigest: str
    modelName: str | None
    host: str
    port: int
    maxBodyBytes: int
    maxRows: int
    maxRequests: int
    drainSeconds: int


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Fails with code `settings` and every problem in one message."""
    problems: list[str] = []

    def text(name: str, default: str = '') -> str:
        return environment.get(name) or default

    def whole(name: str, default: int, low: int, high: int) -> int:
        value = text(name, str(default))
        if not re.fullmatch(r'[0-9]{1,12}', value) or not low <= int(value) <= high:
            problems.append(f'{name} is {value!r}, expected a whole number from {low} to {high}')
            return default
        return int(value)

    digest = text('SLUICE_MODEL_DIGEST')
    if not _SHA256.fullmatch(digest):
        found = f'is {digest[:80]!r}' if digest else 'is not set'
        problems.append(f'SLUICE_MODEL_DIGEST {found}; expected the modelDigest of the run report (64 lower-case hex characters)')
    name = text('SLUICE_MODEL_NAME')
    if name and not _NAME.fullmatch(name):
        problems.append(f'SLUICE_MODEL_NAME is {name[:80]!r}; expected letters, digits, dot, hyphen, underscore')
    settings = Settings(
        modelDir=Path(text('SLUICE_MODEL_DIR', '/opt/ml/model')),
        modelDigest=digest,
        modelName=name or None,
        host=text('SLUICE_HOST', '0.0.0.0'),
        port=whole('PORT' if text('PORT') else 'SAGEMAKER_BIND_TO_PORT', 8080, 0, 65535),
        maxBodyBytes=whole('SLUICE_MAX_BODY_BYTES', 6 * 1024 * 1024, 1024, 1024**3),
        maxRows=whole('SLUICE_MAX_ROWS', 10_000, 1, 10_000_000),
        maxRequests=whole('SLUICE_MAX_REQUESTS', 64, 1, 10_000),
        drainSeconds=whole('SLUICE_DRAIN_SECONDS', 25, 0, 600),
    )
    if problems:
        raise ComponentError('settings', '; '.join(problems))
    return settings
