"""Makes readings like those of the public BLE data set, for machines that do not have it: same columns, formats and traps.

Radio model: log-distance path loss with shadowing, 13 beacons over 105 cells, -200 for a beacon that was not heard.
"""

import argparse
import csv
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = 'EFGHIJKLMNOPQRS'
ROWS = range(1, 8)
CELL_METRES = 3.0
NOT_HEARD = -200
HEADER = ('location', 'date', *(f'b3{number:03d}' for number in range(1, 14)))

# Beacons as (column, row) on the same grid, spread as a person would hang them.
BEACONS = ((0, 2), (1, 6), (3, 4), (4, 1), (5, 6), (7, 3), (7, 7), (9, 1), (10, 5), (11, 7), (12, 2), (13, 5), (14, 7))
DBM_AT_ONE_METRE = -60.0
LOSS_EXPONENT = 2.2
SHADOWING_DBM = 4.0
"""Walls and shelves: differs from cell to cell, and is the same whenever somebody stands there."""
FADING_DBM = 2.0
"""People and the way a phone is held: differs from scan to scan."""
FLOOR_DBM = -83.0
CERTAIN_DBM = -68.0
"""A scan never catches a beacon below the floor, always one above the other bound, and some of those between."""

COPY_SHARE = 600 / 1420
COPY_DBM = 2
COPY_DAY = datetime(2016, 10, 18, 11, 15, 21)
WALK_DAYS = (datetime(2016, 10, 4, 10, 2, 9), datetime(2016, 7, 21, 16, 30, 44), datetime(2016, 4, 20, 9, 58, 3))


@dataclass(frozen=True)
class Reading:
    """One scan: the cell the person stood in and the strength of each beacon in whole dBm."""

    cell: str
    dbm: tuple[int, ...]


def mean_strengths(dice: random.Random) -> dict[str, tuple[float, ...]]:
    """For each cell, how strongly each beacon arrives there on average, in dBm."""
    return {
        f'{letter}{row:02d}': tuple(_path_loss(column - x, row - y) + dice.gauss(0, SHADOWING_DBM) for x, y in BEACONS)
        for column, letter in enumerate(COLUMNS)
        for row in ROWS
    }


def _path_loss(columns: int, rows: int) -> float:
    metres = max(1.0, CELL_METRES * math.hypot(columns, rows))
    return DBM_AT_ONE_METRE - 10 * LOSS_EXPONENT * math.log10(metres)


def scan(means: Sequence[float], dice: random.Random) -> tuple[int, ...]:
    """What the phone hears in a cell. The real file has no silent row: after some tries the strongest beacon is heard."""
    for _ in range(20):
        heard = tuple(_strength(mean, dice) for mean in means)
        if any(value != NOT_HEARD for value in heard):
            return heard
    strongest = max(means)
    return tuple(round(max(mean, FLOOR_DBM)) if mean == strongest else NOT_HEARD for mean in means)


def _strength(mean: float, dice: random.Random) -> int:
    dbm = mean + dice.gauss(0, FADING_DBM)
    caught = dice.random() < (dbm - FLOOR_DBM) / (CERTAIN_DBM - FLOOR_DBM)
    return round(min(dbm, -45.0)) if caught else NOT_HEARD


def walk(count: int, dice: random.Random) -> list[Reading]:
    """Readings of a person who visits the cells in random order and stands in each for a few scans."""
    means = mean_strengths(dice)
    cells = sorted(means)
    readings: list[Reading] = []
    while len(readings) < count:
        dice.shuffle(cells)
        for cell in cells:
            readings.extend(Reading(cell, scan(means[cell], dice)) for _ in range(dice.randint(2, 13)))
    return readings[:count]


def near_copy(reading: Reading, dice: random.Random) -> Reading:
    """The same scan with each heard strength moved by at most two dBm: the trap that the real file holds."""
    return Reading(
        reading.cell,
        tuple(value if value == NOT_HEARD else value + dice.randint(-COPY_DBM, COPY_DBM) for value in reading.dbm),
    )


def dated(readings: Sequence[Reading], last: datetime) -> Iterator[tuple[str, Reading]]:
    """Newest first, two seconds apart, month and day and hour without leading zeros, as in the real file."""
    for index, reading in enumerate(readings):
        at = last - timedelta(seconds=2 * index)
        yield f'{at.month}-{at.day}-{at.year} {at.hour}:{at.minute:02d}:{at.second:02d}', reading


def generate(rows: int, seed: int) -> Iterator[tuple[str, Reading]]:
    """`rows` dated readings, the copies first; the same seed gives the same rows."""
    dice = random.Random(seed)
    copies = round(rows * COPY_SHARE)
    originals = walk(rows - copies, dice)
    yield from dated([near_copy(dice.choice(originals), dice) for _ in range(copies)], COPY_DAY)
    share = math.ceil(len(originals) / len(WALK_DAYS))
    for day, last in enumerate(WALK_DAYS):
        yield from dated(originals[day * share : (day + 1) * share], last)


def main(argv: Sequence[str]) -> int:
    """Writes the CSV; exit 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog='generate.py', description='Readings like the public BLE data set, by a radio model.')
    parser.add_argument('--rows', type=int, default=1420, help='rows without the header, 100 to 1000000 (default 1420)')
    parser.add_argument('--seed', type=int, default=1, help='the same seed gives the same file (default 1)')
    parser.add_argument('--out', type=Path, required=True, help='CSV file to write')
    given = parser.parse_args(argv)
    if not 100 <= given.rows <= 1_000_000:
        parser.error(f'--rows is {given.rows}; expected 100 to 1000000')
    try:
        with given.out.open('w', encoding='utf-8', newline='') as file:
            lines = csv.writer(file, lineterminator='\n')
            lines.writerow(HEADER)
            lines.writerows([reading.cell, date, *reading.dbm] for date, reading in generate(given.rows, given.seed))
    except OSError as error:
        print(f'generate.py: {given.out} cannot be written: {error.strerror}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
