"""The step around the parts: gold or URL in, `credit.csv` and `columns.json` out."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sluice_credit_load.columns import SCHEMA
from sluice_credit_load.download import check_allowed, download
from sluice_credit_load.enlarge import enlarge
from sluice_credit_load.params import LoadParams, parse_params
from sluice_protocol import DATASET, ComponentError, Outcome, StepArguments, TypedOutput, file_digest
from sluice_tabular import CategoryColumn, Floats, NumberColumn, Table, csv_files, read_table, write_schema

TABLE = 'credit.csv'
COLUMNS = 'columns.json'
ORIGIN = 'origin'
"""Column that says of which row a row is a copy; an original names itself."""
_BLOCK = 50_000


def load_step(arguments: StepArguments) -> Outcome:
    """Input `gold` (a folder of CSV), or the parameter `data_url`."""
    params = parse_params(arguments.params)
    table, source = _from_url(params, arguments.out) if params.dataUrl else _from_gold(arguments)
    larger, origins = enlarge(table, params.dataSize, params.seed)
    _write(arguments.out / TABLE, larger, origins)
    write_schema(arguments.out / COLUMNS, SCHEMA)
    return Outcome(
        metrics={
            'rows': len(larger),
            'syntheticRows': len(larger) - len(table),
            'defaultShare': float(larger.labels.mean()),
            'missingValues': int(np.isnan(table.matrix).sum()),
        },
        params={'data_size': params.dataSize, 'seed': params.seed, 'data_url': params.dataUrl.split('?')[0]},
        artifacts=[file_digest(arguments.out / TABLE), file_digest(arguments.out / COLUMNS)],
        data=source,
        packages={'numpy': np.__version__},
        outputs={'data': TypedOutput(DATASET, TABLE, {'rows': len(larger)})},
    )


def _from_gold(arguments: StepArguments) -> tuple[Table, dict[str, object]]:
    files = csv_files(arguments.input('gold'), 'input gold')
    return read_table(files, SCHEMA), {'source': 'gold', 'files': [file_digest(file).to_json() for file in files]}


def _from_url(params: LoadParams, out: Path) -> tuple[Table, dict[str, object]]:
    check_allowed(params.dataUrl, params.dataUrlAllow, os.environ)
    file = out / 'download.csv'
    try:
        download(params.dataUrl, file)
        return read_table([file], SCHEMA), {'source': params.dataUrl.split('?')[0], 'files': [file_digest(file).to_json()]}
    finally:
        file.unlink(missing_ok=True)


def _write(path: Path, table: Table, origins: NDArray[np.int64]) -> None:
    header = [*(column.name for column in SCHEMA.columns), SCHEMA.label.name, ORIGIN]
    try:
        with path.open('w', encoding='utf-8', newline='') as file:
            lines = csv.writer(file, lineterminator='\n')
            lines.writerow(header)
            for start in range(0, len(table), _BLOCK):
                part = slice(start, start + _BLOCK)
                texts = [_texts(table.matrix[part, place], column) for place, column in enumerate(SCHEMA.columns)]
                labels = _texts(table.labels[part], SCHEMA.label)
                lines.writerows(zip(*texts, labels, origins[part].tolist(), strict=True))
    except OSError as error:
        raise ComponentError('disk', f'{path.name} cannot be written: {error.strerror}') from error


def _texts(values: Floats, column: NumberColumn | CategoryColumn) -> Iterable[str]:
    """The shortest text that reads back as the same number; empty for what is missing."""
    if isinstance(column, CategoryColumn):
        return [column.levels[int(value)] for value in values]
    if column.whole:
        return ['' if value != value else str(int(value)) for value in values.tolist()]
    return ['' if value != value else repr(value) for value in values.tolist()]
