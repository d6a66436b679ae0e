"""Reads every file once, writes the rows that are as declared, sets the others aside beside them, and reports counts: never a value.

Layout below the out folder: `refined.csv`, `set-aside/rows.csv` where rows were set aside, `run-report.json`.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from sluice_csv_refine import NAME
from sluice_csv_refine.rules import Rule, parse_rules
from sluice_csv_refine.source import Source, read_source
from sluice_protocol import ComponentError, Outcome, StepArguments, Text, Whole, file_digest, read_params

REFINED = 'refined.csv'
SET_ASIDE = 'set-aside/rows.csv'
PARAMS = {'checks': Text(''), 'drop': Text(''), 'minRows': Whole(1, 0, 2**31 - 1)}
_SHOWN_LINES = 10


@dataclass
class Judged:
    """What was found: rows by rule, and the first physical lines of each."""

    read: int = 0
    kept: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[str]] = field(default_factory=dict)

    def note(self, rule: str, file: str, line: int) -> None:
        self.broken[rule] += 1
        shown = self.lines.setdefault(rule, [])
        if len(shown) < _SHOWN_LINES:
            shown.append(f'{file}:{line}')

    def words(self) -> str:
        """Rules with their counts and places, for a message."""
        return '; '.join(f'{rule}: {count} ({", ".join(self.lines[rule][:3])})' for rule, count in sorted(self.broken.items()))


def refine_step(arguments: StepArguments) -> Outcome:
    """Inputs `files` and `source`; fails with `bad-rows`, `too-few-rows`, `bad-header`, or as reading fails."""
    params = read_params(NAME, PARAMS, arguments.params)
    source = read_source(arguments.input('source'))
    rules = parse_rules(params['checks'], list(source.checks))
    dropped = _dropped(params['drop'], source)
    files = _files(arguments.input('files'))
    judged = _write(files, source, Shape(rules, dropped), arguments.out)
    if judged.broken and not source.setsAside:
        (arguments.out / REFINED).unlink()
        raise ComponentError('bad-rows', f'{sum(judged.broken.values())} of {judged.read} rows are not as declared: {judged.words()}')
    if judged.kept < params['minRows']:
        raise ComponentError(
            'too-few-rows', f'{judged.kept} of {judged.read} rows are left, at least {params["minRows"]} are needed; {judged.words()}'
        )
    return Outcome(
        metrics={'rowsRead': judged.read, 'rows': judged.kept, 'rowsSetAside': judged.read - judged.kept, 'files': len(files)},
        params=params,
        artifacts=[file_digest(arguments.out / REFINED)],
        data=_told(files, judged),
    )


def _told(files: Sequence[Path], judged: Judged) -> dict[str, Any]:
    rules = [{'rule': rule, 'rows': count, 'lines': judged.lines[rule]} for rule, count in sorted(judged.broken.items())]
    return {'files': [file.name for file in files], 'rules': rules}


def _dropped(names: str, source: Source) -> frozenset[str]:
    dropped = frozenset(name.strip() for name in names.split(',') if name.strip())
    unknown = sorted(dropped - set(source.checks))
    if unknown or dropped == set(source.checks):
        problem = f'{unknown[0]!r} is no declared column' if unknown else 'no column would be left'
        raise ComponentError('params', f'drop: {problem} (declared: {", ".join(source.checks)})')
    return dropped


def _files(path: Path) -> list[Path]:
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    if not files:
        raise ComponentError('files-missing', 'input files: the folder is empty')
    return files


@dataclass(frozen=True)
class Shape:
    """What rows must satisfy besides the source, and which columns are left out."""

    rules: Sequence[Rule]
    dropped: frozenset[str]


def _write(files: Sequence[Path], source: Source, shape: Shape, out: Path) -> Judged:
    judged = Judged()
    kept = [index for index, name in enumerate(source.checks) if name not in shape.dropped]
    header = list(source.checks)
    aside: Any = None
    with ExitStack() as open_files:
        target = open_files.enter_context((out / REFINED).open('w', encoding='utf-8', newline=''))
        good = csv.writer(target, lineterminator='\n')
        good.writerow([header[index] for index in kept])
        for file in files:
            for line, row in _rows(file, source):
                judged.read += 1
                rule = _broken_rule(row, source, shape.rules)
                if rule is None:
                    judged.kept += 1
                    good.writerow([row[index] for index in kept])
                    continue
                judged.note(rule, file.name, line)
                if source.setsAside:
                    aside = aside or csv.writer(open_files.enter_context(_aside(out)), lineterminator='\n')
                    aside.writerow([rule, file.name, line, *row])
    return judged


def _aside(out: Path) -> TextIO:
    target = out / SET_ASIDE
    target.parent.mkdir(exist_ok=True)
    return target.open('w', encoding='utf-8', newline='')


def _broken_rule(row: Sequence[str], source: Source, rules: Sequence[Rule]) -> str | None:
    if len(row) != len(source.checks):
        return 'shape'
    for text, (name, proper) in zip(row, source.checks.items(), strict=True):
        # Nothing between two commas is no value; whether one must be there is for who trains on it.
        if text != '' and not proper(text):
            return f'type:{name}'
    return next((rule.name for rule in rules if row[rule.column] != '' and not rule.holds(row[rule.column])), None)


def _rows(file: Path, source: Source) -> Iterator[tuple[int, list[str]]]:
    """Physical line and values of each row; the header must be the declared one."""
    line = 0
    try:
        with file.open(encoding=source.encoding, newline='') as text:
            rows = csv.reader(text, strict=True)
            header = next(rows, None)
            if header != list(source.checks):
                raise ComponentError('bad-header', f'{file.name} line 1: the header is not {", ".join(source.checks)}')
            line = rows.line_num
            for row in rows:
                first = line + 1
                line = rows.line_num
                if row:
                    yield first, row
    except UnicodeError as error:
        raise ComponentError('bad-encoding', f'{file.name} is not of the declared encoding (after line {line})') from error
    except csv.Error as error:
        raise ComponentError('bad-csv', f'{file.name} line {line + 1}: {error}') from error
    except OSError as error:
        raise ComponentError('file-unreadable', f'{file.name} cannot be read: {error.strerror}') from error
