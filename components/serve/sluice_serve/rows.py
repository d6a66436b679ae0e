"""Checks input rows: shape, finiteness, bounds and levels of each column. The message names row, column and what was expected.

Every dialect ends here, so that the same bad row gets the same answer everywhere. A row is a list of values, or an object of values by
column. A category is given as its text, or as the number of its level, which is how golden rows of older reports hold it; what may be missing
is null, or left out of an object. Out come numbers only: levels, and NaN for missing.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence

from sluice_serve.exchange import BadRequest
from sluice_serve.model import Model
from sluice_tabular import CategoryColumn, Column

_MAX_NAMES = 20
_NUMBER = re.compile(r'[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?')


def parse_json(body: bytes) -> dict[str, object]:
    """A JSON object without NaN or Infinity."""

    def refuse(name: str) -> object:
        raise BadRequest(f'the body holds {name}, which JSON does not have')

    try:
        value = json.loads(body.decode('utf-8'), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise BadRequest(f'the body is not UTF-8 (byte {error.start})') from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f'the body is not JSON: {error}') from error
    if not isinstance(value, dict):
        raise BadRequest(f'the body must be a JSON object, found {type(value).__name__}')
    return value


def from_text(text: str) -> object:
    """A field of CSV: the number, nothing for an empty one, or the text itself (`float` alone takes `1_0` and `nan`). The check judges all three."""
    plain = text.strip()
    if plain == '':
        return None
    return float(plain) if _NUMBER.fullmatch(plain) else text


def check_rows(rows: object, model: Model, limit: int, what: str) -> list[list[float]]:
    """Rows as wide as the model's input; `what` names them in errors, e.g. `instances`."""
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f'{what} must be a list of rows that is not empty')
    if len(rows) > limit:
        raise BadRequest(f'{what} has {len(rows)} rows; at most {limit} are answered at once', code='too-many-rows', status=413)
    return [_row(row, model.features, f'{what}[{index}]') for index, row in enumerate(rows)]


def _row(row: object, features: Sequence[Column], where: str) -> list[float]:
    if isinstance(row, dict):
        return _named(row, features, where)
    if not isinstance(row, list):
        raise BadRequest(f'{where} must be a list of {len(features)} {_kind(features)}, found {type(row).__name__}')
    if len(row) != len(features):
        raise BadRequest(f'{where} has {len(row)} values; expected {len(features)}: {features[0].name} to {features[-1].name}')
    return [_value(value, feature, f'{where}[{column}]') for column, (value, feature) in enumerate(zip(row, features, strict=True))]


def _named(row: Mapping[str, object], features: Sequence[Column], where: str) -> list[float]:
    names = [feature.name for feature in features]
    if unknown := [name for name in row if name not in names]:
        raise BadRequest(f'{where} has the unknown column {unknown[0][:80]!r}; this model takes {_listed(names)}')
    # Only what may be missing may be left out: the check of its value says so.
    return [_value(row.get(feature.name), feature, where) for feature in features]


def _listed(names: Sequence[str]) -> str:
    return ', '.join(names) if len(names) <= _MAX_NAMES else f'{", ".join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES} more'


def _kind(features: Sequence[Column]) -> str:
    return 'values' if any(isinstance(feature, CategoryColumn) for feature in features) else 'numbers'


def _value(value: object, feature: Column, where: str) -> float:
    if isinstance(feature, CategoryColumn):
        return _level(value, feature, where)
    if value is None and feature.missing:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f'{where} ({feature.name}) is {_shown(value)}, not a number')
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not feature.minimum <= number <= feature.maximum:
        raise BadRequest(f'{where} ({feature.name}) is {number:g}; allowed is {feature.minimum:g} to {feature.maximum:g}')
    return number


def _level(value: object, feature: CategoryColumn, where: str) -> float:
    if isinstance(value, str) and value in feature.levels:
        return float(feature.levels.index(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and value in range(len(feature.levels)):
        return float(value)
    raise BadRequest(f'{where} ({feature.name}) is {_shown(value)}; allowed is {", ".join(feature.levels)} (or its number from 0)')


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else f'{text[:40]}…'
