"""`python -m sluice_refine --input manifest=FOLDER --out DIR`; ../README.md says what it does where."""

from sluice_protocol import Outcome, StepArguments, step
from sluice_refine import NAME, VERSION


@step(NAME, VERSION)
def refine(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here, so that a missing package becomes a failed report.
    from sluice_refine.main import refine_step

    return refine_step(arguments)


refine.run()
