"""The honest split: readings that are near copies of each other stay on one side, so that the test is a test.

Two rows are near copies when they name the same cell, hear the same beacons, and differ by at most a few dBm on each.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice_ble_train.readings import NOT_HEARD, Readings

Signal = tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Row numbers of the training and of the test part, both sorted."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def near(first: Signal, second: Signal, tolerance: int) -> bool:
    """Whether two readings hear the same beacons, each within `tolerance` dBm."""
    return all(
        (a == NOT_HEARD) == (b == NOT_HEARD) and abs(a - b) <= tolerance for a, b in zip(first, second, strict=True)
    )


def duplicate_groups(readings: Readings, tolerance: int) -> tuple[int, ...]:
    """A group number per row: near copies of near copies share one, so that no chain crosses the split."""
    parent = list(range(len(readings)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second in _near_pairs(readings, tolerance):
        a, b = root(first), root(second)
        if a != b:
            parent[max(a, b)] = min(a, b)
    return tuple(root(row) for row in range(len(readings)))


def _near_pairs(readings: Readings, tolerance: int) -> Iterator[tuple[int, int]]:
    """Pairs enough to join every group. Rows are sorted by one heard beacon, so only a narrow window is compared."""
    buckets: dict[tuple[str, tuple[bool, ...]], dict[Signal, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (cell, signal) in enumerate(zip(readings.cells, readings.signals, strict=True)):
        buckets[cell, _heard(signal)][signal].append(row)
    for (_, heard), rows_by_signal in buckets.items():
        for same in rows_by_signal.values():
            for row in same[1:]:
                yield same[0], row
        axis = heard.index(True) if True in heard else 0
        ordered = sorted(rows_by_signal, key=lambda signal: signal[axis])
        for index, signal in enumerate(ordered):
            for other in ordered[index + 1 :]:
                if other[axis] - signal[axis] > tolerance:
                    break
                if near(signal, other, tolerance):
                    yield rows_by_signal[signal][0], rows_by_signal[other][0]


def grouped_split(readings: Readings, groups: Sequence[int], share: float, seed: int) -> Split:
    """Holds out whole groups, cell by cell, up to `share` of each cell's rows.

    Every cell keeps at least one group for training; a cell that is a single group cannot be tested honestly and is not.
    """
    random = np.random.default_rng(seed)
    members: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (cell, group) in enumerate(zip(readings.cells, groups, strict=True)):
        members[cell][group].append(row)
    test: list[int] = []
    for cell in sorted(members):
        rows_by_group = members[cell]
        names = sorted(rows_by_group)
        shuffled = [names[index] for index in random.permutation(len(names))]
        wanted = share * sum(len(rows) for rows in rows_by_group.values()) + 0.5
        held = 0
        for group in shuffled[1:]:
            rows = rows_by_group[group]
            if held + len(rows) <= wanted:
                test.extend(rows)
                held += len(rows)
    return _split(len(readings), test)


def random_split(count: int, test_rows: int, seed: int) -> Split:
    """The naive split: rows drawn at random, copies on both sides. Measured only to show how much it flatters."""
    return _split(count, np.random.default_rng(seed).permutation(count)[:test_rows].tolist())


def leaked_rows(readings: Readings, split: Split, tolerance: int) -> int:
    """How many test rows have a near copy among the training rows; counted from the readings, not from the groups."""
    training: dict[tuple[str, tuple[bool, ...]], set[Signal]] = defaultdict(set)
    for row in split.train:
        training[readings.cells[row], _heard(readings.signals[row])].add(readings.signals[row])
    return sum(
        any(near(readings.signals[row], other, tolerance) for other in training[readings.cells[row], _heard(readings.signals[row])])
        for row in split.test
    )


def _heard(signal: Signal) -> tuple[bool, ...]:
    return tuple(value != NOT_HEARD for value in signal)


def _split(count: int, test: Sequence[int]) -> Split:
    held = set(test)
    return Split(train=tuple(row for row in range(count) if row not in held), test=tuple(sorted(held)))
