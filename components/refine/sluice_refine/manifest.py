"""What Sluice hands over, checked where this step depends on it. The contract is shared/contracts/hand-over.ts."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sluice_protocol import ComponentError, parse_json_object, read_text

PROTOCOL = 1
MAX_BYTES = 64 * 1024 * 1024
ROOT = re.compile(r'^[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*/$')
MERGE = re.compile(r'^merge\((.*)\)$')


@dataclass(frozen=True)
class Source:
    """Files of one source; `columns` in the order of the header."""

    name: str
    format: str
    columns: Mapping[str, str]
    encoding: str
    paths: tuple[str, ...]

    @property
    def view(self) -> str:
        """`bronze_<name>`; SQL would take a dash for a minus."""
        return 'bronze_' + self.name.replace('-', '_')


@dataclass(frozen=True)
class Table:
    """Silver or gold: where it is, how it is made, what its rows must satisfy."""

    name: str
    path: str
    sql: str
    mode: str
    keys: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    expect: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All of it. `lake` is the URL of the container, with a trailing slash."""

    runId: str
    lake: str
    sources: tuple[Source, ...]
    silver: Table
    gold: Table
    appId: str
    txnVersion: int
    note: Mapping[str, object]


def read_manifest(path: Path) -> Manifest:
    """Fails with code `manifest`."""
    given = parse_json_object(read_text(path, 'the manifest', MAX_BYTES), 'the manifest')
    try:
        return _manifest(given)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ComponentError('manifest', f'the manifest is not what Sluice writes: {type(error).__name__}: {error}') from error


def user_metadata(manifest: Manifest, rows: int) -> str:
    """What goes into commitInfo.userMetadata: the chain that the commit belongs to, and by which work it was made."""
    return json.dumps({'sluice': {**manifest.note, 'readRows': rows, 'txn': manifest.appId}}, separators=(',', ':'))


def _manifest(given: Mapping[str, object]) -> Manifest:
    if given['protocol'] != PROTOCOL:
        raise ValueError(f'protocol {given["protocol"]}, this step speaks {PROTOCOL}')
    files = _list(given['files'])
    txn, tables = _object(given['txn']), _object(given['tables'])
    sources = tuple(_source(_object(source), files) for source in _list(given['sources']))
    for source in sources:
        if not source.paths:
            raise ValueError(f'source {source.name} has no file')
    return Manifest(
        runId=str(given['runId']),
        lake=str(given['lake']),
        sources=sources,
        silver=_table(_object(tables['silver'])),
        gold=_table(_object(tables['gold'])),
        appId=str(txn['appId']),
        txnVersion=int(str(txn['version'])),
        note=_object(given['note']),
    )


def _source(given: Mapping[str, object], files: list[object]) -> Source:
    name = str(given['name'])
    paths = tuple(str(_object(file)['path']) for file in files if _object(file)['source'] == name)
    for path in paths:
        if any(part in ('', '.', '..') for part in path.split('/')):
            raise ValueError(f'the path {path!r} is not plain')
    columns = {str(column): str(kind) for column, kind in _object(given['columns']).items()}
    return Source(name, str(given['format']), columns, str(given.get('encoding', 'utf-8')), paths)


def _table(given: Mapping[str, object]) -> Table:
    path, mode = str(given['path']), str(given['mode'])
    if not ROOT.match(path) or '..' in path.split('/'):
        raise ValueError(f'the path {path!r} is no table')
    merge = MERGE.match(mode)
    keys = tuple(key.strip() for key in merge.group(1).split(',')) if merge else ()
    return Table(
        name=str(given['name']),
        path=path,
        sql=str(given['sql']).strip().rstrip(';'),
        mode='merge' if keys else mode,
        keys=keys,
        partition_by=tuple(str(column) for column in _list(given.get('partitionBy', []))),
        columns={column: _object(rule) for column, rule in _object(given.get('columns', {})).items()},
        expect=tuple({key: str(value) for key, value in _object(one).items()} for one in _list(given.get('expect', []))),
    )


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f'{str(value)[:80]} is no object')
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f'{str(value)[:80]} is no list')
    return value
