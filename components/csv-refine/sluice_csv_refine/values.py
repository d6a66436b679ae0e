"""Is the text of a value of its declared type? As strict as refining in the lake is: no spaces, no 1_000, no hexadecimal, no infinity."""

import math
import re
from collections.abc import Callable
from datetime import date, datetime

Check = Callable[[str], bool]

_WHOLE = re.compile(r'-?[0-9]+', re.ASCII)
_NUMBER = re.compile(r'-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?', re.ASCII)
_DATE = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}', re.ASCII)
_INSTANT = re.compile(
    r'[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?', re.ASCII
)


def _is_whole(text: str) -> bool:
    return len(text) <= 20 and _WHOLE.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(lambda: date.fromisoformat(text))


def _is_instant(text: str) -> bool:
    if _INSTANT.fullmatch(text) is None:
        return False
    # Nanoseconds are cut: the clock of Python has microseconds, and only whether it is a time is asked.
    return _parses(lambda: datetime.fromisoformat(re.sub(r'(\.[0-9]{6})[0-9]+', r'\1', text)))


def _parses(parse: Callable[[], object]) -> bool:
    try:
        parse()
    except ValueError:
        return False
    return True


CHECKS: dict[str, Check] = {
    'string': lambda _text: True,
    'integer': _is_whole,
    'number': _is_number,
    'boolean': lambda text: text.lower() in ('true', 'false'),
    'date': _is_date,
    'timestamp': _is_instant,
}


def timestamp_check(form: str) -> Check:
    """Timestamps of a strptime format."""
    return lambda text: text == text.strip() and _parses(lambda: datetime.strptime(text, form))
