"""Rows that must not leave: where `SLUICE_ROWS=stay` is set, a step runs beside data that stays where it is.

Then golden rows are taken only from rows that were declared releasable, and what a step says of a failure holds no values.
"""

import re
from collections.abc import Mapping
from types import TracebackType

from sluice_protocol.errors import ComponentError

ROWS = 'SLUICE_ROWS'
RELEASABLE = 'releasable'
"""Name of the input that holds the rows that may leave."""

_QUOTED = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'')
# What these speak of is the call, never the data.
_OF_THE_CALL = frozenset(
    {'usage', 'params', 'cpu-limit', 'input-missing', 'out-unusable', 'executor-input', 'package-missing', 'terminated'}
)


def rows_stay(environment: Mapping[str, str]) -> bool:
    """Whether no row of the inputs may leave this place."""
    return environment.get(ROWS) == 'stay'


def without_values(error: ComponentError) -> ComponentError:
    """The error without what its message quotes: a value that does not parse is a value of a row."""
    if error.code in _OF_THE_CALL:
        return error
    return ComponentError(error.code, _QUOTED.sub('(held back)', error.message))


def place_of(error: BaseException) -> str:
    """The kind of an exception and where it was raised; its own words may hold rows."""
    innermost = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        innermost, trace = trace, trace.tb_next
    if innermost is None:
        return type(error).__name__
    code = innermost.tb_frame.f_code
    return f'{type(error).__name__} in {code.co_filename.rpartition("/")[2]} line {innermost.tb_lineno} ({code.co_name})'


def refuse_undeclared(golden: object, inputs: Mapping[str, object]) -> None:
    """Fails with `golden-held` where golden rows would leave that nobody declared releasable."""
    if golden is not None and RELEASABLE not in inputs:
        raise ComponentError(
            'golden-held',
            f'golden rows are rows of the data, which must not leave, and no input {RELEASABLE} was given: name a file in train.releasable',
        )
