"""Steps beside data that must stay: golden rows only from what was declared, no values in failures, and ble-train among them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steps import BEACONS, environment, report_of, run_step, small_gold, write_gold

STAY = {'SLUICE_ROWS': 'stay'}
SCRIPT = """
from sluice_protocol import ComponentError, GoldenSet, Outcome, Prediction, step

@step('teller', '1.0.0')
def tell(arguments):
    row = arguments.input('gold').read_text().splitlines()[1]
    kind = arguments.params['kind']
    if kind == 'golden':
        golden = GoldenSet(rows=[[float(value) for value in row.split(',')[1:]]], predictions=[Prediction('A01', 0.5)], tolerance=0)
        return Outcome(golden=golden)
    if kind == 'component':
        raise ComponentError('bad-value', f'line 2: {row!r} is no reading')
    if kind == 'params':
        raise ComponentError('params', "'epocs' is not a parameter")
    raise ValueError(f'could not convert {row}')

tell.run()
"""
ROW = 'Q07,-61,-72'


def tell(folder: Path, kind: str, stay: bool = True, releasable: bool = False) -> tuple[dict[str, Any], str]:
    (folder / 'job.py').write_text(SCRIPT)
    (folder / 'gold.csv').write_text(f'location,a,b\n{ROW}\n')
    inputs = ['--input', f'gold={folder / "gold.csv"}', *(['--input', f'releasable={folder / "gold.csv"}'] if releasable else [])]
    command = [sys.executable, str(folder / 'job.py'), *inputs, '--params-json', json.dumps({'kind': kind}), '--out', str(folder / 'out')]
    done = subprocess.run(
        command, env=environment('transfer', STAY if stay else {}), capture_output=True, text=True, timeout=30, check=False
    )
    return report_of(folder / 'out'), done.stdout + done.stderr + (folder / 'out/run-report.json').read_text()


def test_golden_rows_leave_only_where_rows_were_declared_releasable(tmp_path: Path) -> None:
    report, everything = tell(tmp_path, 'golden')

    assert report['error']['code'] == 'golden-held'
    assert '-61' not in everything
    assert tell(tmp_path, 'golden', releasable=True)[0]['golden']['rows'] == [[-61, -72]]
    assert tell(tmp_path, 'golden', stay=False)[0]['status'] == 'succeeded'


@pytest.mark.parametrize('kind', ['component', 'unexpected'])
def test_a_failure_is_told_without_values(tmp_path: Path, kind: str) -> None:
    report, everything = tell(tmp_path, kind)

    assert 'Q07' not in everything and '-61' not in everything
    said = {
        'component': 'line 2: (held back) is no reading',
        'unexpected': 'ValueError in job.py line 15 (tell); its own words are held back',
    }
    assert report['error']['message'].startswith(said[kind])
    assert 'Q07' in tell(tmp_path, kind, stay=False)[1]


def test_what_is_wrong_with_the_call_is_told_in_full(tmp_path: Path) -> None:
    assert tell(tmp_path, 'params')[0]['error']['message'] == "'epocs' is not a parameter"


def ble_train(folder: Path, gold: Path, *more: str) -> dict[str, Any]:
    params = json.dumps({'epochs': 2, 'goldenRows': 20})
    ended = run_step('ble-train', '--input', f'gold={gold}', *more, '--params-json', params, '--out', folder / 'out', extra=STAY)
    assert ended.code == 0, ended.stderr
    return report_of(folder / 'out')


def test_ble_train_compares_released_rows_or_none(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / 'gold.csv', small_gold())
    released = tmp_path / 'released'
    released.mkdir()
    rows = [[-60 - index] * len(BEACONS) for index in range(3)]
    header = f'location,{",".join(BEACONS)}\n'
    (released / 'rows.csv').write_text(header + ''.join(f'K0{index + 1},{",".join(map(str, row))}\n' for index, row in enumerate(rows)))

    alone = ble_train(tmp_path, gold)
    compared = ble_train(tmp_path, gold, '--input', f'releasable={released}')

    assert 'golden' not in alone
    assert alone['data']['exampleRow'] == [-100] * len(BEACONS)
    assert sorted(compared['golden']['rows']) == sorted(rows)
    assert compared['model']['digest'] == alone['model']['digest']
