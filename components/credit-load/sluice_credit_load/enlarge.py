"""Synthetic enlargement: the rows as they are, then copies of them with small changes, until there are as many as asked for.

For measuring speed, not quality: a copy knows its original (`origins`), so that a split can keep the two on one side.
"""

import numpy as np
from numpy.typing import NDArray

from sluice_credit_load.columns import SCHEMA
from sluice_tabular import Floats, Table

_SPREAD = 0.05
"""Relative standard deviation of what is changed: income, amount, rate."""


def enlarge(table: Table, size: int, seed: int) -> tuple[Table, NDArray[np.int64]]:
    """At least `size` rows (a table that has them stays), with the number of each row's original. The same seed gives the same rows."""
    count = len(table)
    copies = max(0, size - count)
    origins = np.concatenate([np.arange(count), np.arange(copies) % count])
    made = _changed(table.matrix[origins[count:]], np.random.default_rng(seed))
    return Table(np.concatenate([table.matrix, made]), table.labels[origins], table.files), origins


def _changed(rows: Floats, dice: np.random.Generator) -> Floats:
    age, income, amount, rate, share = (
        SCHEMA.place(name) for name in ('person_age', 'person_income', 'loan_amnt', 'loan_int_rate', 'loan_percent_income')
    )
    count = len(rows)
    changed = rows.copy()
    changed[:, age] = np.clip(rows[:, age] + dice.integers(-1, 2, count), 18, 150)
    changed[:, income] = np.maximum(1, np.round(rows[:, income] * (1 + _SPREAD * dice.standard_normal(count))))
    changed[:, amount] = np.maximum(25, np.round(rows[:, amount] * (1 + _SPREAD * dice.standard_normal(count)) / 25) * 25)
    changed[:, rate] = np.clip(np.round(rows[:, rate] * (1 + _SPREAD * dice.standard_normal(count)), 2), 0, 100)
    changed[:, share] = np.clip(np.round(changed[:, amount] / changed[:, income], 2), 0, 1000)
    # Bounded above too: a huge income of the original must not leave the table's bounds.
    for place, column in enumerate(SCHEMA.columns):
        if place in (income, amount):
            changed[:, place] = np.minimum(changed[:, place], getattr(column, 'maximum'))  # noqa: B009 - both are numbers
    return changed
