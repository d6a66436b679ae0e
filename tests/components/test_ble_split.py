"""The honest split: groups of near copies never cross it, whatever the data look like."""

import random
from collections import defaultdict

import pytest

from sluice_ble_train.readings import Readings
from sluice_ble_train.split import Split, duplicate_groups, grouped_split, leaked_rows, near, random_split

N = -200


def readings(*rows: tuple[str, tuple[int, ...]]) -> Readings:
    return Readings(cells=tuple(cell for cell, _ in rows), signals=tuple(signal for _, signal in rows), files=('test.csv',))


def some_readings(seed: int, rows: int = 300) -> Readings:
    dice = random.Random(seed)
    return readings(
        *(
            (
                f'{dice.choice("AB")}0{dice.randint(1, 4)}',
                tuple(dice.choice([N, dice.randint(-90, -60)]) if beacon < 3 else N for beacon in range(13)),
            )
            for _ in range(rows)
        )
    )


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        ((-70, N), (-72, N), True),
        ((-70, N), (-73, N), False),
        ((-70, N), (-70, -90), False),
        ((N, N), (N, N), True),
        ((-199, N), (N, -199), False),
        ((-70, -80), (-72, -78), True),
    ],
)
def test_near_means_the_same_beacons_within_the_tolerance(first: tuple[int, ...], second: tuple[int, ...], expected: bool) -> None:
    assert near(first, second, 2) is expected
    assert near(second, first, 2) is expected


def test_copies_of_copies_are_one_group_but_cells_are_not_mixed() -> None:
    rows = readings(('A01', (-70, N)), ('A01', (-74, N)), ('A01', (-72, N)), ('B01', (-70, N)), ('A01', (-80, N)), ('A01', (-70, N)))
    groups = duplicate_groups(rows, 2)
    assert groups[0] == groups[1] == groups[2] == groups[5]
    assert len({groups[0], groups[3], groups[4]}) == 3


@pytest.mark.parametrize('seed', range(8))
def test_groups_are_those_of_comparing_every_pair(seed: int) -> None:
    rows = some_readings(seed)
    groups = duplicate_groups(rows, 2)

    joined: dict[int, set[int]] = {row: {row} for row in range(len(rows))}
    for a in range(len(rows)):
        for b in range(a):
            if rows.cells[a] == rows.cells[b] and near(rows.signals[a], rows.signals[b], 2) and joined[a] is not joined[b]:
                both = joined[a] | joined[b]
                for row in both:
                    joined[row] = both

    by_group: dict[int, set[int]] = defaultdict(set)
    for row, group in enumerate(groups):
        by_group[group].add(row)
    assert {frozenset(group) for group in by_group.values()} == {frozenset(group) for group in joined.values()}


@pytest.mark.parametrize('seed', range(8))
def test_no_group_crosses_and_no_row_leaks(seed: int) -> None:
    rows = some_readings(seed)
    groups = duplicate_groups(rows, 2)
    split = grouped_split(rows, groups, 0.25, seed)

    assert sorted(split.train + split.test) == list(range(len(rows)))
    assert not {groups[row] for row in split.train} & {groups[row] for row in split.test}
    assert {rows.cells[row] for row in split.train} == set(rows.cells)
    assert leaked_rows(rows, split, 2) == 0
    assert 0.1 < len(split.test) / len(rows) <= 0.3
    assert leaked_rows(rows, random_split(len(rows), len(split.test), seed), 2) > 0


def test_the_leak_is_counted_from_readings() -> None:
    rows = readings(('A01', (-70, N)), ('A01', (-72, N)), ('A01', (-75, N)), ('B01', (-72, N)))
    assert leaked_rows(rows, Split(train=(0, 3), test=(1, 2)), 2) == 1
    assert leaked_rows(rows, Split(train=(3,), test=(0, 1, 2)), 2) == 0


def test_a_cell_of_one_group_is_never_tested() -> None:
    rows = readings(*(('A01', (-70, N)),) * 10, *(('B01', (-90 + 5 * number, N)) for number in range(8)))
    split = grouped_split(rows, duplicate_groups(rows, 2), 0.25, 0)
    assert {rows.cells[row] for row in split.test} == {'B01'}


def test_the_split_depends_on_the_seed_only() -> None:
    rows = some_readings(1)
    groups = duplicate_groups(rows, 2)
    assert grouped_split(rows, groups, 0.25, 5) == grouped_split(rows, groups, 0.25, 5)
    assert grouped_split(rows, groups, 0.25, 5) != grouped_split(rows, groups, 0.25, 6)
