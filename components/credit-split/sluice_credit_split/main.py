"""The step: `credit.csv` into `train.csv` and `test.csv`, line by line as text; no value is read, so none can change.

Originals are split at random; a copy goes where its original went, or the test would measure memory.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sklearn
from sklearn.model_selection import train_test_split

from sluice_credit_split.params import SplitParams, parse_params
from sluice_protocol import DATASET, ComponentError, Outcome, StepArguments, TypedOutput, file_digest

TABLE, TRAIN, TEST, COLUMNS = 'credit.csv', 'train.csv', 'test.csv', 'columns.json'
ORIGIN = 'origin'
MIN_ROWS = 100


def split_step(arguments: StepArguments) -> Outcome:
    """Input `data`: the folder of credit-load."""
    params = parse_params(arguments.params)
    folder = arguments.input('data')
    table = folder / TABLE
    if not table.is_file() or not (folder / COLUMNS).is_file():
        raise ComponentError('data-missing', f'input data: {folder.name} holds no {TABLE} and {COLUMNS}; give the folder of credit-load')
    origins = np.fromiter(_origins(table), dtype=np.int64)
    held_out, rows = _held_out(origins, params)
    leaked = _leaked(table, held_out, rows)
    lines = _write(table, arguments.out, held_out)
    shutil.copyfile(folder / COLUMNS, arguments.out / COLUMNS)
    files = [file_digest(arguments.out / name) for name in (TRAIN, TEST, COLUMNS)]
    return Outcome(
        metrics={'rows': len(origins), 'originalRows': rows, 'trainRows': lines[0], 'testRows': lines[1], 'leakedRows': leaked},
        params={'testShare': params.testShare, 'seed': params.seed},
        artifacts=files,
        packages={'numpy': np.__version__, 'scikit-learn': sklearn.__version__},
        outputs={
            'train': TypedOutput(DATASET, TRAIN, {'rows': lines[0]}),
            'test': TypedOutput(DATASET, TEST, {'rows': lines[1]}),
        },
    )


def _lines(table: Path) -> Iterator[str]:
    """Lines of the table. credit-load writes one row per line, unquoted, with the origin last."""
    with table.open(encoding='utf-8', newline='') as file:
        yield from file


def _origins(table: Path) -> Iterator[int]:
    for number, line in enumerate(_lines(table), start=1):
        last = line.rstrip('\n').rpartition(',')[2]
        if number == 1:
            if last != ORIGIN:
                raise ComponentError('data-header', f'{table.name} line 1: the last column is {last!r}, expected {ORIGIN!r}')
        elif not last.isdecimal() or len(last) > 12:
            raise ComponentError('data-value', f'{table.name} line {number}, {ORIGIN}: {last!r} is not a row number')
        else:
            yield int(last)


def _held_out(origins: np.ndarray, params: SplitParams) -> tuple[np.ndarray, int]:  # type: ignore[type-arg]
    """For each row whether it is tested, and how many originals there are.

    Originals are numbered 0, 1, 2, … in the order of the file, which is what the split's shuffle works on.
    """
    rows = int(origins.max()) + 1 if len(origins) else 0
    if rows < MIN_ROWS or not np.array_equal(origins[:rows], np.arange(rows)):
        raise ComponentError('too-few-rows', f'{rows} original rows; at least {MIN_ROWS} are needed, and they must come first')
    _, test = train_test_split(np.arange(rows), test_size=params.testShare, random_state=params.seed)
    tested = np.zeros(rows, dtype=bool)
    tested[test] = True
    return tested[origins], rows


def _leaked(table: Path, held_out: np.ndarray, rows: int) -> int:  # type: ignore[type-arg]
    """How many original test rows are equal to an original training row: duplicates of the source, which a random split parts."""
    lines = _lines(table)
    next(lines)
    originals = [hash(line.rpartition(',')[0]) for _, line in zip(range(rows), lines)]
    tested = held_out[:rows].tolist()
    training = {line for line, test in zip(originals, tested, strict=True) if not test}
    return sum(test and line in training for line, test in zip(originals, tested, strict=True))


def _write(table: Path, out: Path, held_out: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    with (out / TRAIN).open('w', encoding='utf-8', newline='') as train, (out / TEST).open('w', encoding='utf-8', newline='') as test:
        lines = _lines(table)
        header = next(lines)
        train.write(header)
        test.write(header)
        for line, tested in zip(lines, held_out.tolist(), strict=True):
            (test if tested else train).write(line)
    count = int(held_out.sum())
    return len(held_out) - count, count
