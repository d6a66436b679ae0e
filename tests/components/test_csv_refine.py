"""Refining beside the data: good rows out, bad rows counted and set aside, and never a value in what leaves."""

import csv
import json
from pathlib import Path

import pytest

from steps import Ended, report_of, run_step

COLUMNS = {'cell': 'string', 'at': 'timestamp', 'signal': 'integer', 'gain': 'number', 'on': 'boolean', 'day': 'date'}
HEADER = ','.join(COLUMNS)
GOOD = 'A01,10-18-2016 11:15:21,-75,1.5,true,2016-10-18'
SECRET = 'Xk9'


def refine(folder: Path, files: dict[str, str | bytes], params: dict[str, object] | None = None, **source: object) -> Ended:
    (folder / 'files').mkdir()
    for name, content in files.items():
        (folder / 'files' / name).write_bytes(content.encode() if isinstance(content, str) else content)
    told = {'format': 'csv', 'encoding': 'utf-8', 'columns': COLUMNS, 'timestampFormat': '%m-%d-%Y %H:%M:%S', 'badRows': 'fail'}
    (folder / 'source.json').write_text(json.dumps(told | source))
    inputs = ['--input', f'files={folder / "files"}', '--input', f'source={folder}']
    given = ['--params-json', json.dumps(params or {}), '--out', folder / 'out']
    return run_step('csv-refine', *inputs, *given, extra={'SLUICE_ROWS': 'stay'})


def rows_of(file: Path) -> list[list[str]]:
    with file.open(newline='') as text:
        return list(csv.reader(text))


def test_rows_as_declared_come_out_in_the_order_of_the_files(tmp_path: Path) -> None:
    second = 'B02,1-2-2016 1:05:09,-9223372036854775808,.5e-3,False,2016-02-29'
    files = {'b.csv': f'{HEADER}\n{second}\n', 'a.csv': f'\ufeff{HEADER}\r\n{GOOD}\r\n"C,03",,,,,\r\n'}

    ended = refine(tmp_path, files, {'drop': 'at, day'})

    report = report_of(tmp_path / 'out')
    assert (ended.code, report['metrics']) == (0, {'rowsRead': 3, 'rows': 3, 'rowsSetAside': 0, 'files': 2})
    assert report['data'] == {'files': ['a.csv', 'b.csv'], 'rules': []}
    assert rows_of(tmp_path / 'out/refined.csv') == [
        ['cell', 'signal', 'gain', 'on'],
        ['A01', '-75', '1.5', 'true'],
        ['C,03', '', '', ''],
        ['B02', '-9223372036854775808', '.5e-3', 'False'],
    ]


@pytest.mark.parametrize(
    ('column', 'text'),
    [
        ('signal', '1.5'),
        ('signal', '9223372036854775808'),
        ('signal', ' 1'),
        ('signal', '1_000'),
        ('signal', '٣'),
        ('gain', 'inf'),
        ('gain', '1e999'),
        ('gain', '0x1F'),
        ('on', 'yes'),
        ('day', '2016-02-30'),
        ('day', '18.10.2016'),
        ('at', '2016-10-18T11:15:21Z'),
        ('at', ' 10-18-2016 11:15:21'),
    ],
)
def test_a_value_that_is_not_of_its_type_is_found_by_place_and_not_repeated(tmp_path: Path, column: str, text: str) -> None:
    values = dict(zip(COLUMNS, GOOD.split(','), strict=True)) | {column: text, 'cell': SECRET}

    ended = refine(tmp_path, {'a.csv': f'{HEADER}\n{GOOD}\n"multi\nline"{GOOD[3:]}\n{",".join(values.values())}\n'})

    error = report_of(tmp_path / 'out')['error']
    assert ended.code == 1
    assert error == {'code': 'bad-rows', 'message': f'1 of 3 rows are not as declared: type:{column}: 1 (a.csv:5)'}
    assert SECRET not in ended.stdout + ended.stderr + (tmp_path / 'out/run-report.json').read_text()
    assert not (tmp_path / 'out/refined.csv').exists()


def test_instants_are_judged_where_no_format_is_named(tmp_path: Path) -> None:
    rows = ['2024-01-31T10:00:00.123456789Z', '2024-01-31 10:00', '2024-01-31T10:00:00+0200', '2024-02-30T10:00:00Z', '10:00']
    text = 'at\n' + ''.join(f'{row}\n' for row in rows)

    refine(tmp_path, {'a.csv': text}, columns={'at': 'timestamp'}, timestampFormat=None, badRows='quarantine')

    assert report_of(tmp_path / 'out')['data']['rules'] == [{'rule': 'type:at', 'rows': 2, 'lines': ['a.csv:5', 'a.csv:6']}]


def test_bad_rows_are_set_aside_at_the_site_and_counted_in_the_report(tmp_path: Path) -> None:
    bad = f'{SECRET},10-18-2016 11:15:21,loud,1.5,true,2016-10-18'

    ended = refine(tmp_path, {'a.csv': f'{HEADER}\n{bad}\n{GOOD}\n{SECRET},short\n'}, badRows='quarantine')

    report = (tmp_path / 'out/run-report.json').read_text()
    assert ended.code == 0
    assert json.loads(report)['metrics'] == {'rowsRead': 3, 'rows': 1, 'rowsSetAside': 2, 'files': 1}
    assert rows_of(tmp_path / 'out/set-aside/rows.csv') == [
        ['type:signal', 'a.csv', '2', *bad.split(',')],
        ['shape', 'a.csv', '4', SECRET, 'short'],
    ]
    assert SECRET not in report + ended.stdout + ended.stderr


def test_rows_must_satisfy_the_checks_too(tmp_path: Path) -> None:
    rows = [GOOD, GOOD.replace('A01', f'{SECRET}!'), GOOD.replace('-75', '-201'), GOOD.replace('-75', ''), GOOD.replace('1.5', '1e9')]

    checks = 'cell ~ [A-Z][0-9]{2}; s* in -200..0 ; gain in 0..2.5'
    ended = refine(tmp_path, {'a.csv': f'{HEADER}\n' + '\n'.join(rows)}, {'checks': checks}, badRows='quarantine')

    assert [(one['rule'], one['lines']) for one in report_of(tmp_path / 'out')['data']['rules']] == [
        ('match:cell', ['a.csv:3']),
        ('range:gain', ['a.csv:6']),
        ('range:signal', ['a.csv:4']),
    ]
    assert SECRET not in ended.stdout + ended.stderr + (tmp_path / 'out/run-report.json').read_text()


@pytest.mark.parametrize('checks', ['cell', 'cell ~ [', 'x* in 1..2', 'cell in a..b', 'signal in 1..'])
def test_a_check_that_is_none_is_refused(tmp_path: Path, checks: str) -> None:
    assert refine(tmp_path, {'a.csv': f'{HEADER}\n{GOOD}\n'}, {'checks': checks}).code == 1
    assert report_of(tmp_path / 'out')['error']['code'] == 'params'


@pytest.mark.parametrize(
    ('files', 'params', 'source', 'code'),
    [
        ({}, {}, {}, 'files-missing'),
        ({'a.csv': ''}, {}, {}, 'bad-header'),
        ({'a.csv': f'{SECRET},at\n'}, {}, {}, 'bad-header'),
        ({'a.csv': f'{HEADER}\n{SECRET}"x"y,"\n'}, {}, {}, 'bad-csv'),
        ({'a.csv': f'{HEADER}\n'.encode() + b'\xff\xfe,\n'}, {}, {}, 'bad-encoding'),
        ({'a.csv': f'{HEADER}\n'}, {}, {}, 'too-few-rows'),
        ({'a.csv': HEADER}, {'drop': 'cel'}, {}, 'params'),
        ({'a.csv': HEADER}, {'drop': ','.join(COLUMNS)}, {}, 'params'),
        ({'a.csv': HEADER}, {'keep': 1}, {}, 'params'),
        ({'a.csv': HEADER}, {}, {'format': 'parquet'}, 'source-invalid'),
        ({'a.csv': HEADER}, {}, {'columns': {}}, 'source-invalid'),
        ({'a.csv': HEADER}, {}, {'columns': {'a': 'money'}}, 'source-invalid'),
        ({'a.csv': HEADER}, {}, {'encoding': 'cp037'}, 'source-invalid'),
    ],
)
def test_what_cannot_be_refined_is_named(
    tmp_path: Path, files: dict[str, str | bytes], params: dict[str, object], source: dict[str, object], code: str
) -> None:
    ended = refine(tmp_path, files, params, **source)

    assert (ended.code, report_of(tmp_path / 'out')['error']['code']) == (1, code)
    assert SECRET not in ended.stdout + ended.stderr + (tmp_path / 'out/run-report.json').read_text()
