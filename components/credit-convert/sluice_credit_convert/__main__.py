"""`python -m sluice_credit_convert --input NAME=PATH … --params-json JSON --out DIR`; ../README.md says which inputs and parameters."""

from sluice_credit_convert import NAME, VERSION
from sluice_protocol import Outcome, StepArguments, step


@step(NAME, VERSION)
def convert(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_credit_convert.main import convert_step

    return convert_step(arguments)


convert.run()
