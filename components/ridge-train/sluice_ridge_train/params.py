"""The parameters of ridge-train; defaults are those of the published example."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_protocol import Number, Whole, read_params
from sluice_ridge_train import NAME

DECLARED = {
    'alpha': Number(0.03, 0.0, 1e6),
    'testShare': Number(0.2, 0.05, 0.5),
    'seed': Whole(0, 0, 2**31 - 1),
    'goldenRows': Whole(32, 3, 1000),
}


@dataclass(frozen=True)
class TrainParams:
    """`alpha` is the ridge penalty, `testShare` the share of rows held out, `seed` fixes which."""

    alpha: float
    testShare: float
    seed: int
    goldenRows: int


def parse_params(given: Mapping[str, object]) -> TrainParams:
    """Fails with code `params`."""
    return TrainParams(**read_params(NAME, DECLARED, given))
