"""`python -m sluice_credit_roc --input NAME=PATH … --params-json JSON --out DIR`; ../README.md says which inputs and parameters."""

from sluice_credit_roc import NAME, VERSION
from sluice_protocol import Outcome, StepArguments, step


@step(NAME, VERSION)
def judge(arguments: StepArguments) -> Outcome:
    """The step."""
    # Imported here: the threads are set by now, and a missing package becomes a failed report.
    from sluice_credit_roc.main import judge_step

    return judge_step(arguments)


judge.run()
