"""`python -m sluice_ridge_train --input gold=PATH --params-json JSON --out DIR`; ../README.md says which parameters."""

from sluice_protocol import Outcome, StepArguments, step
from sluice_ridge_train import NAME, VERSION


@step(NAME, VERSION)
def train(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_ridge_train.main import train_step

    return train_step(arguments)


train.run()
