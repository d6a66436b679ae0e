"""What rows must satisfy besides their types: the parameter `checks`, e.g. `location ~ [A-Z][0-9]{2}; b3* in -200..0`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sluice_csv_refine.values import Check
from sluice_protocol import ComponentError

_NUMBER = r'-?[0-9]+(?:\.[0-9]+)?'
_MATCH = re.compile(r'(?P<names>[A-Za-z_][A-Za-z0-9_]*\*?) *~ *(?P<pattern>.+)')
_RANGE = re.compile(rf'(?P<names>[A-Za-z_][A-Za-z0-9_]*\*?) +in +(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})')


@dataclass(frozen=True)
class Rule:
    """A check of one column; `name` says which in the report."""

    name: str
    column: int
    holds: Check


def parse_rules(text: str, columns: Sequence[str]) -> list[Rule]:
    """The rules of a text with semicolons between them, each for one column or those that begin alike; fails with `params`."""
    rules: list[Rule] = []
    for part in filter(None, (one.strip() for one in text.split(';'))):
        found = _RANGE.fullmatch(part) or _MATCH.fullmatch(part)
        if found is None:
            raise ComponentError('params', f'checks: {part!r} is neither NAME ~ PATTERN nor NAME in LOW..HIGH')
        wanted = found['names']
        chosen = [name for name in columns if (name.startswith(wanted[:-1]) if wanted.endswith('*') else name == wanted)]
        if not chosen:
            raise ComponentError('params', f'checks: {wanted!r} is no declared column (declared: {", ".join(columns)})')
        kind = 'match' if 'pattern' in found.groupdict() else 'range'
        holds = _matches(found['pattern']) if kind == 'match' else _within(float(found['low']), float(found['high']))
        rules.extend(Rule(f'{kind}:{name}', columns.index(name), holds) for name in chosen)
    return rules


def _matches(pattern: str) -> Check:
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error as error:
        raise ComponentError('params', f'checks: {pattern!r} is no pattern: {error}') from error
    return lambda text: compiled.fullmatch(text) is not None


def _within(low: float, high: float) -> Check:
    def holds(text: str) -> bool:
        try:
            return low <= float(text) <= high
        except ValueError:
            return False

    return holds
