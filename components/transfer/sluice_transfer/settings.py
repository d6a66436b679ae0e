"""How patient a transfer is: attempts, pauses and timeouts, with bounds. From `--params` or `--params-json`.

An unknown name is refused, it is usually a typo.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_protocol import ComponentError


@dataclass(frozen=True)
class Patience:
    """`idleSeconds`: longest silence of the other side; `fileSeconds`: longest time for one attempt at one file."""

    attempts: int = 4
    backoffSeconds: float = 0.5
    idleSeconds: float = 60.0
    fileSeconds: float = 900.0


_BOUNDS = {'attempts': (1, 20), 'backoffSeconds': (0, 60), 'idleSeconds': (0.1, 600), 'fileSeconds': (1, 86_400)}


def parse_patience(params: Mapping[str, object]) -> Patience:
    """Checks names and bounds; fails with code `params`."""
    values: dict[str, float] = {}
    for name, value in params.items():
        bounds = _BOUNDS.get(name)
        if bounds is None:
            raise ComponentError('params', f'{name!r} is not a parameter of transfer (known: {", ".join(_BOUNDS)})')
        if isinstance(value, bool) or not isinstance(value, int | float) or not bounds[0] <= value <= bounds[1]:
            raise ComponentError('params', f'{name} is {value!r}, expected a number from {bounds[0]} to {bounds[1]}')
        values[name] = value
    attempts = values.pop('attempts', Patience.attempts)
    if attempts != int(attempts):
        raise ComponentError('params', f'attempts is {attempts}, expected a whole number')
    return Patience(attempts=int(attempts), **values)
