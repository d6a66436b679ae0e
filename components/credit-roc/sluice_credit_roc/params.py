"""The parameters of credit-roc."""

from collections.abc import Mapping

from sluice_credit_roc import NAME
from sluice_protocol import Whole, read_params

DECLARED = {'goldenRows': Whole(32, 20, 1000)}
# Parameters of the other steps of the pipeline, which shared parameters bring here too.
SIBLINGS = frozenset(
    {'data_url', 'data_url_allow', 'data_size', 'seed', 'testShare', 'rounds', 'learningRate', 'maxDepth', 'minChildWeight', 'updateRounds'}
)


def golden_rows(given: Mapping[str, object]) -> int:
    """How many test rows go into the report with their predictions; fails with code `params`."""
    return int(read_params(NAME, DECLARED, given, SIBLINGS)['goldenRows'])
