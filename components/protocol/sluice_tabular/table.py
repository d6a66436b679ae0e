"""Reads a table from CSV, strictly: the first bad value fails the step with file, line and column. Refining already did the forgiving.

Rows keep the order of the file, files that of their names: a split by row number must mean the same rows every time.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sluice_protocol import ComponentError
from sluice_tabular.columns import CategoryColumn, Column, NumberColumn, Schema

Floats = NDArray[np.float64]
_BLOCK = 20_000


@dataclass(frozen=True)
class Table:
    """`matrix` has a row per row and a column per column of the schema; `labels` one number per row; `files` where they came from."""

    matrix: Floats
    labels: Floats
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def csv_files(path: Path, what: str) -> list[Path]:
    """The file itself, or every `*.csv` of a folder by name; fails with `gold-missing` where there is none."""
    files = sorted(path.glob('*.csv')) if path.is_dir() else [path]
    if not files:
        raise ComponentError('gold-missing', f'{what}: the folder {path.name} holds no *.csv file')
    return files


def read_table(files: Sequence[Path], schema: Schema, ignored: Collection[str] = ()) -> Table:
    """All rows of the files. Columns come in any order; those in `ignored` may be there and are not read."""
    columns: tuple[Column, ...] = (*schema.columns, schema.label)
    blocks = [block for file in files for block in _read_file(file, columns, frozenset(ignored))]
    whole = np.concatenate(blocks) if blocks else np.empty((0, len(columns)))
    if len(whole) == 0:
        raise ComponentError('gold-empty', f'{", ".join(file.name for file in files)}: a header but no row')
    return Table(np.ascontiguousarray(whole[:, :-1]), whole[:, -1].copy(), tuple(file.name for file in files))


def _read_file(file: Path, columns: Sequence[Column], ignored: Collection[str]) -> Iterator[Floats]:
    try:
        with file.open(encoding='utf-8-sig', newline='') as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, None)
            if header is None:
                raise ComponentError('gold-empty', f'{file.name} is empty; expected a header line')
            places = _places(file.name, header, columns, ignored)
            block: list[list[str]] = []
            lines: list[int] = []
            for row in rows:
                if len(row) != len(header):
                    raise ComponentError('gold-row', f'{file.name} line {rows.line_num}: {len(row)} values, the header has {len(header)}')
                block.append(row)
                lines.append(rows.line_num)
                if len(block) == _BLOCK:
                    yield _encode(file.name, block, lines, columns, places)
                    block, lines = [], []
            if block:
                yield _encode(file.name, block, lines, columns, places)
    except UnicodeDecodeError as error:
        raise ComponentError('gold-encoding', f'{file.name} is not UTF-8 (byte {error.start} of a block)') from error
    except csv.Error as error:
        raise ComponentError('gold-csv', f'{file.name} line {rows.line_num}: {error}') from error
    except OSError as error:
        raise ComponentError('gold-unreadable', f'{file.name} cannot be read: {error.strerror}') from error


def _places(file: str, header: Sequence[str], columns: Sequence[Column], ignored: Collection[str]) -> list[int]:
    wanted = [column.name for column in columns]
    missing = [name for name in wanted if name not in header]
    unknown = [name for name in header if name not in wanted and name not in ignored]
    problems = [
        *([f'missing {", ".join(missing)}'] if missing else []),
        *([f'unknown {", ".join(repr(name) for name in unknown)}'] if unknown else []),
        *(['a name twice'] if len(set(header)) != len(header) else []),
    ]
    if problems:
        raise ComponentError('gold-header', f'{file} line 1: {"; ".join(problems)}; expected {", ".join(wanted)}')
    return [header.index(name) for name in wanted]


def _encode(file: str, block: Sequence[Sequence[str]], lines: Sequence[int], columns: Sequence[Column], places: Sequence[int]) -> Floats:
    found = np.empty((len(block), len(columns)), dtype=np.float64)
    texts = list(zip(*block, strict=True))
    for number, (column, place) in enumerate(zip(columns, places, strict=True)):
        values = _categories(texts[place], column) if isinstance(column, CategoryColumn) else _numbers(texts[place], column)
        bad = _refused(values, texts[place], column)
        if bad is not None:
            raise ComponentError(
                'gold-value', f'{file} line {lines[bad]}, {column.name}: {texts[place][bad]!r} is not {_expected(column)}'
            )
        found[:, number] = values
    return found


def _categories(texts: Sequence[str], column: CategoryColumn) -> Floats:
    codes = {level: float(code) for code, level in enumerate(column.levels)}
    return np.array([codes.get(text, -1.0) for text in texts])


def _numbers(texts: Sequence[str], column: NumberColumn) -> Floats:
    """Numbers, NaN for what is missing, infinity for what is no number: no bound allows it."""
    plain = ['nan' if text == '' else text for text in texts]
    try:
        return np.array(plain, dtype=np.float64)
    except ValueError:
        return np.array([_number(text) for text in plain])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.inf


def _refused(values: Floats, texts: Sequence[str], column: Column) -> int | None:
    """The first row whose value the column does not allow."""
    if isinstance(column, CategoryColumn):
        wrong = values < 0
    else:
        absent = np.isnan(values)
        wrong = ~absent & ~((values >= column.minimum) & (values <= column.maximum))
        if column.whole:
            wrong |= ~absent & ~wrong & (np.floor(values) != values)
        # `nan` and `1_0` are numbers to Python, not to us.
        wrong |= absent if not column.missing else np.array([bool(text) for text in texts]) & absent
        if any('_' in text for text in texts):
            wrong |= np.array(['_' in text for text in texts])
    return int(np.argmax(wrong)) if wrong.any() else None


def _expected(column: Column) -> str:
    if isinstance(column, CategoryColumn):
        return f'one of {", ".join(column.levels)}'
    kind = 'a whole number' if column.whole else 'a number'
    return f'{kind} from {column.minimum:g} to {column.maximum:g}{" (or empty)" if column.missing else ""}'
