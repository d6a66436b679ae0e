"""Threads from the CPU limit: numeric libraries take every core they see and crawl when the cores are busy.

Must run before the first import of numpy; the libraries read these variables once, when they are loaded.
"""

import math
import re
from collections.abc import Mapping, MutableMapping

CPU_LIMIT = 'SLUICE_CPU_LIMIT'
_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS', 'NUMEXPR_NUM_THREADS')
_LIMIT = re.compile(r'(?P<cores>[0-9]{1,4}(\.[0-9]{1,3})?)|(?P<milli>[0-9]{1,7})m')


def threads_from_limit(limit: str | None) -> int:
    """Whole threads for a Kubernetes CPU quantity (`4`, `1.5`, `500m`); at least 1, and 1 where no limit is stated."""
    if limit is None or limit == '':
        return 1
    match = _LIMIT.fullmatch(limit)
    if match is None:
        raise ValueError(f'{CPU_LIMIT} is {limit!r}; expected a CPU quantity such as 4, 1.5 or 500m')
    cores = float(match['cores']) if match['cores'] else int(match['milli']) / 1000
    return max(1, math.floor(cores))


def thread_count(environment: Mapping[str, str]) -> int:
    """The threads that numeric libraries were told to use, for those that want the number itself; 1 where nobody said."""
    told = environment.get('OMP_NUM_THREADS', '')
    return max(1, int(told)) if re.fullmatch(r'[0-9]{1,4}', told) else threads_from_limit(environment.get(CPU_LIMIT))


def limit_threads(environment: MutableMapping[str, str]) -> int:
    """Sets the thread variables that are not set already and returns the number of threads that the limit allows."""
    threads = threads_from_limit(environment.get(CPU_LIMIT))
    for name in _VARIABLES:
        environment.setdefault(name, str(threads))
    return threads
