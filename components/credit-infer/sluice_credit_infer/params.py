"""credit-infer has no parameters of its own."""

from collections.abc import Mapping

from sluice_credit_infer import NAME
from sluice_protocol import read_params

# Parameters of the other steps of the pipeline, which shared parameters bring here too.
SIBLINGS = frozenset(
    {
        'data_url',
        'data_url_allow',
        'data_size',
        'seed',
        'testShare',
        'rounds',
        'learningRate',
        'maxDepth',
        'minChildWeight',
        'updateRounds',
        'goldenRows',
    }
)


def check_params(given: Mapping[str, object]) -> None:
    """Fails with code `params` where a name belongs to no step of the pipeline."""
    read_params(NAME, {}, given, SIBLINGS)
