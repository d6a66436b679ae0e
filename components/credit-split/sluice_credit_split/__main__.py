"""`python -m sluice_credit_split --input NAME=PATH … --params-json JSON --out DIR`; ../README.md says which inputs and parameters."""

from sluice_credit_split import NAME, VERSION
from sluice_protocol import Outcome, StepArguments, step


@step(NAME, VERSION)
def split(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_credit_split.main import split_step

    return split_step(arguments)


split.run()
