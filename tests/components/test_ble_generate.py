"""The generator: same columns, formats and traps as the public file, and the same bytes for the same seed."""

import csv
import re
from pathlib import Path

import pytest

from sluice_ble_train.params import TrainParams
from sluice_ble_train.readings import Readings
from sluice_ble_train.core import train_and_judge
from steps import BEACONS, ROOT, Ended, run_step

SCRIPT = ROOT / 'examples/ble-location/generate.py'


def generate(out: Path, *args: object) -> Ended:
    return run_step('transfer', *args, '--out', out, code=['-I', str(SCRIPT)])


@pytest.fixture(scope='module')
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp('ble') / 'readings.csv'
    assert generate(out).code == 0
    with out.open(newline='') as file:
        return list(csv.DictReader(file))


def test_header_dates_cells_and_values_are_those_of_the_public_file(rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == ['location', 'date', *BEACONS]
    assert len(rows) == 1420
    assert len({row['location'] for row in rows}) == 105
    for row in rows:
        assert re.fullmatch(r'[A-Z][0-9]{2}', row['location'])
        assert re.fullmatch(r'[1-9][0-9]?-[1-9][0-9]?-[0-9]{4} [0-9]{1,2}:[0-9]{2}:[0-9]{2}', row['date'])
        values = [int(row[beacon]) for beacon in BEACONS]
        assert all(value == -200 or -100 <= value <= -40 for value in values)
        assert max(values) > -200
    assert len({row['date'] for row in rows}) == 1420


def test_most_beacons_are_not_heard_and_the_copies_bear_one_date(rows: list[dict[str, str]]) -> None:
    values = [int(row[beacon]) for row in rows for beacon in BEACONS]
    assert 0.84 < values.count(-200) / len(values) < 0.92
    assert sum(row['date'].startswith('10-18-2016 ') for row in rows) == 600


def test_a_model_learns_from_it_and_the_naive_split_flatters(rows: list[dict[str, str]]) -> None:
    found = sorted((row['location'], tuple(int(row[beacon]) for beacon in BEACONS)) for row in rows)
    readings = Readings(tuple(cell for cell, _ in found), tuple(signal for _, signal in found), ('generated.csv',))

    metrics = train_and_judge(readings, TrainParams()).metrics

    assert metrics['leakedRows'] == 0
    assert 0.5 < metrics['duplicateShare'] < 0.75
    assert 0.08 < metrics['top1'] < metrics['naiveTop1'] < 0.6
    assert metrics['top5'] > 0.35
    assert metrics['meanErrorCells'] < 2.6


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        assert generate(tmp_path / name, '--seed', seed, '--rows', 150).code == 0
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes() != (tmp_path / 'c').read_bytes()
    assert len((tmp_path / 'a').read_text().splitlines()) == 151


@pytest.mark.parametrize('args', [('--rows', '99'), ('--rows', 'many'), ('--colour', 'red')])
def test_a_wrong_call_is_told(tmp_path: Path, args: tuple[str, ...]) -> None:
    ended = generate(tmp_path / 'x', *args)
    assert ended.code == 2
    assert args[0] in ended.stderr
    assert not (tmp_path / 'x').exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = generate(tmp_path / 'none' / 'x')
    assert ended.code == 1
    assert 'cannot be written' in ended.stderr
