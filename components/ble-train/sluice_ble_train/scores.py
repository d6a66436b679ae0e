"""Scores of predictions: exact cell, cell among the best five, and distance on the grid in cells.

Ratios are 0..1; a distance of 1 is one cell to the side.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from sluice_ble_train.network import Floats
from sluice_protocol import Slice

TOP = 5


def ranking(probabilities: Floats, count: int = TOP) -> list[list[int]]:
    """Columns of the `count` highest probabilities of each row, best first; equal ones in column order."""
    order: list[list[int]] = np.argsort(-probabilities, axis=1, kind='stable')[:, :count].tolist()
    return order


def distance(first: str, second: str) -> float:
    """Straight-line distance between two cells: the letter is the column, the number the row."""
    return math.hypot(ord(first[0]) - ord(second[0]), int(first[1:]) - int(second[1:]))


def scores(cells: Sequence[str], best: Sequence[Sequence[str]]) -> dict[str, float]:
    """top1, top5 and meanErrorCells of ranked predictions against the true cells (at least one row)."""
    rows = len(cells)
    return {
        'top1': sum(ranked[0] == cell for cell, ranked in zip(cells, best, strict=True)) / rows,
        'top5': sum(cell in ranked for cell, ranked in zip(cells, best, strict=True)) / rows,
        'meanErrorCells': sum(distance(cell, ranked[0]) for cell, ranked in zip(cells, best, strict=True)) / rows,
    }


def slices_by_column(cells: Sequence[str], best: Sequence[Sequence[str]]) -> list[Slice]:
    """The same scores for each column of the grid that has test rows."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, cell in enumerate(cells):
        rows[cell[0]].append(row)
    return [
        Slice(name=f'column={column}', n=len(part), metrics=scores([cells[row] for row in part], [best[row] for row in part]))
        for column, part in sorted(rows.items())
    ]


def majority_share(train_cells: Sequence[str], test_cells: Sequence[str]) -> float:
    """top1 of always answering the most frequent training cell: what a model must beat to be worth anything."""
    counts = Counter(train_cells)
    most = min(counts, key=lambda cell: (-counts[cell], cell))
    return sum(cell == most for cell in test_cells) / len(test_cells)
