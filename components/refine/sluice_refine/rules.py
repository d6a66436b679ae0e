"""What rows must satisfy, as SQL that is true for a row that breaks it. `warn` is left to Sluice, which judges the statistics."""

from dataclasses import dataclass

from sluice_refine.manifest import Table


@dataclass(frozen=True)
class Rule:
    """`broken` is SQL over one row."""

    name: str
    broken: str


def row_rules(table: Table) -> list[Rule]:
    """Rules of single rows, in the order of the file."""
    rules = []
    for column, contract in table.columns.items():
        if contract.get('onFail', 'fail') == 'warn':
            continue
        name = quoted(column)
        if contract.get('required'):
            rules.append(Rule(f'required:{column}', f'{name} IS NULL'))
        for bound, sign in (('min', '<'), ('max', '>')):
            if contract.get(bound) is not None:
                rules.append(Rule(f'{bound}:{column}', f'{name} {sign} {contract[bound]}'))
        values = contract.get('values')
        if isinstance(values, list):
            rules.append(Rule(f'values:{column}', f'{name} NOT IN ({", ".join(literal(value) for value in values)})'))
    rules += [Rule('key-required', f'{quoted(key)} IS NULL') for key in table.keys]
    rules += [Rule(one['name'], f'NOT coalesce(({one["check"]}\n), false)') for one in table.expect if one.get('onFail') != 'warn']
    return rules


def unique_columns(table: Table) -> list[tuple[str, ...]]:
    """Columns, or keys together, of which no value may come twice."""
    single = [(column,) for column, rule in table.columns.items() if rule.get('unique') and rule.get('onFail', 'fail') != 'warn']
    return [*single, *([table.keys] if table.keys else [])]


def quoted(name: str) -> str:
    """A column's name in Spark SQL."""
    return '`' + name.replace('`', '``') + '`'


def literal(value: object) -> str:
    """A value in Spark SQL; text with its quotes and backslashes escaped."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace('\\', '\\\\').replace("'", "\\'") + "'"
