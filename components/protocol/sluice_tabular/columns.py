"""What a column may hold, as data: written beside every table and into every model, so that later steps and the server need no list of their own.

JSON: `{"name", "kind": "number", "minimum", "maximum", "missing"?, "whole"?}` or `{"name", "kind": "category", "levels": […]}`.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice_protocol import Cell, ComponentError, parse_json_object, read_text


@dataclass(frozen=True)
class NumberColumn:
    """A number within bounds; `missing`: the value may be absent; `whole`: no fraction."""

    name: str
    minimum: float
    maximum: float
    missing: bool = False
    whole: bool = False

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {'name': self.name, 'kind': 'number', 'minimum': self.minimum, 'maximum': self.maximum}
        return found | {key: True for key, value in (('missing', self.missing), ('whole', self.whole)) if value}


@dataclass(frozen=True)
class CategoryColumn:
    """One of a few texts; its number in a row is its place in `levels`."""

    name: str
    levels: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {'name': self.name, 'kind': 'category', 'levels': list(self.levels)}


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Schema:
    """The columns of a table in order, and the label: a number, which for a classification is the place of its class in `classes`."""

    columns: tuple[Column, ...]
    label: NumberColumn
    classes: tuple[str, ...] = ()

    def place(self, name: str) -> int:
        """Where a column stands in a row."""
        return next(place for place, column in enumerate(self.columns) if column.name == name)

    def to_json(self) -> dict[str, object]:
        return {'columns': [column.to_json() for column in self.columns], 'label': self.label.to_json(), 'classes': list(self.classes)}


def column_of(described: Mapping[str, object]) -> Column:
    """A column from its JSON. Raises ValueError, KeyError or TypeError where it is none."""
    name = described['name']
    if not isinstance(name, str) or not name:
        raise ValueError('a column has no name')
    if described['kind'] == 'category':
        levels = described['levels']
        if not isinstance(levels, list) or not all(isinstance(level, str) for level in levels) or len(set(levels)) != len(levels) or not levels:
            raise ValueError(f'the levels of {name} must be texts, each once')
        return CategoryColumn(name, tuple(levels))
    if described['kind'] != 'number':
        raise ValueError(f'{name} has the kind {described["kind"]!r}; expected number or category')
    low, high = described['minimum'], described['maximum']
    if isinstance(low, bool) or isinstance(high, bool) or not isinstance(low, int | float) or not isinstance(high, int | float) or not low <= high:
        raise ValueError(f'{name}: minimum and maximum must be numbers in order')
    return NumberColumn(name, low, high, described.get('missing') is True, described.get('whole') is True)


def columns_of(described: object) -> tuple[Column, ...]:
    """Columns from a JSON list, names unique. Raises ValueError, KeyError or TypeError."""
    if not isinstance(described, list):
        raise TypeError('columns must be a list')
    columns = tuple(column_of(item) for item in described)
    if len({column.name for column in columns}) != len(columns) or not columns:
        raise ValueError('columns must have names of their own')
    return columns


def row_cells(row: Iterable[float], columns: Sequence[Column]) -> list[Cell]:
    """A row of numbers as a caller would write it: texts for categories, None for what is missing, whole numbers without a point."""
    return [_cell(value, column) for value, column in zip(row, columns, strict=True)]


def _cell(value: float, column: Column) -> Cell:
    if math.isnan(value):
        return None
    if isinstance(column, CategoryColumn):
        return column.levels[int(value)]
    return int(value) if float(value).is_integer() else float(value)


def write_schema(path: Path, schema: Schema) -> None:
    """Writes the schema as JSON."""
    path.write_text(json.dumps(schema.to_json(), indent=1, ensure_ascii=False) + '\n', encoding='utf-8')


def read_schema(path: Path) -> Schema:
    """Reads what `write_schema` wrote; fails with `columns-invalid`."""
    try:
        described = parse_json_object(read_text(path, 'the description of the columns'), path.name)
        label = column_of(described['label'])  # type: ignore[arg-type]  # what is no mapping raises TypeError
        classes = described.get('classes', [])
        if not isinstance(label, NumberColumn) or not isinstance(classes, list):
            raise ValueError('the label must be a number, the classes a list')
        return Schema(columns_of(described['columns']), label, tuple(str(item) for item in classes))
    except (KeyError, TypeError, ValueError) as error:
        raise ComponentError('columns-invalid', f'{path.name} describes no table: {type(error).__name__}: {error}') from error
