"""The parameters of ble-train: their names, defaults and bounds. An unknown name is refused, it is usually a typo.

Defaults are what ../README.md was measured with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from sluice_protocol import ComponentError


@dataclass(frozen=True)
class TrainParams:
    """How to split and train; `seed` fixes split and weights, `testShare` is the wanted share of rows held out."""

    testShare: float = 0.25
    seed: int = 0
    hiddenLayers: tuple[int, ...] = (64,)
    epochs: int = 80
    learningRate: float = 0.01
    batchSize: int = 64
    l2: float = 0.01
    nearDuplicateDbm: int = 2
    goldenRows: int = 32

    def to_json(self) -> dict[str, object]:
        values: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {'hiddenLayers': list(self.hiddenLayers)}


_WHOLE = {
    'seed': (0, 2**31 - 1),
    'epochs': (1, 5000),
    'batchSize': (1, 4096),
    'nearDuplicateDbm': (0, 20),
    'goldenRows': (20, 1000),
}
_FRACTION = {'testShare': (0.05, 0.5), 'learningRate': (1e-6, 1.0), 'l2': (0.0, 10.0)}


def parse_params(given: Mapping[str, object]) -> TrainParams:
    """Checks names, types and bounds; reports every problem at once under the code `params`."""
    problems: list[str] = []
    values: dict[str, object] = {}
    for name, value in given.items():
        if name in _WHOLE:
            values[name] = _whole(name, value, *_WHOLE[name], problems)
        elif name in _FRACTION:
            values[name] = _fraction(name, value, *_FRACTION[name], problems)
        elif name == 'hiddenLayers':
            values[name] = _layers(value, problems)
        else:
            known = ', '.join(item.name for item in fields(TrainParams))
            problems.append(f'{name!r} is not a parameter of ble-train (known: {known})')
    if problems:
        raise ComponentError('params', '; '.join(problems))
    return TrainParams(**values)  # type: ignore[arg-type]  # each value was checked by name above


def _whole(name: str, value: object, low: int, high: int, problems: list[str]) -> int:
    # 80.0 is a whole number too: Kubeflow and YAML turn integers into floats on the way.
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        problems.append(f'{name} is {value!r}, expected a whole number from {low} to {high}')
        return low
    return number


def _fraction(name: str, value: object, low: float, high: float, problems: list[str]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        problems.append(f'{name} is {value!r}, expected a number from {low} to {high}')
        return low
    return float(value)


def _layers(value: object, problems: list[str]) -> tuple[int, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 4:
        problems.append(f'hiddenLayers is {value!r}, expected a list of 1 to 4 layer widths')
        return (1,)
    return tuple(_whole(f'hiddenLayers[{index}]', width, 1, 1024, problems) for index, width in enumerate(value))
