"""From raw rows to model features: median for what is missing, Yeo-Johnson power and scale, one column per level.

Training and serving call the same `transform`, so they cannot differ; fitting is the training side's affair. JSON: `sluice-preprocessing/1`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice_tabular.columns import CategoryColumn, Column, columns_of

FORMAT = 'sluice-preprocessing/1'
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Median:
    """What is missing becomes the median of the training rows."""

    column: str
    value: float


@dataclass(frozen=True)
class Power:
    """Yeo-Johnson with `exponent`, then (x − mean) ÷ scale."""

    column: str
    exponent: float
    mean: float
    scale: float


@dataclass(frozen=True)
class OneHot:
    """A feature per level that the training rows had; any other level is all zeros."""

    column: str
    levels: tuple[str, ...]


Transform = Median | Power | OneHot


def yeo_johnson(values: Floats, exponent: float) -> Floats:
    """The Yeo-Johnson transform (Biometrika 87, 2000), which takes negative numbers too."""
    found = np.empty_like(values)
    positive = values >= 0
    if abs(exponent) < 1e-15:
        found[positive] = np.log1p(values[positive])
    else:
        found[positive] = (np.power(values[positive] + 1, exponent) - 1) / exponent
    if abs(exponent - 2) < 1e-15:
        found[~positive] = -np.log1p(-values[~positive])
    else:
        found[~positive] = -(np.power(1 - values[~positive], 2 - exponent) - 1) / (2 - exponent)
    return found


@dataclass(frozen=True)
class Preprocessing:
    """Raw columns and what becomes of each, in the order of the features."""

    columns: tuple[Column, ...]
    transforms: tuple[Transform, ...]

    def features(self) -> tuple[str, ...]:
        """Feature names: `loan_int_rate`, `loan_grade=A`."""
        return tuple(
            name
            for one in self.transforms
            for name in ([f'{one.column}={level}' for level in one.levels] if isinstance(one, OneHot) else [one.column])
        )

    def transform(self, matrix: Floats) -> Floats:
        """Raw rows (categories as numbers of levels, NaN for missing) → features."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        parts: list[Floats] = []
        for one in self.transforms:
            values = matrix[:, places[one.column]]
            if isinstance(one, Median):
                parts.append(np.where(np.isnan(values), one.value, values)[:, None])
            elif isinstance(one, Power):
                parts.append(((yeo_johnson(values, one.exponent) - one.mean) / one.scale)[:, None])
            else:
                levels = _levels(self.columns[places[one.column]])
                codes = np.array([levels.index(level) for level in one.levels], dtype=np.float64)
                parts.append((values[:, None] == codes[None, :]).astype(np.float64))
        return np.hstack(parts)

    def to_json(self) -> dict[str, object]:
        return {
            'format': FORMAT,
            'columns': [column.to_json() for column in self.columns],
            'transforms': [_transform_json(one) for one in self.transforms],
        }

    @staticmethod
    def from_json(described: Mapping[str, object]) -> 'Preprocessing':
        """Raises ValueError, KeyError or TypeError where the parts do not fit together."""
        if described['format'] != FORMAT:
            raise ValueError(f'format {described["format"]!r}; expected {FORMAT}')
        columns = columns_of(described['columns'])
        transforms = described['transforms']
        if not isinstance(transforms, list) or not transforms:
            raise TypeError('transforms must be a list that is not empty')
        found = Preprocessing(columns, tuple(_transform_of(item) for item in transforms))
        by_name = {column.name: column for column in columns}
        for one in found.transforms:
            column = by_name[one.column]
            if isinstance(one, OneHot) != isinstance(column, CategoryColumn):
                raise ValueError(f'{one.column}: levels belong to categories, numbers to the other transforms')
            if isinstance(one, OneHot) and not set(one.levels) <= set(_levels(column)):
                raise ValueError(f'{one.column}: a level that the column does not have')
        return found

    def to_text(self) -> str:
        """The JSON as it is written to files."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + '\n'


def _levels(column: Column) -> tuple[str, ...]:
    return column.levels if isinstance(column, CategoryColumn) else ()


def _transform_json(one: Transform) -> dict[str, object]:
    if isinstance(one, Median):
        return {'kind': 'median', 'column': one.column, 'value': one.value}
    if isinstance(one, Power):
        return {'kind': 'yeo-johnson', 'column': one.column, 'exponent': one.exponent, 'mean': one.mean, 'scale': one.scale}
    return {'kind': 'one-hot', 'column': one.column, 'levels': list(one.levels)}


def _transform_of(described: Mapping[str, object]) -> Transform:
    column = described['column']
    if not isinstance(column, str):
        raise TypeError('a transform names no column')
    if described['kind'] == 'median':
        return Median(column, _finite(described['value']))
    if described['kind'] == 'yeo-johnson':
        power = Power(column, _finite(described['exponent']), _finite(described['mean']), _finite(described['scale']))
        if power.scale <= 0:
            raise ValueError(f'{column}: scale must be above 0')
        return power
    levels = described['levels']
    if described['kind'] != 'one-hot' or not isinstance(levels, list) or len(set(levels)) != len(levels):
        raise ValueError(f'{column}: expected median, yeo-johnson or one-hot, levels each once')
    return OneHot(column, tuple(str(level) for level in levels))


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f'{value!r} is no finite number')
    return float(value)
