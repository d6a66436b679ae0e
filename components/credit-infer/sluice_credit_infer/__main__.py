"""`python -m sluice_credit_infer --input NAME=PATH … --params-json JSON --out DIR`; ../README.md says which inputs and parameters."""

from sluice_credit_infer import NAME, VERSION
from sluice_protocol import Outcome, StepArguments, step


@step(NAME, VERSION)
def infer(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_credit_infer.main import infer_step

    return infer_step(arguments)


infer.run()
