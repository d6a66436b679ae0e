"""refine: what it takes from a manifest, which SQL it judges by, what it asks of Spark (a recording session), and the program in its place."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from sluice_protocol import ComponentError
from sluice_refine.manifest import Table, read_manifest, user_metadata
from sluice_refine.program import ENGINE
from sluice_refine.rules import literal, row_rules, unique_columns
from sluice_refine.spark import refine
from steps import report_of, run_step


def table(name: str, mode: str, **more: object) -> dict[str, object]:
    return {'name': name, 'path': f'{name}/p/{name}/', 'sql': f'SELECT * FROM {name}_source;', 'mode': mode, 'columns': {}, 'expect': [], **more}


def told(folder: Path, **more: object) -> Path:
    manifest = {
        'protocol': 1,
        'runId': 'refine-p-0123456789abcdef-a1',
        'lake': 'abfss://lake@account.dfs.core.windows.net/',
        'sources': [{'name': 'cash-desk', 'format': 'csv', 'columns': {'id': 'integer', 'name': 'string'}}],
        'files': [{'source': 'cash-desk', 'path': 'bronze/p/a.csv', 'eTag': '0x1', 'sha256': 'a' * 64}],
        'tables': {'silver': table('silver', 'append'), 'gold': table('gold', 'overwrite')},
        'txn': {'appId': 'sluice-key', 'version': 1},
        'note': {'runId': 'refine-p-0123456789abcdef-a1', 'chain': []},
        **more,
    }
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    return folder / 'manifest.json'


@pytest.mark.parametrize(
    'more',
    [
        {'protocol': 2},
        {'files': []},
        {'files': [{'source': 'cash-desk', 'path': 'bronze/../x.csv'}]},
        {'tables': {'silver': table('silver', 'append') | {'path': '../x/'}, 'gold': table('gold', 'overwrite')}},
        {'sources': 'all'},
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, more: dict[str, object]) -> None:
    with pytest.raises(ComponentError) as refused:
        read_manifest(told(tmp_path, **more))
    assert refused.value.code == 'manifest'


def test_rules_are_those_that_bind() -> None:
    columns = {'a b': {'required': True, 'min': 0}, 'c': {'values': ["it's", 2], 'unique': True}, 'd': {'required': True, 'onFail': 'warn'}}
    expect = ({'name': 'sane', 'check': 'a > c', 'onFail': 'fail'}, {'name': 'told', 'check': 'true', 'onFail': 'warn'})
    one = Table('t', 't/', 'SELECT 1', 'merge', keys=('k',), columns=columns, expect=expect)

    assert [(rule.name, rule.broken) for rule in row_rules(one)] == [
        ('required:a b', '`a b` IS NULL'),
        ('min:a b', '`a b` < 0'),
        ('values:c', "`c` NOT IN ('it\\'s', 2)"),
        ('key-required', '`k` IS NULL'),
        ('sane', 'NOT coalesce((a > c\n), false)'),
    ]
    assert unique_columns(one) == [('c',), ('k',)]
    assert [literal(value) for value in (True, 1.5, 'a\\')] == ['true', '1.5', "'a\\\\'"]


class Recorded:
    """A session, frame, reader and writer in one: notes what is asked of it. `broken`: rows that break each rule."""

    def __init__(self, tables: dict[str, bool], broken: int = 0) -> None:
        self.tables = tables  # root -> whether this work's commit is in its history
        self.broken = broken
        self.asked: list[str] = []
        self.root = ''

    def __getattr__(self, name: str) -> Any:
        if name in ('read', 'write', 'conf'):
            return self

        def called(*args: Any, **options: Any) -> Any:
            self.asked.append(' '.join([name, *map(str, args), *[f'{key}={value}' for key, value in options.items()]]))
            if name == 'count':
                return self.counted()
            return self

        return called

    def counted(self) -> int:
        before = self.asked[-2]
        if 'limit' in before and any('contains(userMetadata' in one for one in self.asked[-4:]):
            return int(self.tables[self.root])
        return self.broken if before.startswith('where') else 0 if before.startswith(('limit', 'sql')) else 3


def asked_of(monkeypatch: pytest.MonkeyPatch, manifest: Path, tables: dict[str, bool], broken: int = 0) -> Recorded:
    session = Recorded(tables, broken)

    class DeltaTable:
        isDeltaTable = staticmethod(lambda _spark, root: root in tables)  # noqa: N815

        @staticmethod
        def forPath(_spark: object, root: str) -> Recorded:  # noqa: N802
            session.root = root
            return session

    module = types.ModuleType('delta.tables')
    module.DeltaTable = DeltaTable  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'delta', types.ModuleType('delta'))
    monkeypatch.setitem(sys.modules, 'delta.tables', module)
    assert refine(session, read_manifest(manifest)) == 3
    return session


LAKE = 'abfss://lake@account.dfs.core.windows.net/'


def test_spark_is_asked_for_one_commit_in_each_table_under_the_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(monkeypatch, told(tmp_path), {}).asked

    assert f"csv ['{LAKE}bronze/p/a.csv']" in asked
    assert 'createOrReplaceTempView bronze_cash_desk' in asked and 'createOrReplaceTempView bronze' in asked
    assert 'sql SELECT * FROM silver_source' in asked
    saves = [asked.index(f'save {LAKE}{name}/p/{name}/') for name in ('silver', 'gold')]
    # Gold is kept before silver's commit is made.
    assert asked.index('sql SELECT * FROM gold_source') < saves[0] < saves[1]
    assert asked[saves[0] - 4 : saves[0]] == ['format delta', 'mode append', 'option txnAppId sluice-key', 'option txnVersion 1']
    assert asked[saves[1] - 3] == 'mode overwrite'
    metadata = json.loads(next(one for one in asked if 'userMetadata' in one).split(' ', 2)[2])
    assert metadata == {'sluice': {'runId': 'refine-p-0123456789abcdef-a1', 'chain': [], 'readRows': 3, 'txn': 'sluice-key'}}


def test_a_table_that_has_the_transaction_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver, gold = f'{LAKE}silver/p/silver/', f'{LAKE}gold/p/gold/'

    asked = asked_of(monkeypatch, told(tmp_path), {silver: True, gold: False}).asked

    assert f'save {silver}' not in asked and f'save {gold}' in asked
    assert not any(one.startswith('unionByName') for one in asked)


def test_a_merge_takes_the_transaction_from_the_session_and_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver = f'{LAKE}silver/p/silver/'
    tables = {'silver': table('silver', 'merge(id)'), 'gold': table('gold', 'overwrite')}

    asked = asked_of(monkeypatch, told(tmp_path, tables=tables), {silver: False}).asked

    merge = next(n for n, one in enumerate(asked) if one.startswith('sql MERGE INTO'))
    assert asked[merge] == (
        f'sql MERGE INTO delta.`{silver}` t USING _sluice_merge s ON t.`id` = s.`id` '
        'WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *'
    )
    assert asked[merge - 2 : merge] == [f'set {name} {value}' for name, value in (
        ('spark.databricks.delta.write.txnAppId', 'sluice-key'), ('spark.databricks.delta.write.txnVersion', '1'))]
    assert [one for one in asked if one.startswith('unset')] == [
        'unset spark.databricks.delta.write.txnAppId', 'unset spark.databricks.delta.write.txnVersion']


def test_rows_that_break_a_rule_end_the_step_before_the_first_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {'silver': table('silver', 'append', columns={'id': {'required': True}}), 'gold': table('gold', 'overwrite')}

    with pytest.raises(ComponentError) as refused:
        asked_of(monkeypatch, told(tmp_path, tables=tables), {}, broken=2)
    assert refused.value.code == 'rule-broken' and '2 rows break the rule required:id' in refused.value.message


def test_a_program_refines_where_there_is_no_spark(tmp_path: Path) -> None:
    told(tmp_path)
    program = tmp_path / 'engine.py'
    program.write_text('import json, sys; print(json.dumps({"readRows": len(json.load(open(sys.argv[1]))["files"])}))')
    run = lambda command: run_step('refine', '--input', f'manifest={tmp_path}', '--out', tmp_path / 'out', extra={ENGINE: command})  # noqa: E731

    assert run(json.dumps([sys.executable, str(program)])).code == 0
    assert report_of(tmp_path / 'out')['metrics'] == {'readRows': 1}

    program.write_text('import sys; sys.exit("gold: its columns are others")')
    assert run(json.dumps([sys.executable, str(program)])).code == 1
    assert report_of(tmp_path / 'out')['error'] == {'code': 'engine-failed', 'message': 'gold: its columns are others'}
    run('python3')
    assert report_of(tmp_path / 'out')['error']['code'] == 'no-engine'
    run('')
    assert report_of(tmp_path / 'out')['error']['code'] == 'no-engine'


def test_the_note_is_read_by_sluice(tmp_path: Path) -> None:
    manifest = read_manifest(told(tmp_path, note={'runId': 'r', 'chain': ['x']}))
    assert json.loads(user_metadata(manifest, 5)) == {'sluice': {'runId': 'r', 'chain': ['x'], 'readRows': 5, 'txn': 'sluice-key'}}
