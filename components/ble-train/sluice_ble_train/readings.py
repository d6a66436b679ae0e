"""Reads gold: one CSV file or a folder of them, header `location, b3001..b3013` and optionally `seen_at`.

Strict, because refining already did the forgiving: the first bad value fails the step with file, line and column.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol import ComponentError

BEACONS = tuple(f'b3{number:03d}' for number in range(1, 14))
NOT_HEARD = -200
STRONGEST = 0
_CELL = re.compile(r'[A-Z][0-9]{2}')
_OPTIONAL = frozenset({'seen_at'})


@dataclass(frozen=True)
class Readings:
    """Parallel tuples: the cell of each row (`K04`: column K, row 4) and its 13 signal strengths in dBm."""

    cells: tuple[str, ...]
    signals: tuple[tuple[int, ...], ...]
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.cells)


def read_gold(path: Path) -> Readings:
    """All rows of a CSV file, or of every `*.csv` in a folder.

    Sorted by content: the order in which rows were written must not change the split, the weights or the modelDigest.
    """
    files = sorted(path.glob('*.csv')) if path.is_dir() else [path]
    if not files:
        raise ComponentError('gold-missing', f'input gold: the folder {path.name} holds no *.csv file')
    rows = sorted(row for file in files for row in _read_file(file))
    return Readings(
        cells=tuple(cell for cell, _ in rows),
        signals=tuple(signal for _, signal in rows),
        files=tuple(file.name for file in files),
    )


def _read_file(file: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    try:
        with file.open(encoding='utf-8-sig', newline='') as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, None)
            if header is None:
                raise ComponentError('gold-empty', f'{file.name} is empty; expected a header line')
            order = _columns(file.name, header)
            for row in rows:
                yield _row(file.name, rows.line_num, row, header, order)
    except UnicodeDecodeError as error:
        raise ComponentError('gold-encoding', f'{file.name} is not UTF-8 (byte {error.start} of a block)') from error
    except csv.Error as error:
        raise ComponentError('gold-csv', f'{file.name} line {rows.line_num}: {error}') from error
    except OSError as error:
        raise ComponentError('gold-unreadable', f'{file.name} cannot be read: {error.strerror}') from error


def _columns(file: str, header: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    wanted = ('location', *BEACONS)
    missing = [name for name in wanted if name not in header]
    unknown = [name for name in header if name not in wanted and name not in _OPTIONAL]
    if missing or unknown or len(set(header)) != len(header):
        detail = '; '.join(
            part
            for part in (
                f'missing {", ".join(missing)}' if missing else '',
                f'unknown {", ".join(repr(name) for name in unknown)}' if unknown else '',
                'a name twice' if len(set(header)) != len(header) else '',
            )
            if part
        )
        raise ComponentError('gold-header', f'{file} line 1: {detail}; expected location, b3001..b3013 and optionally seen_at')
    return header.index('location'), tuple(header.index(name) for name in BEACONS)


def _row(
    file: str, line: int, row: Sequence[str], header: Sequence[str], order: tuple[int, tuple[int, ...]]
) -> tuple[str, tuple[int, ...]]:
    if len(row) != len(header):
        raise ComponentError('gold-row', f'{file} line {line}: {len(row)} values, the header has {len(header)}')
    location, beacons = order
    if not _CELL.fullmatch(row[location]):
        raise ComponentError('gold-value', f'{file} line {line}, location: {row[location]!r} is not a cell such as K04')
    return row[location], tuple(_signal(file, line, header[index], row[index]) for index in beacons)


def _signal(file: str, line: int, column: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = STRONGEST + 1
    if not NOT_HEARD <= value <= STRONGEST:
        raise ComponentError(
            'gold-value', f'{file} line {line}, {column}: {text!r} is not a whole number of dBm from {NOT_HEARD} to {STRONGEST}'
        )
    return value
