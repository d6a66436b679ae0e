"""What the pipeline declares of the files: `source.json`, the first source of sluice.yaml as Sluice has read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice_csv_refine.values import CHECKS, Check, timestamp_check
from sluice_protocol import ComponentError, parse_json_object, read_text

SOURCE = 'source.json'
_ENCODINGS = {'utf-8': 'utf-8-sig', 'utf-16': 'utf-16', 'latin-1': 'latin-1'}


@dataclass(frozen=True)
class Source:
    """The header in its order with the check of each column, and what becomes of rows that fail one."""

    checks: Mapping[str, Check]
    encoding: str
    setsAside: bool


def read_source(path: Path) -> Source:
    """Fails with `source-invalid` where the document is not a source of CSV files."""
    file = path / SOURCE if path.is_dir() else path
    source = parse_json_object(read_text(file, 'the source'), 'the source')
    columns = source.get('columns')
    encoding = source.get('encoding', 'utf-8')
    if source.get('format') != 'csv':
        raise ComponentError('source-invalid', f'the source has the format {source.get("format")}; csv-refine reads csv')
    if not isinstance(columns, dict) or not columns:
        raise ComponentError('source-invalid', 'the source names no columns')
    if not isinstance(encoding, str) or encoding not in _ENCODINGS:
        raise ComponentError('source-invalid', f'the source has the encoding {encoding}; known are {", ".join(_ENCODINGS)}')
    checks = {name: _check(name, kind, source.get('timestampFormat')) for name, kind in columns.items()}
    return Source(checks=checks, encoding=_ENCODINGS[encoding], setsAside=source.get('badRows') == 'quarantine')


def _check(name: str, kind: object, timestamp_format: object) -> Check:
    if kind == 'timestamp' and isinstance(timestamp_format, str):
        return timestamp_check(timestamp_format)
    if not isinstance(kind, str) or kind not in CHECKS:
        raise ComponentError('source-invalid', f'column {name} has the type {kind}; known are {", ".join(CHECKS)}')
    return CHECKS[kind]
