"""Declared parameters: what a component takes, with bounds and defaults; every problem is told at once under the code `params`.

In a graph the shared parameters reach every step, so a component names those of its siblings: they pass, a typo does not.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sluice_protocol.errors import ComponentError


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`. 80.0 is one too: Kubeflow and YAML turn integers into floats on the way."""

    default: int
    low: int
    high: int

    def check(self, value: object) -> int:
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(number, bool) or not isinstance(number, int) or not self.low <= number <= self.high:
            raise ValueError(f'a whole number from {self.low} to {self.high}')
        return number


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`."""

    default: float
    low: float
    high: float

    def check(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(f'a number from {self.low:g} to {self.high:g}')
        return float(value)


@dataclass(frozen=True)
class Text:
    """A text of at most `longest` characters without control characters."""

    default: str
    longest: int = 1000

    def check(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.longest or any(ord(character) < 32 for character in value):
            raise ValueError(f'a text of at most {self.longest} characters in one line')
        return value


Parameter = Whole | Number | Text


def read_params(
    component: str, declared: Mapping[str, Parameter], given: Mapping[str, object], siblings: Collection[str] = ()
) -> dict[str, Any]:
    """The value of every declared parameter; fails with `params`. Names in `siblings` belong to other steps and are left out."""
    problems: list[str] = []
    values: dict[str, Any] = {name: parameter.default for name, parameter in declared.items()}
    for name, value in given.items():
        if name in declared:
            try:
                values[name] = declared[name].check(value)
            except ValueError as error:
                problems.append(f'{name} is {value!r}, expected {error}')
        elif name not in siblings:
            known = ', '.join(declared) or 'none'
            problems.append(f'{name!r} is not a parameter of {component} (known: {known})')
    if problems:
        raise ComponentError('params', '; '.join(problems))
    return values
