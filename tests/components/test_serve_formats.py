"""The server and models of every kind: trees answer raw rows as XGBoost did, and a folder that does not fit together is not loaded."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from credit import Credit
from served import Served, same, serving
from sluice_protocol import ComponentError
from sluice_serve.load import load_model
from sluice_serve.model import Classifier
from steps import ROOT

DIGEST = 'd' * 64
ROW = [24, 54400, 'RENT', 8, 'MEDICAL', 'C', 35000, 14.27, 0.55, 'Y', 4]
"""A raw row as a caller would write it."""


@pytest.fixture(scope='module')
def server(credit: Credit) -> Iterator[Served]:
    trained = credit.trained()
    with serving(trained.folder, trained.digest) as running:
        yield running


@pytest.mark.parametrize(('path', 'key'), [('/invocations', 'instances'), ('/v1/models/credit-risk:predict', 'instances'), ('/score', 'data')])
def test_golden_rows_get_the_answers_of_xgboost(server: Served, credit: Credit, path: str, key: str) -> None:
    golden = credit.report['golden']
    status, answer = server.ask('POST', path, {key: golden['rows']})
    assert status == 200
    assert same(golden, [item['label'] for item in answer['predictions']], [item['probability'] for item in answer['predictions']])
    assert {item['label'] for item in golden['predictions']} == {'Default', 'Non-Default'}
    assert answer['model']['digest'] == credit.report['model']['digest']


def test_golden_rows_are_rows_as_a_caller_writes_them(server: Served, credit: Credit) -> None:
    golden = credit.report['golden']
    described = json.loads((credit.root / 'preprocess' / 'columns.json').read_text())['columns']
    assert golden['columns'] == [column['name'] for column in described]
    for place, column in enumerate(described):
        cells = [row[place] for row in golden['rows']]
        if column['kind'] == 'category':
            assert set(cells) <= set(column['levels']), column['name']
        else:
            assert all(isinstance(cell, int | float) or (cell is None and column['missing']) for cell in cells), column['name']
    assert None in [cell for row in golden['rows'] for cell in row]

    named = [dict(zip(golden['columns'], row, strict=True)) for row in golden['rows']]
    without = [{name: cell for name, cell in row.items() if cell is not None} for row in named]
    answers = [server.ask('POST', '/invocations', {'instances': rows})[1]['predictions'] for rows in (golden['rows'], named, without)]
    assert answers[0] == answers[1] == answers[2]


def test_the_example_request_is_answered(server: Served, credit: Credit) -> None:
    request = json.loads((ROOT / 'examples/credit-risk/request.json').read_text())
    for path in ('/invocations', '/v1/models/credit-risk:predict'):
        status, answer = server.ask('POST', path, request)
        assert (status, [item['label'] for item in answer['predictions']]) == (200, ['Default', 'Non-Default'])
    assert all(list(row) == credit.report['golden']['columns'] for row in request['instances'])


def test_golden_rows_of_older_reports_get_the_same_answers(server: Served, credit: Credit) -> None:
    """Before rows could hold texts, a category in them was the number of its level, and a row with a missing value was none."""
    described = json.loads((credit.root / 'preprocess' / 'columns.json').read_text())['columns']
    rows = [row for row in credit.report['golden']['rows'] if None not in row]
    older = [
        [column['levels'].index(cell) if column['kind'] == 'category' else cell for cell, column in zip(row, described, strict=True)] for row in rows
    ]
    answers = [server.ask('POST', '/invocations', {'instances': given})[1]['predictions'] for given in (rows, older)]
    assert answers[0] == answers[1] and len(rows) > 10


@pytest.mark.parametrize(
    ('changed', 'told'),
    [
        ({'person_age': 'old'}, 'data[0] (person_age) is "old", not a number'),
        ({'person_age': None}, 'data[0] (person_age) is null, not a number'),
        ({'loan_grade': 'Z'}, 'data[0] (loan_grade) is "Z"; allowed is A, B'),
        ({'loan_garde': 'A'}, "data[0] has the unknown column 'loan_garde'; this model takes person_age, person_income"),
        ({'__proto__': {}}, 'unknown column'),
    ],
)
def test_named_rows_that_cannot_be_are_told_by_column(server: Served, credit: Credit, changed: dict[str, object], told: str) -> None:
    row = dict(zip(credit.report['golden']['columns'], ROW, strict=True))
    status, answer = server.ask('POST', '/score', {'data': [{**row, **changed}]})
    assert (status, told in answer['error']) == (400, True), answer


def test_texts_numbers_and_missing_values_are_understood(server: Served, credit: Credit) -> None:
    described = json.loads((credit.root / 'convert' / 'model' / 'preprocessing.json').read_text())
    medians = {item['column']: item['value'] for item in described['transforms'] if item['kind'] == 'median'}
    codes = [3 if value == 'RENT' else 3 if value == 'MEDICAL' else 2 if value == 'C' else 1 if value == 'Y' else value for value in ROW]
    missing = [*ROW[:3], None, *ROW[4:7], None, *ROW[8:]]
    imputed = [*ROW[:3], medians['person_emp_length'], *ROW[4:7], medians['loan_int_rate'], *ROW[8:]]
    status, answer = server.ask('POST', '/score', {'data': [ROW, codes, missing, imputed]})
    first, second, third, fourth = answer['predictions']
    assert status == 200
    assert (first, third) == (second, fourth)
    text = ','.join(map(str, ROW)) + '\n' + ','.join('' if value is None else str(value) for value in missing) + '\n'
    status, answer = server.ask('POST', '/invocations', text.encode(), Content_Type='text/csv')
    assert (status, answer['predictions']) == (200, [first, third])
    tensor = {'name': 'x', 'shape': [2, 11], 'datatype': 'BYTES', 'data': [str(value) for value in ROW] + ['' if value is None else str(value) for value in missing]}
    status, answer = server.ask('POST', '/v2/models/credit-risk/infer', {'inputs': [tensor]})
    outputs = {item['name']: item['data'] for item in answer['outputs']}
    assert (status, outputs['probability']) == (200, [first['probability'], third['probability']])
    assert server.ask('GET', '/v2/models/credit-risk')[1]['inputs'][0]['datatype'] == 'BYTES'
    assert server.ask('GET', '/ping')[0] == 200


@pytest.mark.parametrize(
    ('place', 'value', 'told'),
    [
        (2, 'TENT', 'data[0][2] (person_home_ownership) is "TENT"; allowed is MORTGAGE, OTHER, OWN, RENT'),
        (2, 4, 'is 4; allowed is'),
        (2, 1.5, 'is 1.5; allowed is'),
        (2, True, 'is true; allowed is'),
        (2, None, 'is null; allowed is'),
        (0, None, '(person_age) is null, not a number'),
        (0, 'old', '(person_age) is "old", not a number'),
        (7, 101, '(loan_int_rate) is 101; allowed is 0 to 100'),
    ],
)
def test_values_that_cannot_be_are_named(server: Served, place: int, value: object, told: str) -> None:
    status, answer = server.ask('POST', '/score', {'data': [[*ROW[:place], value, *ROW[place + 1 :]]]})
    assert (status, told in answer['error']) == (400, True), answer


def test_all_test_rows_get_the_probability_of_xgboost(credit: Credit) -> None:
    files = {path.name: path.read_bytes() for path in (credit.root / 'convert' / 'model').iterdir()}
    model = load_model(files, DIGEST)
    raw = np.load(credit.root / 'preprocess' / 'test.npz')['raw']
    expected = np.loadtxt(credit.root / 'infer' / 'predictions.csv', delimiter=',', skiprows=1)[:, 2]
    assert isinstance(model, Classifier)
    found = model.probabilities(raw)
    assert np.isnan(raw).any()
    assert np.abs(found[:, 1] - expected).max() < 1e-6
    assert np.array_equal(model.probabilities(raw[5:6]), found[5:6])  # alone or among others, a row has one answer


def test_trees_walk_missing_values_the_way_that_xgboost_learned() -> None:
    """Two small trees by hand: a missing value goes where `default_left` says, and equal to the threshold is right."""
    tree = {'left_children': [1, -1, -1], 'right_children': [2, -1, -1], 'split_indices': [0, 0, 0], 'split_conditions': [2.0, 0.5, -0.25]}
    booster = booster_of([{**tree, 'default_left': [1, 0, 0]}, {**tree, 'default_left': [0, 0, 0]}])
    from sluice_serve.formats.trees import read_forest

    forest = read_forest(booster, 1)
    margins = forest.margins(np.array([[1.0], [2.0], [np.nan]], dtype=np.float32))
    assert margins.tolist() == [1.0, -0.5, 0.25]


@pytest.mark.parametrize(('base', 'margin'), [('5E-1', 0.0), ('[5E-1]', 0.0), ('2.5E-1', math.log(1 / 3))])
def test_the_base_score_of_every_version_is_read(base: str, margin: float) -> None:
    from sluice_serve.formats.trees import read_forest

    leaf = {'left_children': [-1], 'right_children': [-1], 'split_indices': [0], 'split_conditions': [0.125], 'default_left': [0]}
    found = read_forest(booster_of([leaf], base), 1).margins(np.zeros((300, 1), dtype=np.float32))
    assert found == pytest.approx(np.full(300, margin + 0.125))


def booster_of(trees: list[dict[str, Any]], base: str = '5E-1') -> dict[str, Any]:
    return {
        'learner': {
            'objective': {'name': 'binary:logistic'},
            'learner_model_param': {'base_score': base, 'num_feature': '1'},
            'gradient_booster': {'name': 'gbtree', 'model': {'trees': trees}},
        }
    }


def at(*path: str | int, value: object) -> Callable[[Any], None]:
    """A change of one place of a JSON document."""

    def change(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = value

    return change


TREE = ('learner', 'gradient_booster', 'model', 'trees', 0)


@pytest.mark.parametrize(
    ('name', 'change'),
    [
        ('model.json', at('classes', value=['one'])),
        ('model.json', at('booster', value='nowhere.json')),
        ('model.json', at('preprocessing', value=3)),
        ('preprocessing.json', at('transforms', 0, 'column', value='nowhere')),
        ('preprocessing.json', at('transforms', value=[])),
        ('booster.json', at('learner', 'objective', 'name', value='multi:softprob')),
        ('booster.json', at('learner', 'learner_model_param', 'num_feature', value='27')),
        ('booster.json', at('learner', 'learner_model_param', 'base_score', value='7')),
        ('booster.json', at('learner', 'gradient_booster', 'model', 'trees', value=[])),
        ('booster.json', at(*TREE, 'left_children', 0, value=0)),
        ('booster.json', at(*TREE, 'left_children', 0, value=1_000_000)),
        ('booster.json', at(*TREE, 'right_children', 0, value=-7)),
        ('booster.json', at(*TREE, 'split_indices', 0, value=26)),
        ('booster.json', at(*TREE, 'split_indices', 0, value=-1)),
        ('booster.json', at(*TREE, 'split_conditions', value=[])),
        ('booster.json', at(*TREE, 'split_conditions', 0, value='x')),
        ('booster.json', at(*TREE, 'split_conditions', 0, value=1e300)),
        ('booster.json', at(*TREE, 'split_type', 0, value=1)),
        ('booster.json', at(*TREE, value=3)),
    ],
)
def test_a_folder_whose_parts_do_not_fit_is_not_loaded(credit: Credit, name: str, change: Callable[[Any], None]) -> None:
    files = {path.name: path.read_bytes() for path in (credit.root / 'convert' / 'model').iterdir()}
    document = json.loads(files[name])
    change(document)
    with np.errstate(over='ignore'), pytest.raises(ComponentError) as caught:
        load_model({**files, name: json.dumps(document).encode()}, DIGEST)
    assert caught.value.code == 'model-format'


LINEAR = {
    'format': 'sluice-linear/1',
    'name': 'm',
    'features': [{'name': 'a', 'kind': 'number', 'minimum': -1, 'maximum': 1}],
    'weights': [2.0],
    'intercept': 1.0,
}


@pytest.mark.parametrize(
    'change',
    [
        at('weights', value=[1.0, 2.0]),
        at('weights', value=['x']),
        at('intercept', value=None),
        at('intercept', value=1e999),
        at('features', value=[]),
        at('features', 0, 'missing', value=True),
        at('features', 0, value={'name': 'a', 'kind': 'category', 'levels': ['x']}),
        at('format', value='sluice-linear/2'),
        at('format', value=['sluice-linear/1']),
        at('name', value=None),
    ],
)
def test_weights_that_do_not_fit_are_not_loaded(change: Callable[[Any], None]) -> None:
    document = json.loads(json.dumps(LINEAR))
    load_model({'model.json': json.dumps(document).encode()}, DIGEST)
    change(document)
    if document['name'] is None:
        assert load_model({'model.json': json.dumps(document).encode()}, DIGEST, 'given').name == 'given'
        return
    with pytest.raises(ComponentError) as caught:
        load_model({'model.json': json.dumps(document).encode()}, DIGEST)
    assert caught.value.code == 'model-format'
