"""Fits the transforms on training rows: median, Yeo-Johnson and scale, levels. scikit-learn finds the exponents.

The order of the features is that of the published pipeline: what is imputed, what is transformed, what is one-hot encoded.
"""

import warnings

import numpy as np
from sklearn.preprocessing import PowerTransformer

from sluice_protocol import ComponentError
from sluice_tabular import CategoryColumn, Floats, Median, OneHot, Power, Preprocessing, Schema, yeo_johnson

IMPUTED = ('loan_int_rate', 'person_emp_length', 'cb_person_cred_hist_length')
TRANSFORMED = ('person_age', 'person_income', 'loan_amnt', 'loan_percent_income')


def fit(schema: Schema, matrix: Floats) -> Preprocessing:
    """Transforms for the columns of the schema, from training rows and nothing else."""
    names = {column.name for column in schema.columns}
    absent = [name for name in (*IMPUTED, *TRANSFORMED) if name not in names]
    if absent:
        raise ComponentError('columns-invalid', f'the table has no column {", ".join(absent)}')
    medians = [Median(name, _median(name, matrix[:, schema.place(name)])) for name in IMPUTED]
    powers = [_power(name, matrix[:, schema.place(name)]) for name in TRANSFORMED]
    levels = [
        OneHot(column.name, tuple(level for code, level in enumerate(column.levels) if np.any(matrix[:, place] == code)))
        for place, column in enumerate(schema.columns)
        if isinstance(column, CategoryColumn)
    ]
    return Preprocessing(schema.columns, (*medians, *powers, *levels))


def _median(name: str, values: Floats) -> float:
    present = values[~np.isnan(values)]
    if len(present) == 0:
        raise ComponentError('too-few-values', f'{name}: every training row lacks it, so there is no median')
    return float(np.median(present))


def _power(name: str, values: Floats) -> Power:
    with warnings.catch_warnings():
        # A constant column makes the search warn; it is refused by its own name below.
        warnings.simplefilter('ignore', RuntimeWarning)
        exponent = float(PowerTransformer(method='yeo-johnson', standardize=False).fit(values[:, None]).lambdas_[0])
    transformed = yeo_johnson(values, exponent)
    scale = float(transformed.std())
    if not np.isfinite(scale) or scale <= 0:
        raise ComponentError('constant-column', f'{name}: all training rows have the same value, which cannot be scaled')
    return Power(name, exponent, float(transformed.mean()), scale)
