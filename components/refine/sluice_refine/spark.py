"""Refining with Spark: whole or not at all. Everything is judged before the first commit; each table gets one commit for a transaction.

The owner's SQL runs as Spark SQL. Delta's `txnAppId` and `txnVersion` make a repeated write a write of nothing; a merge takes the same two
from the session (delta.io, idempotent writes). Which of the tables has the transaction already is told by the notes in their histories.
"""

from typing import Any

from sluice_protocol import ComponentError
from sluice_refine.manifest import Manifest, Source, Table, user_metadata
from sluice_refine.rules import quoted, row_rules, unique_columns

TYPES = {'integer': 'BIGINT', 'number': 'DOUBLE', 'boolean': 'BOOLEAN', 'date': 'DATE', 'timestamp': 'TIMESTAMP'}
METADATA = 'spark.databricks.delta.commitInfo.userMetadata'
TXN_APP, TXN_VERSION = 'spark.databricks.delta.write.txnAppId', 'spark.databricks.delta.write.txnVersion'


def refine(spark: Any, manifest: Manifest) -> int:
    """Refines and commits; gives the rows that were read."""
    spark.conf.set('spark.sql.session.timeZone', 'UTC')
    rows = sum(_define(spark, manifest, source) for source in manifest.sources)
    spark.conf.set(METADATA, user_metadata(manifest, rows))
    silver = _judged(spark, manifest.silver)
    _show_silver(spark, manifest, silver)
    gold = _judged(spark, manifest.gold)
    _commit(spark, manifest, manifest.silver, silver)
    _commit(spark, manifest, manifest.gold, gold)
    return rows


def _define(spark: Any, manifest: Manifest, source: Source) -> int:
    """The view of one source: every column as text, and `_row`, the row's number."""
    paths = [manifest.lake + path for path in source.paths]
    if source.format == 'csv':
        schema = ', '.join(f'{quoted(column)} STRING' for column in source.columns)
        options = {'header': True, 'enforceSchema': False, 'mode': 'FAILFAST', 'multiLine': True, 'escape': '"', 'encoding': source.encoding}
        frame = spark.read.options(**options).schema(schema).csv(paths)
    elif source.format == 'parquet':
        frame = spark.read.parquet(*paths).selectExpr(*[f'CAST({quoted(column)} AS STRING) AS {quoted(column)}' for column in source.columns])
    else:
        raise ComponentError('source-format', f'source {source.name} is {source.format}; files of csv and parquet are handed over')
    frame = frame.selectExpr('*', 'monotonically_increasing_id() AS _row').localCheckpoint()
    frame.createOrReplaceTempView(source.view)
    if len(manifest.sources) == 1:
        frame.createOrReplaceTempView('bronze')
    for column, kind in source.columns.items():
        if kind in TYPES and kind != 'timestamp':
            bad = frame.where(f"{quoted(column)} <> '' AND try_cast({quoted(column)} AS {TYPES[kind]}) IS NULL").limit(1).count()
            if bad:
                raise ComponentError('bad-rows', f'source {source.name}: column {column} holds a value that is no {kind}')
    return int(frame.count())


def _judged(spark: Any, table: Table) -> Any:
    # Kept eagerly: computed again after silver's commit, gold would hold its rows twice.
    frame = spark.sql(table.sql).localCheckpoint()
    frame.createOrReplaceTempView('_sluice_new')
    for rule in row_rules(table):
        broken = int(frame.where(rule.broken).count())
        if broken:
            raise ComponentError('rule-broken', f'table {table.name}: {broken} rows break the rule {rule.name}, and rows are not set aside here')
    for columns in unique_columns(table):
        names = ', '.join(quoted(column) for column in columns)
        if spark.sql(f'SELECT 1 FROM _sluice_new GROUP BY {names} HAVING count(*) > 1 LIMIT 1').count():
            raise ComponentError('rule-broken', f'table {table.name}: values of {", ".join(columns)} come more than once')
    return frame


def _show_silver(spark: Any, manifest: Manifest, new: Any) -> None:
    """The view `silver` as the table will be after its commit, or as it is where the commit is there."""
    table = manifest.silver
    root = manifest.lake + table.path
    after = new
    if _is_delta(spark, root):
        before = spark.read.format('delta').load(root)
        if _is_done(spark, manifest, root):
            after = before
        elif table.keys:
            after = before.join(new, list(table.keys), 'left_anti').unionByName(new)
        elif table.mode == 'append':
            after = before.unionByName(new)
    after.createOrReplaceTempView('silver')


def _commit(spark: Any, manifest: Manifest, table: Table, new: Any) -> None:
    root = manifest.lake + table.path
    there = _is_delta(spark, root)
    if there and _is_done(spark, manifest, root):
        return
    if there and table.keys:
        _merge(spark, manifest, table, new)
        return
    writer = new.write.format('delta').mode('overwrite' if table.mode == 'overwrite' else 'append')
    writer = writer.option('txnAppId', manifest.appId).option('txnVersion', manifest.txnVersion)
    if table.partition_by:
        writer = writer.partitionBy(*table.partition_by)
    writer.save(root)


def _merge(spark: Any, manifest: Manifest, table: Table, new: Any) -> None:
    new.createOrReplaceTempView('_sluice_merge')
    same = ' AND '.join(f't.{quoted(key)} = s.{quoted(key)}' for key in table.keys)
    spark.conf.set(TXN_APP, manifest.appId)
    spark.conf.set(TXN_VERSION, str(manifest.txnVersion))
    try:
        spark.sql(
            f'MERGE INTO delta.`{manifest.lake}{table.path}` t USING _sluice_merge s ON {same} '
            'WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *'
        )
    finally:
        spark.conf.unset(TXN_APP)
        spark.conf.unset(TXN_VERSION)


def _is_delta(spark: Any, root: str) -> bool:
    from delta.tables import DeltaTable

    return bool(DeltaTable.isDeltaTable(spark, root))


def _is_done(spark: Any, manifest: Manifest, root: str) -> bool:
    """Whether a commit of the table carries this work's note."""
    from delta.tables import DeltaTable

    noted = f'"txn":"{manifest.appId}"'
    return bool(DeltaTable.forPath(spark, root).history().where(f"contains(userMetadata, '{noted}')").limit(1).count())
