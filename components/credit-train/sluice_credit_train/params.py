"""The parameters of credit-train; defaults are those of the published pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_credit_train import NAME
from sluice_protocol import Number, Whole, read_params

DECLARED = {
    'rounds': Whole(500, 1, 10_000),
    'learningRate': Number(0.02, 1e-4, 1.0),
    'maxDepth': Whole(10, 1, 20),
    'minChildWeight': Number(6.0, 0.0, 1e6),
    'updateRounds': Whole(50, 1, 10_000),
    'seed': Whole(0, 0, 2**31 - 1),
}
# Parameters of the other steps of the pipeline, which shared parameters bring here too.
SIBLINGS = frozenset({'data_url', 'data_url_allow', 'data_size', 'testShare', 'goldenRows'})


@dataclass(frozen=True)
class TrainParams:
    """`rounds` trees from scratch, or `updateRounds` more on top of the model in the input `base`."""

    rounds: int
    learningRate: float
    maxDepth: int
    minChildWeight: float
    updateRounds: int
    seed: int

    def for_xgboost(self, threads: int) -> dict[str, object]:
        """XGBoost's own names. `base_score` is stated because newer versions would estimate it and give another model."""
        return {
            'objective': 'binary:logistic',
            'eval_metric': 'logloss',
            'tree_method': 'hist',
            'learning_rate': self.learningRate,
            'max_depth': self.maxDepth,
            'min_child_weight': self.minChildWeight,
            'base_score': 0.5,
            'seed': self.seed,
            'nthread': threads,
            'verbosity': 1,
        }


def parse_params(given: Mapping[str, object]) -> TrainParams:
    """Fails with code `params`."""
    return TrainParams(**read_params(NAME, DECLARED, given, SIBLINGS))
