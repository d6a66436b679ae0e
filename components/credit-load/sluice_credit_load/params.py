"""The parameters of credit-load. `data_url` and `data_size` are called as in the published pipeline that this one follows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_credit_load import NAME
from sluice_protocol import Text, Whole, read_params

DECLARED = {
    'data_url': Text('', 2000),
    'data_url_allow': Text('', 1000),
    'data_size': Whole(0, 0, 5_000_000),
    'seed': Whole(0, 0, 2**31 - 1),
}
# Parameters of the other steps of the pipeline, which shared parameters bring here too.
SIBLINGS = frozenset({'testShare', 'rounds', 'learningRate', 'maxDepth', 'minChildWeight', 'updateRounds', 'goldenRows'})


@dataclass(frozen=True)
class LoadParams:
    """`dataSize` rows at least, by synthetic copies (0: none); `dataUrl` instead of the input gold where it is not empty."""

    dataUrl: str
    dataUrlAllow: str
    dataSize: int
    seed: int


def parse_params(given: Mapping[str, object]) -> LoadParams:
    """Fails with code `params`."""
    values = read_params(NAME, DECLARED, given, SIBLINGS)
    return LoadParams(values['data_url'], values['data_url_allow'], values['data_size'], values['seed'])
