"""`python -m sluice_credit_preprocess --input NAME=PATH … --params-json JSON --out DIR`; ../README.md says which inputs and parameters."""

from sluice_credit_preprocess import NAME, VERSION
from sluice_protocol import Outcome, StepArguments, step


@step(NAME, VERSION)
def preprocess(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_credit_preprocess.main import preprocess_step

    return preprocess_step(arguments)


preprocess.run()
