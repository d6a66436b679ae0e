"""The step: `train.csv` and `test.csv` into arrays of features, with the fitted transforms beside them."""

import numpy as np
import sklearn

from sluice_credit_preprocess.fit import fit
from sluice_credit_preprocess.params import check_params
from sluice_protocol import DATASET, ComponentError, Outcome, StepArguments, TypedOutput, file_digest
from sluice_tabular import Table, read_schema, read_table, write_npz, write_schema

TRAIN, TEST, COLUMNS = 'train.csv', 'test.csv', 'columns.json'
TRAIN_ARRAYS, TEST_ARRAYS, PREPROCESSING = 'train.npz', 'test.npz', 'preprocessing.json'
ORIGIN = 'origin'


def preprocess_step(arguments: StepArguments) -> Outcome:
    """Input `data`: the folder of credit-split."""
    check_params(arguments.params)
    folder, out = arguments.input('data'), arguments.out
    schema = read_schema(folder / COLUMNS)
    train, test = (read_table([folder / name], schema, (ORIGIN,)) for name in (TRAIN, TEST))
    _both_classes(train, TRAIN)
    _both_classes(test, TEST)
    fitted = fit(schema, train.matrix)
    # XGBoost works in float32; what it gets is what the server will give it.
    write_npz(out / TRAIN_ARRAYS, {'features': fitted.transform(train.matrix).astype('<f4'), 'labels': train.labels.astype('i1')})
    write_npz(
        out / TEST_ARRAYS,
        {'features': fitted.transform(test.matrix).astype('<f4'), 'labels': test.labels.astype('i1'), 'raw': test.matrix.astype('<f8')},
    )
    (out / PREPROCESSING).write_text(fitted.to_text(), encoding='utf-8')
    write_schema(out / COLUMNS, schema)
    return Outcome(
        metrics={
            'trainRows': len(train),
            'testRows': len(test),
            'features': len(fitted.features()),
            'imputedValues': int(np.isnan(train.matrix).sum() + np.isnan(test.matrix).sum()),
        },
        params={},
        artifacts=[file_digest(out / name) for name in (TRAIN_ARRAYS, TEST_ARRAYS, PREPROCESSING, COLUMNS)],
        data={'features': list(fitted.features())},
        packages={'numpy': np.__version__, 'scikit-learn': sklearn.__version__},
        outputs={
            'train': TypedOutput(DATASET, TRAIN_ARRAYS, {'rows': len(train)}),
            'test': TypedOutput(DATASET, TEST_ARRAYS, {'rows': len(test)}),
        },
    )


def _both_classes(table: Table, name: str) -> None:
    if len(np.unique(table.labels)) < 2:
        raise ComponentError('one-class', f'{name}: all {len(table)} rows have the same loan_status; a model needs rows of both')
