"""Tables and transforms: strict reading, scikit-learn's own results, JSON that comes back whole, arrays without pickles."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, PowerTransformer

from sluice_protocol import ComponentError
from sluice_tabular import (
    CategoryColumn,
    Median,
    NumberColumn,
    OneHot,
    Power,
    Preprocessing,
    Schema,
    csv_files,
    read_npz,
    read_schema,
    read_table,
    write_npz,
    write_schema,
    yeo_johnson,
)

SCHEMA = Schema(
    (NumberColumn('age', 0, 150, whole=True), NumberColumn('rate', 0, 100, missing=True), CategoryColumn('home', ('OWN', 'RENT'))),
    NumberColumn('status', 0, 1, whole=True),
    ('good', 'bad'),
)
HEADER = 'age,rate,home,status\n'


def test_rows_become_numbers_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / 'part-1.csv').write_text('status,home,rate,age\n0,OWN,,40\n')
    (tmp_path / 'part-0.csv').write_text('\ufeff' + HEADER + '22,16.02,RENT,1\n21,11,OWN,0\n')

    table = read_table(csv_files(tmp_path, 'gold'), SCHEMA)

    assert table.files == ('part-0.csv', 'part-1.csv')
    assert np.array_equal(table.matrix, [[22, 16.02, 1], [21, 11, 0], [40, np.nan, 0]], equal_nan=True)
    assert table.labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ('text', 'code', 'told'),
    [
        ('', 'gold-empty', 'empty'),
        (HEADER, 'gold-empty', 'no row'),
        ('age,rate,home\n1,2,OWN\n', 'gold-header', 'missing status'),
        ('age,rate,home,status,extra\n', 'gold-header', "unknown 'extra'"),
        ('age,rate,home,status,age\n', 'gold-header', 'a name twice'),
        (HEADER + '1,2,OWN\n', 'gold-row', 'line 2: 3 values'),
        (HEADER + '1,2,OWN,0\n151,2,OWN,0\n', 'gold-value', "line 3, age: '151' is not a whole number from 0 to 150"),
        (HEADER + '1.5,2,OWN,0\n', 'gold-value', "age: '1.5' is not a whole number"),
        (HEADER + ',2,OWN,0\n', 'gold-value', "age: '' is not"),
        (HEADER + 'x,2,OWN,0\n', 'gold-value', "age: 'x' is not"),
        (HEADER + '1_0,2,OWN,0\n', 'gold-value', "age: '1_0' is not"),
        (HEADER + '1,nan,OWN,0\n', 'gold-value', "rate: 'nan' is not a number from 0 to 100 (or empty)"),
        (HEADER + '1,inf,OWN,0\n', 'gold-value', "rate: 'inf'"),
        (HEADER + '1,2,own,0\n', 'gold-value', "home: 'own' is not one of OWN, RENT"),
        (HEADER + '1,2,OWN,2\n', 'gold-value', "status: '2'"),
        (HEADER + '1,2,"OWN,0\n', 'gold-csv', 'line 2'),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, code: str, told: str) -> None:
    (tmp_path / 'gold.csv').write_text(text)
    with pytest.raises(ComponentError) as caught:
        read_table([tmp_path / 'gold.csv'], SCHEMA)
    assert (caught.value.code, told in caught.value.message) == (code, True), caught.value.message


def test_a_bad_value_far_down_has_its_own_line_number(tmp_path: Path) -> None:
    lines = [f'{number % 90},1,OWN,0\n' for number in range(45_000)]
    lines[44_000] = '1,1,RENT,9\n'
    (tmp_path / 'gold.csv').write_text(HEADER + ''.join(lines))
    with pytest.raises(ComponentError, match='line 44002, status'):
        read_table([tmp_path / 'gold.csv'], SCHEMA)


def test_a_folder_without_tables_and_a_file_of_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match='holds no'):
        csv_files(tmp_path, 'input gold')
    (tmp_path / 'gold.csv').write_bytes(b'age\xff')
    with pytest.raises(ComponentError, match='not UTF-8'):
        read_table([tmp_path / 'gold.csv'], SCHEMA)


def test_a_schema_comes_back_from_its_file(tmp_path: Path) -> None:
    write_schema(tmp_path / 'columns.json', SCHEMA)
    assert read_schema(tmp_path / 'columns.json') == SCHEMA


@pytest.mark.parametrize('change', ['{}', '{"columns": [], "label": {"name": "x", "kind": "number", "minimum": 0, "maximum": 1}}', '{"columns": 3}'])
def test_a_file_that_describes_no_table_is_refused(tmp_path: Path, change: str) -> None:
    (tmp_path / 'columns.json').write_text(change)
    with pytest.raises(ComponentError) as caught:
        read_schema(tmp_path / 'columns.json')
    assert caught.value.code == 'columns-invalid'


def matrix(rows: int = 200) -> np.ndarray:  # type: ignore[type-arg]
    dice = random.Random(4)
    return np.array(
        [[dice.randint(18, 90), dice.choice([np.nan, dice.lognormvariate(2, 1)]), dice.randint(0, 1)] for _ in range(rows)], dtype=np.float64
    )


PREPROCESSING = Preprocessing(
    SCHEMA.columns, (Median('rate', 10.99), Power('age', -0.4, 1.7, 0.02), OneHot('home', ('OWN', 'RENT')))
)


def test_transforms_are_those_of_scikit_learn() -> None:
    raw = matrix()
    power = PowerTransformer().fit(raw[:, :1])
    shifted = PowerTransformer(standardize=False).fit_transform(raw[:, :1] - 50)
    exponent = float(PowerTransformer(standardize=False).fit(raw[:, :1] - 50).lambdas_[0])
    fitted = yeo_johnson(raw[:, 0], float(power.lambdas_[0]))
    ours = Preprocessing(
        SCHEMA.columns, (Power('age', float(power.lambdas_[0]), float(fitted.mean()), float(fitted.std())), OneHot('home', ('OWN', 'RENT')))
    ).transform(raw)

    assert np.allclose(ours[:, 0], power.transform(raw[:, :1])[:, 0], atol=1e-9)
    assert np.allclose(yeo_johnson(raw[:, 0] - 50, exponent), shifted[:, 0], atol=1e-9)  # negative numbers too
    assert np.array_equal(ours[:, 1:], OneHotEncoder().fit_transform(raw[:, 2:]).toarray())


@pytest.mark.parametrize('exponent', [0.0, 2.0, 1.0])
def test_the_exponents_with_formulas_of_their_own(exponent: float) -> None:
    values = np.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    expected = {
        0.0: [-(4**2 - 1) / 2, -(1.5**2 - 1) / 2, 0, np.log(1.5), np.log(4)],
        2.0: [-np.log(4), -np.log(1.5), 0, (1.5**2 - 1) / 2, (4**2 - 1) / 2],
        1.0: [-3, -0.5, 0, 0.5, 3],
    }[exponent]
    assert np.allclose(yeo_johnson(values, exponent), expected)


def test_missing_values_and_levels_that_training_never_saw() -> None:
    found = Preprocessing(SCHEMA.columns, (Median('rate', 7.5), OneHot('home', ('RENT',)))).transform(np.array([[30, np.nan, 0.0], [30, 3.0, 1.0]]))
    assert found.tolist() == [[7.5, 0.0], [3.0, 1.0]]


def test_transforms_come_back_from_their_json() -> None:
    again = Preprocessing.from_json(json.loads(PREPROCESSING.to_text()))
    assert again == PREPROCESSING
    assert again.features() == ('rate', 'age', 'home=OWN', 'home=RENT')
    assert np.array_equal(again.transform(matrix()), PREPROCESSING.transform(matrix()))


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        (('format',), 'sluice-preprocessing/2'),
        (('transforms',), []),
        (('transforms', 0, 'column'), 'nowhere'),
        (('transforms', 0, 'column'), 'home'),
        (('transforms', 0, 'value'), '7'),
        (('transforms', 0, 'kind'), 'mean'),
        (('transforms', 1, 'scale'), 0),
        (('transforms', 1, 'exponent'), True),
        (('transforms', 2, 'levels'), ['OWN', 'OWN']),
        (('transforms', 2, 'levels'), ['TENT']),
        (('columns', 0, 'minimum'), 200),
        (('columns', 1, 'name'), 'age'),
        (('columns', 2, 'levels'), []),
    ],
)
def test_transforms_that_do_not_fit_are_refused(path: tuple[str | int, ...], value: object) -> None:
    described = json.loads(PREPROCESSING.to_text())
    place = described
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises((ValueError, KeyError, TypeError)):
        Preprocessing.from_json(described)


def test_arrays_are_the_same_bytes_each_time_and_never_a_pickle(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        write_npz(tmp_path / f'{name}.npz', {'x': np.arange(6.0).reshape(2, 3), 'y': np.array([1], dtype='i1')})
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()
    assert read_npz(tmp_path / 'a.npz', 'y', 'x')[1].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match='pickle'):
        write_npz(tmp_path / 'c.npz', {'x': np.array([object()])})
    np.savez(tmp_path / 'd.npz', x=np.array([object()], dtype=object))
    for name, key in (('a.npz', 'z'), ('d.npz', 'x'), ('none.npz', 'x')):
        with pytest.raises(ComponentError) as caught:
            read_npz(tmp_path / name, key)
        assert caught.value.code == 'arrays-invalid'
