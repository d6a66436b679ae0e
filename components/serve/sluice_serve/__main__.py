"""`python -m sluice_serve [serve]`; SageMaker starts a container as `docker run IMAGE serve`.

Signals and threads are set before anything imports numpy: its libraries start threads, and read their number once.
"""

import os
import sys

from sluice_protocol import limit_threads
from sluice_serve import stop_signals

if __name__ == '__main__':
    stop_signals.hold()
    try:
        limit_threads(os.environ)
        from sluice_serve.main import main
    except ModuleNotFoundError as error:
        sys.exit(f'serve cannot start: {sys.executable} has no module {error.name!r}; install what the requirements.txt of serve names')
    except ValueError as error:
        sys.exit(f'serve cannot start: {error}')
    sys.exit(main(sys.argv[1:], os.environ))
