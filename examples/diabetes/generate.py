"""Writes the diabetes data set that comes with scikit-learn, for machines without the file: the same numbers, 442 rows, no network.

With more rows than that, more are drawn around them: the same column spreads, a target with the same kind of noise.
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HEADER = ('age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6', 'target')
ROWS = 442
SPREAD = 0.02
"""How far a drawn row is from the one it was drawn from, per column: less than half of a column's own spread."""


def originals() -> list[list[float]]:
    """The data set's rows, the target last."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes()
    return [[*row, target] for row, target in zip(found.data.tolist(), found.target.tolist(), strict=True)]


def generate(rows: int, seed: int) -> Iterator[list[float]]:
    """The first `rows` rows; beyond the originals, drawn ones. The same seed gives the same."""
    dice = random.Random(seed)
    known = originals()
    yield from known[:rows]
    for _ in range(rows - len(known)):
        *values, target = dice.choice(known)
        near = [max(-1.0, min(1.0, value + dice.gauss(0, SPREAD))) for value in values]
        yield [*near, float(max(0, round(target + dice.gauss(0, 15))))]


def main(argv: Sequence[str]) -> int:
    """Writes the CSV; exit 2 for a wrong call, 1 where scikit-learn is missing."""
    parser = argparse.ArgumentParser(prog='generate.py', description="scikit-learn's diabetes data set as CSV.")
    parser.add_argument('--rows', type=int, default=ROWS, help=f'rows without the header, 100 to 1000000 (default {ROWS})')
    parser.add_argument('--seed', type=int, default=1, help='of the rows beyond the data set (default 1)')
    parser.add_argument('--out', type=Path, required=True, help='CSV file to write')
    given = parser.parse_args(argv)
    if not 100 <= given.rows <= 1_000_000:
        parser.error(f'--rows is {given.rows}; expected 100 to 1000000')
    try:
        rows = list(generate(given.rows, given.seed))
        with given.out.open('w', encoding='utf-8', newline='') as file:
            lines = csv.writer(file, lineterminator='\n')
            lines.writerow(HEADER)
            lines.writerows([repr(value) for value in row] for row in rows)
    except ModuleNotFoundError as error:
        print(f'generate.py: {sys.executable} has no module {error.name!r}; install scikit-learn', file=sys.stderr)
        return 1
    except OSError as error:
        print(f'generate.py: {given.out} cannot be written: {error.strerror}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
