"""The parameters of credit-split."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_credit_split import NAME
from sluice_protocol import Number, Whole, read_params

DECLARED = {'testShare': Number(0.25, 0.05, 0.5), 'seed': Whole(0, 0, 2**31 - 1)}
# Parameters of the other steps of the pipeline, which shared parameters bring here too.
SIBLINGS = frozenset(
    {'data_url', 'data_url_allow', 'data_size', 'rounds', 'learningRate', 'maxDepth', 'minChildWeight', 'updateRounds', 'goldenRows'}
)


@dataclass(frozen=True)
class SplitParams:
    """`testShare` of the rows is held out; `seed` fixes which."""

    testShare: float
    seed: int


def parse_params(given: Mapping[str, object]) -> SplitParams:
    """Fails with code `params`."""
    return SplitParams(**read_params(NAME, DECLARED, given, SIBLINGS))
