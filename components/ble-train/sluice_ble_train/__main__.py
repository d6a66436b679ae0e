"""`python -m sluice_ble_train --input gold=PATH --params FILE --out DIR`.

Threads are set before anything imports numpy: its libraries read them once.
"""

import os
import sys

from sluice_ble_train import NAME, VERSION
from sluice_protocol import Component, Outcome, StepArguments, limit_threads, run_component


def _train(arguments: StepArguments) -> Outcome:
    # Imported here, so that a missing package is a failed report and not a traceback without one.
    from sluice_ble_train.main import train_step

    return train_step(arguments)


if __name__ == '__main__':
    limit_threads(os.environ)
    sys.exit(run_component(Component(NAME, VERSION), _train, sys.argv[1:]))
