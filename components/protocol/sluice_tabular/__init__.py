"""Tables for training and serving: described columns, strict reading, transforms that both sides share. Needs numpy.

Inside, a row is numbers: a category is the number of its level, a missing value is NaN. `row_cells` gives it back as a caller writes it.
"""

from sluice_tabular.arrays import read_npz, write_npz
from sluice_tabular.columns import CategoryColumn, Column, NumberColumn, Schema, read_schema, row_cells, write_schema
from sluice_tabular.preprocessing import Median, OneHot, Power, Preprocessing, Transform, yeo_johnson
from sluice_tabular.table import Floats, Table, csv_files, read_table

__all__ = [
    'CategoryColumn',
    'Column',
    'Floats',
    'Median',
    'NumberColumn',
    'OneHot',
    'Power',
    'Preprocessing',
    'Schema',
    'Table',
    'Transform',
    'csv_files',
    'read_npz',
    'read_schema',
    'read_table',
    'row_cells',
    'write_npz',
    'write_schema',
    'yeo_johnson',
]
