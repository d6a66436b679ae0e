"""credit-load and credit-split: strict rows, an allow-list for addresses, and enlarged data that cannot leak across the split."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from blob_store import Store, status
from sluice_credit_load.columns import SCHEMA
from sluice_credit_load.download import ALLOW, check_allowed
from sluice_credit_load.enlarge import enlarge
from sluice_credit_load.main import load_step
from sluice_credit_split.main import split_step
from sluice_protocol import Component, ComponentError, run_component
from sluice_tabular import read_table
from steps import ROOT, report_of, run_step


@pytest.fixture(scope='module')
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('loans')
    ended = run_step('credit-load', '--rows', 1000, '--out', folder / 'part-0.csv', code=[str(ROOT / 'examples/credit-risk/generate.py')])
    assert ended.code == 0, ended.stderr
    return folder


def load(out: Path, params: Mapping[str, object], *given: object) -> int:
    return run_component(Component('credit-load', '1'), load_step, [*map(str, given), '--params-json', json.dumps(params), '--out', str(out)])


def split(data: Path, out: Path, **params: object) -> int:
    return run_component(Component('credit-split', '1'), split_step, ['--input', f'data={data}', '--params-json', json.dumps(params), '--out', str(out)])


def rows(path: Path) -> list[list[str]]:
    with path.open(newline='') as file:
        return list(csv.reader(file))[1:]


def test_rows_come_out_as_they_went_in(gold: Path, tmp_path: Path) -> None:
    assert load(tmp_path, {}, '--input', f'gold={gold}') == 0
    with (gold / 'part-0.csv').open(newline='') as file:
        source = list(csv.DictReader(file))
    with (tmp_path / 'credit.csv').open(newline='') as file:
        found = list(csv.DictReader(file))
    assert [{name: row[name] for name in source[0]} for row in found] == source
    assert [int(row['origin']) for row in found] == list(range(1000))
    report = report_of(tmp_path)
    assert report['metrics']['rows'] == 1000 and report['metrics']['syntheticRows'] == 0
    assert report['data']['source'] == 'gold' and len(report['data']['files'][0]['sha256']) == 64


def test_enlarged_data_is_as_large_as_asked_for_and_always_the_same(gold: Path, tmp_path: Path) -> None:
    digests = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        assert load(tmp_path / name, {'data_size': 2500, 'seed': seed}, '--input', f'gold={gold}') == 0
        digests.append(report_of(tmp_path / name)['artifacts'][0]['sha256'])
    assert digests[0] == digests[1] != digests[2]
    found = rows(tmp_path / 'a' / 'credit.csv')
    assert len(found) == 2500
    assert [row[:-1] for row in found[:1000]] == [row[:-1] for row in rows(tmp_path / 'c' / 'credit.csv')[:1000]]
    # What was made can be read again: every value is within the bounds of its column.
    assert len(read_table([tmp_path / 'a' / 'credit.csv'], SCHEMA, ('origin',))) == 2500


def test_copies_are_near_their_original_and_keep_its_label(gold: Path) -> None:
    table = read_table([gold / 'part-0.csv'], SCHEMA)
    larger, origins = enlarge(table, 3000, 5)
    copies = slice(1000, 3000)
    assert origins[:1000].tolist() == list(range(1000))
    assert np.array_equal(larger.labels[copies], table.labels[origins[copies]])
    income = SCHEMA.place('person_income')
    ratio = larger.matrix[copies, income] / table.matrix[origins[copies], income]
    assert 0.03 < ratio.std() < 0.07 and abs(ratio.mean() - 1) < 0.01
    for name in ('loan_grade', 'person_home_ownership', 'loan_intent'):
        assert np.array_equal(larger.matrix[copies, SCHEMA.place(name)], table.matrix[origins[copies], SCHEMA.place(name)])
    assert np.array_equal(np.isnan(larger.matrix[copies]), np.isnan(table.matrix[origins[copies]]))
    same, _ = enlarge(table, 500, 5)
    assert len(same) == 1000  # never smaller than what is there


def test_a_copy_is_on_the_side_of_its_original(gold: Path, tmp_path: Path) -> None:
    assert load(tmp_path / 'load', {'data_size': 2600}, '--input', f'gold={gold}') == 0
    assert split(tmp_path / 'load', tmp_path / 'split') == 0
    sides = [{int(row[-1]) for row in rows(tmp_path / 'split' / name)} for name in ('train.csv', 'test.csv')]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(range(1000))
    metrics = report_of(tmp_path / 'split')['metrics']
    assert (metrics['rows'], metrics['originalRows'], metrics['trainRows'] + metrics['testRows']) == (2600, 1000, 2600)


def test_the_split_is_that_of_scikit_learn_in_the_order_of_the_file(gold: Path, tmp_path: Path) -> None:
    from sklearn.model_selection import train_test_split

    assert load(tmp_path / 'load', {}, '--input', f'gold={gold}') == 0
    for seed, share in ((0, 0.25), (7, 0.4)):
        assert split(tmp_path / 'load', tmp_path / 'split', seed=seed, testShare=share) == 0
        train, test = train_test_split(np.arange(1000), test_size=share, random_state=seed)
        assert [int(row[-1]) for row in rows(tmp_path / 'split' / 'train.csv')] == sorted(train)
        assert [int(row[-1]) for row in rows(tmp_path / 'split' / 'test.csv')] == sorted(test)
    # The generated file repeats rows; those whose twin is on the other side are counted.
    train_rows = {tuple(row[:-1]) for row in rows(tmp_path / 'split' / 'train.csv')}
    expected = sum(tuple(row[:-1]) in train_rows for row in rows(tmp_path / 'split' / 'test.csv'))
    assert report_of(tmp_path / 'split')['metrics']['leakedRows'] == expected > 0


ALLOWED = 'https://data.example/credit/,http://127.0.0.1:9/one.csv'


@pytest.mark.parametrize('url', ['https://data.example/credit/a.csv', 'https://DATA.example/credit/deep/a.csv?sig=x', 'http://127.0.0.1:9/one.csv'])
def test_addresses_on_the_list_are_allowed(url: str) -> None:
    check_allowed(url, ALLOWED, {})
    check_allowed(url, '', {ALLOW: ALLOWED})


@pytest.mark.parametrize(
    'url',
    [
        'http://data.example/credit/a.csv',
        'https://data.example/credits/a.csv',
        'https://data.example/credit/../secret.csv',
        'https://data.example/credit/%2e%2e/secret.csv',
        'https://data.example/credit/..%2fsecret.csv',
        'https://data.example/credit/a\\..\\b',
        'https://data.example:8443/credit/a.csv',
        'https://data.example.evil/credit/a.csv',
        'https://data.example@evil/credit/a.csv',
        'https://user:pw@data.example/credit/a.csv',
        'https://evil/https://data.example/credit/a.csv',
        'http://127.0.0.1:9/one.csv.exe',
        'http://127.0.0.1:9/other.csv',
        'http://169.254.169.254/latest/meta-data',
        'file:///etc/passwd',
        'https://data.example/credit/a.csv#x',
        'https://data.example/credit/ä.csv',
        '//data.example/credit/a.csv',
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_allowed(url, ALLOWED, {})
    assert caught.value.code == 'data-url-refused'


def test_the_list_of_the_environment_cannot_be_widened_by_a_parameter() -> None:
    check_allowed('https://data.example/credit/a.csv', 'https://data.example/', {ALLOW: 'https://data.example/credit/'})
    for parameter in ('https://other.example/', 'https://data.example/'):
        with pytest.raises(ComponentError):
            check_allowed('https://other.example/x', parameter, {ALLOW: 'https://data.example/credit/'})
    with pytest.raises(ComponentError, match='no list of allowed addresses'):
        check_allowed('https://data.example/credit/a.csv', '', {})


def test_a_table_comes_from_an_allowed_address(gold: Path, tmp_path: Path, store: Store) -> None:
    store.objects['/credit/a.csv'] = (gold / 'part-0.csv').read_bytes()
    store.troubles['GET', '/credit/a.csv'] = [status(503)]
    params = {'data_url': store.url('/credit/a.csv'), 'data_url_allow': f'{store.origin}/credit/'}

    assert load(tmp_path, params) == 0

    text = (tmp_path / 'run-report.json').read_text()
    assert report_of(tmp_path)['data']['source'] == f'{store.origin}/credit/a.csv'
    assert 'TOP-SECRET' not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ['columns.json', 'credit.csv', 'run-report.json']


def test_an_address_that_leads_elsewhere_or_to_nothing_fails(tmp_path: Path, store: Store) -> None:
    store.objects['/secret.csv'] = b'x'
    store.troubles['GET', '/credit/a.csv'] = [status(302, b'', Location=f'{store.origin}/secret.csv')]
    params = {'data_url': store.url('/credit/a.csv'), 'data_url_allow': f'{store.origin}/credit/'}
    for told in ('302', '404'):
        assert load(tmp_path, params) == 1
        error = report_of(tmp_path)['error']
        assert error['code'] == 'download' and told in error['message'] and 'TOP-SECRET' not in error['message']
    assert store.methods('/secret.csv') == []


def test_a_refused_address_is_not_connected_to(gold: Path, tmp_path: Path, store: Store) -> None:
    assert load(tmp_path, {'data_url': store.url('/credit/a.csv')}, '--input', f'gold={gold}') == 1
    assert report_of(tmp_path)['error']['code'] == 'data-url-refused'
    assert store.seen == []
